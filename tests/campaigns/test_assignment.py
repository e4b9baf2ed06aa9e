from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2_contingency, chisquare, kstest

import python_draws
from cvm.campaigns.assignment import (
    RESOLUTION,
    AssignmentError,
    Split,
    campaign_key,
    draw_key,
    draw_sql,
    ledger_rows,
)
from cvm.engines import DuckDBEngine
from memory import Memory
from sql_draws import assign, draws

IDS = [f"c{number}" for number in range(100_000)]
STRANGE_IDS = ["1", "01", "o'Brien", "Жанна", "a\x1fb", "🙂", " ", "x" * 500]
THREE = Split({"control": 0.2, "mail": 0.5, "sms": 0.3})


@pytest.fixture
def engine() -> DuckDBEngine:
    engine = Memory()
    engine.register("customers", pa.table({"customer_id": IDS[:5000] + STRANGE_IDS}))
    return engine


def test_a_draw_is_the_first_52_bits_of_sha256() -> None:
    key = hashlib.sha256(json.dumps(["salt", "campaign", "spring"]).encode()).hexdigest()
    assert draw_key("salt", "campaign", "spring") == key
    digest = hashlib.sha256(f"{key}c1".encode()).digest()
    assert draws(["c1"], key=key).tolist() == [int.from_bytes(digest[:7], "big") >> 4]


def test_draws_never_change_from_one_release_to_the_next() -> None:
    drawn = draws(["c1", "Жанна"], key=draw_key("cvm", "campaign", "spring"))
    assert drawn.tolist() == [1074785588966330, 3561963571752823]


def test_strange_ids_are_drawn_by_their_bytes() -> None:
    key = draw_key("it's; a salt", "campaign", "Весна")
    assert draws(STRANGE_IDS, key=key).tolist() == python_draws.draws(STRANGE_IDS, key=key).tolist()


def test_the_ledger_has_the_arms_and_their_propensities(engine: DuckDBEngine) -> None:
    arm = THREE.arm_sql(draw_sql("customer_id", key=campaign_key("sp'ring", salt="s")))
    query = ledger_rows(f"SELECT customer_id, {arm} AS arm FROM customers", THREE, campaign_id="sp'ring")
    found = engine.table(query).to_pydict()
    assert python_draws.assign(found["customer_id"], THREE, campaign_id="sp'ring", salt="s").tolist() == found["arm"]
    assert found["propensity"] == [THREE.shares[arm] for arm in found["arm"]]
    assert set(found["campaign_id"]) == {"sp'ring"}


def test_draws_are_uniform() -> None:
    shares = draws(IDS, key=draw_key("s", "campaign", "a")) / RESOLUTION
    assert 0 <= shares.min() < shares.max() < 1
    assert kstest(shares, "uniform").pvalue > 0.001
    assert chisquare(np.bincount((shares * 100).astype(int), minlength=100)).pvalue > 0.001


@pytest.mark.parametrize(("campaign_id", "salt"), [("other", "s"), ("a", "other"), ("a ", "s")])
def test_draws_of_two_campaigns_or_salts_are_independent(campaign_id: str, salt: str) -> None:
    first, second = assign(IDS, THREE, campaign_id="a", salt="s"), assign(IDS, THREE, campaign_id=campaign_id, salt=salt)
    table = [[int(((first == one) & (second == two)).sum()) for two in THREE.shares] for one in THREE.shares]
    assert chi2_contingency(table).pvalue > 0.001


def test_sizes_are_within_four_standard_deviations_of_the_shares() -> None:
    arms = assign(IDS, THREE, campaign_id="sizes", salt="s")
    for arm, share in THREE.shares.items():
        assert abs((arms == arm).sum() - len(IDS) * share) < 4 * (len(IDS) * share * (1 - share)) ** 0.5


def test_a_larger_control_keeps_all_that_a_smaller_one_had() -> None:
    small, large = (
        assign(IDS[:5000], Split.even(["mail"], control_share=share), campaign_id="a", salt="s") for share in (0.1, 0.2)
    )
    assert set(large[small == "control"]) == {"control"}


def test_even_treatments_share_what_the_control_leaves() -> None:
    assert Split.even(["a", "b"], control_share=0.2).shares == {"control": 0.2, "a": 0.4, "b": 0.4}
    assert Split.even(["a", "b"], control_share=0.2).cuts["b"] == RESOLUTION


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"mail": 1.0}, r"The arms are \['mail'\]; one must be called 'control'"),
        ({"control": 1.0}, "'control' is the only arm; name a treatment"),
        ({"control": 0.0, "mail": 1.0}, "share of arm 'control' == 0, must be above 0 and below 1"),
        ({"control": 1.0, "mail": 0.0}, "share of arm 'control' == 1, must be above 0 and below 1"),
        ({"control": 0.5, "mail": -0.5, "sms": 1.0}, "share of arm 'mail' == -0.5, must be above 0"),
        ({"control": float("nan"), "mail": 0.5}, "share of arm 'control' == nan, must be above 0"),
        ({"control": 0.1, "mail": 0.8}, r"add up to 0.9, must be 1; correct one of them"),
    ],
)
def test_an_impossible_split_is_refused(shares: dict[str, float], message: str) -> None:
    with pytest.raises(AssignmentError, match=message):
        Split(shares)


def test_treatments_need_names_of_their_own() -> None:
    with pytest.raises(AssignmentError, match=r"\['mail', 'mail'\]; each needs a name of its own"):
        Split.even(["mail", "mail"], control_share=0.1)
    with pytest.raises(AssignmentError, match="other than 'control'"):
        Split.even(["control"], control_share=0.1)
    with pytest.raises(AssignmentError, match="'control' is the only arm"):
        Split.even([], control_share=0.1)


def test_a_campaign_without_a_name_is_refused() -> None:
    with pytest.raises(AssignmentError, match="The campaign has no name; give it one of its own"):
        campaign_key(" ", salt="s")


@pytest.mark.parametrize(
    "text", ["", "x", "control", "control=", "=0.5", "control=0.5,mail", "control=nan,a=0.5", "a=1,a=1"]
)
def test_shares_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(AssignmentError, match="are no list of arms, each once with its share; write for example control="):
        Split.parse(text)


def test_shares_are_read_as_written_and_checked() -> None:
    assert Split.parse(" control = 0.25,mail=0.75") == Split({"control": 0.25, "mail": 0.75})
    with pytest.raises(AssignmentError, match=r"add up to 1\.1, must be 1"):
        Split.parse("control=0.2,mail=0.9")
