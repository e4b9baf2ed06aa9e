import numpy as np
import pytest

from cvm.evaluation import CategoryProfile, NumberProfile, category_drift, number_drift, profile_from_state

RNG = np.random.default_rng(11)


def test_the_index_of_a_table_computed_by_hand():
    # Siddiqi's formula: sum of (now - before) * ln(now / before) over the groups.
    profile = NumberProfile(1_000_000, 0.0, (1.0,), (0.5, 0.5), 1.0)
    values = np.repeat([0.0, 2.0], [600_000, 400_000])
    expected = 0.1 * np.log(0.6 / 0.5) + -0.1 * np.log(0.4 / 0.5)
    drift = number_drift(profile, values)
    assert drift.stability_index == pytest.approx(expected, rel=1e-4)
    assert drift.distance == pytest.approx(0.1)
    assert (drift.mean_before, drift.mean) == (1.0, 0.8)


def test_groups_are_of_equal_size_where_values_allow_it():
    profile = NumberProfile.of(np.arange(1000.0))
    assert profile.shares == pytest.approx([0.1] * 10, abs=0.002)
    assert NumberProfile.of(np.array([0.0] * 80 + [5.0] * 20)).shares == (0.8, 0.2)
    assert NumberProfile.of(np.full(10, 3.0)).shares == (1.0,)


def test_what_is_missing_is_a_group_of_its_own():
    values = RNG.normal(size=4000)
    profile = NumberProfile.of(values)
    gone = np.where(np.arange(4000) < 1200, np.nan, values)
    drift = number_drift(profile, gone)
    assert (drift.missing_before, drift.missing) == (0.0, pytest.approx(0.3))
    assert drift.stability_index > 0.25
    assert number_drift(profile, np.full(4000, np.nan)).mean is None


def test_samples_of_one_population_differ_by_chance_alone():
    beyond = 0
    for _ in range(300):
        profile = NumberProfile.of(RNG.gamma(2, size=500))
        drift = number_drift(profile, RNG.gamma(2, size=500))
        beyond += drift.stability_index > drift.by_chance
    assert beyond <= 12  # 3 expected; cut points are of the first sample, which makes it a little more


def test_categories_that_appear_are_named():
    before = CategoryProfile.of(np.array(["shop"] * 700 + ["web"] * 300, dtype=object))
    drift = category_drift(before, np.array(["shop"] * 600 + ["web"] * 200 + ["app"] * 200, dtype=object))
    assert drift.new_categories == {"app": 0.2}
    assert drift.stability_index > 0.25
    assert category_drift(before, np.array(["shop"] * 70 + ["web"] * 30, dtype=object)).stability_index < 0.01


def test_rare_categories_are_told_together():
    values = np.array([f"v{i}" for i in range(300)] + ["many"] * 2700, dtype=object)
    profile = CategoryProfile.of(values)
    assert profile.shares == {"many": pytest.approx(0.9), "other": pytest.approx(0.1)}
    assert category_drift(profile, values).stability_index == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "profile",
    [
        NumberProfile.of(np.array([1.0, 2.0, np.nan])),
        NumberProfile.of(np.array([np.nan])),
        NumberProfile.of(np.array([])),
        CategoryProfile.of(np.array(["a", None], dtype=object)),
        CategoryProfile.of(np.array([], dtype=object)),
    ],
)
def test_a_profile_survives_its_state_and_nobody_moves_from_nothing(profile):
    assert profile_from_state(profile.state()) == profile
    if isinstance(profile, NumberProfile):
        assert number_drift(profile, np.array([])).stability_index == 0
    else:
        assert category_drift(profile, np.array([], dtype=object)).stability_index == 0


def test_values_that_few_share_are_kept_by_no_profile():
    profile = CategoryProfile.of(np.array([f"{name}@x.ua" for name in range(150)], dtype=object))
    assert profile.shares == {"other": pytest.approx(1.0)}
    drift = category_drift(profile, np.array(["ivan@x.ua"] * 9 + ["shop"] * 91, dtype=object))
    assert set(drift.new_categories) == {"shop"}
