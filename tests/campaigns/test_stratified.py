from __future__ import annotations

import numpy as np

import python_draws
from cvm.campaigns.assignment import Split
from sql_draws import assign_balanced

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


def test_the_arms_are_those_that_the_ranks_of_sha256_give() -> None:
    arms = assign_balanced(IDS, STRATA, THREE, campaign_id="a", salt="s")
    assert arms.tolist() == python_draws.assign_balanced(IDS, STRATA, THREE, campaign_id="a", salt="s").tolist()


def test_the_order_of_the_list_changes_nothing() -> None:
    arms = assign_balanced(IDS, STRATA, THREE, campaign_id="a", salt="s")
    order = np.random.default_rng(7).permutation(len(IDS))
    shuffled = assign_balanced([IDS[n] for n in order], [STRATA[n] for n in order], THREE, campaign_id="a", salt="s")
    assert shuffled.tolist() == arms[order].tolist()


def test_customers_alone_in_their_stratum_still_get_each_arm_with_its_share() -> None:
    arms = assign_balanced(IDS, IDS, THREE, campaign_id="alone", salt="s")
    for arm, share in THREE.shares.items():
        assert abs((arms == arm).mean() - share) < 4 * (share * (1 - share) / len(IDS)) ** 0.5
