from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from cvm.campaigns.assignment import AssignmentError, Split
from cvm.campaigns.stratified import assign_balanced, balanced_query
from memory import Memory

THREE = Split({"control": 0.15, "mail": 0.5, "sms": 0.35})
IDS = [f"c{number}" for number in range(3000)]
STRATA: list[str | None] = [["top", "high", "o'dd", None][min(number % 7, 3)] for number in range(3000)]


def test_every_arm_of_every_stratum_is_within_one_customer_of_its_share() -> None:
    arms = assign_balanced(IDS, STRATA, THREE, campaign_id="a", salt="s")
    strata = np.array(STRATA, dtype=object)
    for stratum in set(STRATA):
        inside = arms[strata == stratum]
        for arm, share in THREE.shares.items():
            assert abs((inside == arm).sum() - len(inside) * share) < 1


def test_the_engine_gives_the_same_arms() -> None:
    engine = Memory()
    engine.register("customers", pa.table({"customer_id": IDS, "tier": STRATA}))
    query = balanced_query("customers", THREE, stratum="tier", campaign_id="a", salt="s")
    found = {row["customer_id"]: (row["arm"], row["propensity"]) for row in engine.table(query).to_pylist()}
    arms = assign_balanced(IDS, STRATA, THREE, campaign_id="a", salt="s")
    assert found == {name: (arm, THREE.shares[arm]) for name, arm in zip(IDS, arms, strict=True)}


def test_the_order_of_the_list_changes_nothing() -> None:
    arms = assign_balanced(IDS, STRATA, THREE, campaign_id="a", salt="s")
    backwards = assign_balanced(IDS[::-1], STRATA[::-1], THREE, campaign_id="a", salt="s")
    assert backwards[::-1].tolist() == arms.tolist()


def test_customers_alone_in_their_stratum_still_get_each_arm_with_its_share() -> None:
    arms = assign_balanced(IDS, IDS, THREE, campaign_id="alone", salt="s")
    for arm, share in THREE.shares.items():
        assert abs((arms == arm).mean() - share) < 4 * (share * (1 - share) / len(IDS)) ** 0.5


def test_nobody_is_drawn_from_nobody() -> None:
    assert assign_balanced([], [], THREE, campaign_id="a", salt="s").tolist() == []


def test_a_customer_who_stands_there_twice_is_refused() -> None:
    with pytest.raises(AssignmentError, match="1 customers stand in the list twice; keep one row of each"):
        assign_balanced(["a", "b", "a"], ["x"] * 3, THREE, campaign_id="a", salt="s")


def test_strata_must_be_as_many_as_customers() -> None:
    with pytest.raises(AssignmentError, match="There are 2 customers and 1 strata"):
        assign_balanced(["a", "b"], ["x"], THREE, campaign_id="a", salt="s")
