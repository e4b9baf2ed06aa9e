from __future__ import annotations

import numpy as np
import pyarrow as pa

from cvm.campaigns.assignment import Split
from cvm.campaigns.stratified import balanced_query
from memory import Memory
from python_draws import assign_balanced

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
