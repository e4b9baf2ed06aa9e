import json

import numpy as np
import pandas as pd
import pytest

from cvm.models.group_errors import MIN_CUSTOMERS, JudgedCustomers, error_states, group_errors, groups_at_test
from cvm.segments import DEFAULT_RULES

RNG_SEED = 8


def outcomes(n: int, *, off: np.ndarray | None = None, seed: int = RNG_SEED) -> tuple[JudgedCustomers, JudgedCustomers]:
    """Churn and value of ``n`` customers, foretold rightly but where ``off`` adds to the probability said."""
    rng = np.random.default_rng(seed)
    ids = pd.Series([f"c{i}" for i in range(n)])
    p_true, revenue = rng.uniform(0.2, 0.7, n), rng.gamma(2, 20, n)
    churned = (rng.random(n) < p_true).astype(float)
    said = p_true if off is None else p_true + off
    return JudgedCustomers(ids, said, churned), JudgedCustomers(ids, revenue, revenue * rng.gamma(4, 0.25, n))


def labels(churn: JudgedCustomers, values: list[str]) -> pd.Series:
    return pd.Series(np.resize(values, len(churn.actual)), index=churn.customer_id)


def test_the_whole_comes_first_and_groups_add_up_to_it():
    churn, value = outcomes(900)
    whole, *groups = group_errors(churn, value, {"region": labels(churn, ["a", "b", "c"])})
    assert (whole.grouping, whole.n_customers) == ("all", 900)
    assert [group.group for group in groups] == ["a", "b", "c"]
    assert sum(group.n_customers for group in groups) == 900
    assert np.mean([group.observed_churn.value for group in groups]) == pytest.approx(whole.observed_churn.value)


def test_by_hand():
    ids = pd.Series([f"c{i}" for i in range(100)])
    churned = np.repeat([1.0, 0.0], [30, 70])
    churn = JudgedCustomers(ids, np.where(churned == 1, 0.8, 0.2), churned)
    value = JudgedCustomers(ids, np.full(100, 9.0), np.full(100, 12.0))
    (whole,) = group_errors(churn, value, {})
    assert whole.predicted_churn == pytest.approx(0.38)
    assert whole.observed_churn.value == pytest.approx(0.3)
    assert whole.calibration_error.value == pytest.approx(0.08)
    assert whole.auc.value == 1.0
    assert whole.revenue_ratio.value == pytest.approx(0.75)
    assert whole.revenue_ratio.lower == pytest.approx(0.75)  # every customer is off by the same factor


def test_a_group_that_is_called_too_likely_to_leave_is_flagged_and_the_others_are_not():
    n = 3000
    off = np.where(np.arange(n) % 3 == 0, 0.15, 0.0)
    churn, value = outcomes(n, off=off)
    found = {
        error.group: error for error in group_errors(churn, value, {"region": labels(churn, ["wrong", "right", "good"])})
    }
    assert found["wrong"].calibration_error.is_off
    assert found["wrong"].calibration_error.value > found["right"].calibration_error.value
    assert found["wrong"].is_off


def test_chance_alone_is_rarely_flagged():
    flagged = 0
    for seed in range(20):
        churn, value = outcomes(1200, seed=seed)
        errors = group_errors(churn, value, {"region": labels(churn, ["a", "b", "c", "d"])})
        flagged += any(error.is_off for error in errors)
    assert flagged <= 4


def test_small_groups_and_customers_without_a_group_are_left_out():
    churn, value = outcomes(500)
    few = pd.Series(None, index=churn.customer_id, dtype=object)
    few.iloc[: MIN_CUSTOMERS - 1] = "few"
    assert len(group_errors(churn, value, {"region": few})) == 1


def test_a_group_where_everybody_left_has_no_auc():
    churn, value = outcomes(400)
    gone = JudgedCustomers(churn.customer_id, churn.predicted, np.ones(400))
    (whole,) = group_errors(gone, value, {})
    assert whole.auc is None


def test_a_group_in_which_nobody_left_is_not_called_wrong_for_it():
    n = 1000
    churn, value = outcomes(n)
    loyal = np.arange(n) % 5 == 0
    said = np.where(loyal, 0.008, churn.predicted)
    rare = JudgedCustomers(churn.customer_id, said, np.where(loyal, 0.0, churn.actual))
    found = {one.group: one for one in group_errors(rare, value, {"region": labels(churn, ["loyal", "a", "b", "c", "d"])})}
    gap = found["loyal"].calibration_error
    assert gap.lower < 0 < gap.upper
    assert gap.upper - gap.lower > 0.03  # of 200, some three might have left by chance
    assert not found["loyal"].is_off
    assert found["loyal"].auc is None


def test_without_revenue_there_is_no_ratio():
    churn, value = outcomes(400)
    (whole,) = group_errors(churn, JudgedCustomers(value.customer_id, value.predicted, np.zeros(400)), {})
    assert whole.revenue_ratio is None


def test_the_states_are_json():
    churn, value = outcomes(600)
    text = json.dumps(error_states(group_errors(churn, value, {"region": labels(churn, ["a", "b"])})), allow_nan=False)
    assert json.loads(text)[1]["group"] == "a"


def groups(**attributes: np.ndarray) -> dict[str, pd.Series]:
    """Groups of 400 customers with these attributes."""
    n = 400
    rng = np.random.default_rng(RNG_SEED)
    features = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(n)],
            "n_orders": rng.integers(1, 9, n).astype(float),
            "recency_days": rng.uniform(0, 300, n),
            "tenure_days": rng.uniform(300, 600, n),
            "last_gap_days": rng.uniform(1, 60, n),
            "historic_value": rng.gamma(2, 50, n),
            **{f"attribute_{name}": values for name, values in attributes.items()},
        }
    )
    return groups_at_test(
        features,
        p_churn=pd.Series(rng.random(n), index=features["customer_id"].to_numpy()),
        revenue=rng.gamma(2, 30, n),
        tiers={"top": 0.05, "high": 0.15, "medium": 0.3},
        rules=DEFAULT_RULES,
        active_days=365,
        horizon_days=181,
        margin_rate=0.4,
    )


REGION = np.resize(["north", "south"], 400)


def test_groups_at_test_are_tiers_stages_segments_and_attributes_of_few_values():
    found = groups(region=REGION, name=np.array([f"name {i}" for i in range(400)]))
    assert list(found) == ["value_tier", "lifecycle_stage", "segment", "region"]
    assert (found["value_tier"] == "top").mean() == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("name", ["segment", "value_tier", "lifecycle_stage", "all"])
def test_an_attribute_called_as_another_grouping_takes_the_place_of_none(name):
    plain, found = groups(), groups(**{name: REGION})
    assert set(found) == {*plain, f"attribute_{name}"}
    assert set(found[f"attribute_{name}"]) == {"north", "south"}
    for grouping, of_customer in plain.items():
        pd.testing.assert_series_equal(found[grouping], of_customer)
