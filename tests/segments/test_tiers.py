from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.segments import VALUE_TIERS, ValueCuts, value_percentile, value_tier

SHARES = {"top": 0.05, "high": 0.15, "medium": 0.30}
HUNDRED = np.arange(1.0, 101.0)
CUTS = ValueCuts(tiers=(90.0, 50.0, 10.0), percentiles=tuple(float(n) for n in range(101)))

bounded = settings(derandomize=True, deadline=None, database=None, max_examples=100)
CLV = st.lists(st.floats(-1e6, 1e9), min_size=1, max_size=80).map(np.array)


def count(clv: np.ndarray, cuts: ValueCuts) -> dict[str, int]:
    return {tier: int((value_tier(clv, cuts) == tier).sum()) for tier in VALUE_TIERS}


def test_the_tiers_hold_their_shares_of_the_base_they_were_cut_on():
    assert count(HUNDRED, ValueCuts.fit(HUNDRED, **SHARES)) == {"top": 5, "high": 15, "medium": 30, "low": 50}


@pytest.mark.parametrize(
    ("clv", "tier"),
    [(1e9, "top"), (90, "top"), (89.99, "high"), (50, "high"), (49, "medium"), (10, "medium"), (9, "low"), (-5, "low")],
)
def test_a_cut_point_is_the_lowest_value_of_its_tier(clv, tier):
    assert value_tier(np.array([clv], dtype=float), CUTS).tolist() == [tier]


def test_cut_points_are_frozen():
    cuts = ValueCuts.fit(HUNDRED, **SHARES)
    assert count(10 * HUNDRED, cuts)["top"] > 80
    assert count(HUNDRED / 1000, cuts)["low"] == 100
    with pytest.raises(AttributeError, match="cannot assign to field 'tiers'"):
        cuts.tiers = (0, 0, 0)


def test_cut_points_survive_being_written_as_json():
    cuts = ValueCuts.fit(HUNDRED, top=0.0, high=0.2, medium=0.3)
    state = json.loads(json.dumps(cuts.state(), allow_nan=False))
    assert ValueCuts(tuple(state["tiers"]), tuple(state["percentiles"])) == cuts


@pytest.mark.parametrize("empty", [("top",), ("high",), ("medium",), ("top", "high"), ("top", "high", "medium")])
def test_a_tier_of_share_nought_is_empty(empty):
    cuts = ValueCuts.fit(HUNDRED, **(SHARES | dict.fromkeys(empty, 0.0)))
    found = count(HUNDRED, cuts)
    assert {tier for tier, n in found.items() if n == 0} == set(empty)


def test_a_single_customer_is_on_top_and_in_the_middle():
    clv = np.array([3.0])
    cuts = ValueCuts.fit(clv, **SHARES)
    assert (value_tier(clv, cuts).tolist(), value_percentile(clv, cuts).tolist()) == (["top"], [50])


@pytest.mark.parametrize(
    ("clv", "percentile"), [(-1, 0), (0, 0), (0.5, 0), (1, 1), (49.9, 49), (50, 50), (99.9, 99), (100, 100), (1e9, 100)]
)
def test_the_percentile_is_the_highest_one_whose_value_is_reached(clv, percentile):
    assert value_percentile(np.array([clv], dtype=float), CUTS).tolist() == [percentile]


def test_an_unknown_value_has_no_percentile_and_the_lowest_tier():
    found = value_percentile(np.array([np.nan, 50.0]), CUTS)
    assert np.isnan(found[0])
    assert found[1] == 50
    assert value_tier(np.array([np.nan]), CUTS).tolist() == ["low"]


def test_no_customers_give_no_tiers():
    assert value_tier(np.array([]), CUTS).shape == value_percentile(np.array([]), CUTS).shape == (0,)


@bounded
@given(CLV)
def test_equal_values_get_equal_tiers_and_higher_values_no_lower_ones(clv):
    cuts = ValueCuts.fit(clv, **SHARES)
    order = np.argsort(clv, kind="stable")
    rank = np.array([VALUE_TIERS[::-1].index(tier) for tier in value_tier(clv, cuts)])[order]
    percentile = value_percentile(clv, cuts)[order]
    same = np.diff(clv[order]) == 0
    for found in (rank, percentile):
        assert (np.diff(found) >= 0).all()
        assert (np.diff(found)[same] == 0).all()
    assert ((percentile >= 0) & (percentile <= 100)).all()


@bounded
@given(st.lists(st.floats(0, 1e6), min_size=20, max_size=80, unique=True).map(np.array))
def test_no_tier_is_far_from_its_share_when_values_differ(clv):
    found = count(clv, ValueCuts.fit(clv, **SHARES))
    assert all(abs(found[tier] - share * len(clv)) <= 2 for tier, share in SHARES.items())


@bounded
@given(CLV, st.floats(-10, 1e6))
def test_every_value_has_exactly_one_tier_even_one_never_seen(clv, newcomer):
    cuts = ValueCuts.fit(clv, **SHARES)
    assert cuts.tiers[0] >= cuts.tiers[1] >= cuts.tiers[2]
    assert set(value_tier(np.append(clv, newcomer), cuts)) <= set(VALUE_TIERS)


def test_equal_clvs_do_not_put_everybody_on_top():
    same = np.full(1000, 7.0)
    cuts = ValueCuts.fit(same, **SHARES)
    assert set(value_tier(same, cuts)) == {"medium"}
    assert set(value_percentile(same, cuts)) == {50}


def test_those_worth_nothing_stay_low_however_many_they_are():
    clv = np.append(np.zeros(700), np.arange(1.0, 301))
    cuts = ValueCuts.fit(clv, **SHARES)
    tier = value_tier(clv, cuts)
    assert set(tier[:700]) == {"low"}
    assert [int((tier == name).sum()) for name in ("top", "high", "medium")] == [50, 150, 100]
    assert value_percentile(clv, cuts)[0] == 34
