from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

import planned
from acted import AS_OF, decided, rule, write_full_scores
from cvm.actions.evidence import Evidence
from cvm.actions.next_best import implied_rules, written_scores
from cvm.campaigns.holdout import GlobalHoldout
from cvm.campaigns.limits import Treatment
from cvm.campaigns.plan_settings import PlanError
from cvm.scoring.files import read_scores
from planned import ids, profile, scored
from python_draws import held_out

LETTER = {"treatment": "letter", "channel": "post", "cost": 1.0}


def by_customer(found) -> dict[str, dict[str, object]]:
    return {row["customer_id"]: row for row in found.actions.to_pylist()}


def test_each_gets_the_first_action_that_is_for_them(tmp_path) -> None:
    names = ids(3)
    rows = [scored(names[0], segment="vip"), scored(names[1]), scored(names[2], segment="lost")]
    found = decided(
        tmp_path,
        planned.warehouse(names),
        rows,
        rule("call", segments=["vip"], channel="post", cost=4.0, offer="a call"),
        rule("rest", segments=["vip", "core"]),
    )
    actions = by_customer(found)
    assert actions["c000"] == {
        "customer_id": "c000", "action": "call", "rule": "call", "goal": "keep", "offer": "a call", "channel": "post",
        "cost": 4.0, "expected_net_value": None,
        "reason": "vip with 50% churn risk, 40.00 EUR of value at risk.",
    }  # fmt: skip
    assert (actions["c001"]["action"], actions["c001"]["channel"]) == ("rest", None)
    assert "c002" not in actions
    assert found.score_columns["next_best_action"].to_pylist() == ["call", "rest", None]


def test_a_reason_writes_the_segment_in_words(tmp_path) -> None:
    found = decided(tmp_path, planned.warehouse(ids(1)), [scored("c000", segment="at_risk")], rule("rest"))
    assert by_customer(found)["c000"]["reason"].startswith("at risk with 50% churn risk")


def test_nobody_without_consent_on_a_list_or_in_the_holdout_is_named_for_a_contact(tmp_path) -> None:
    names = ids(40)
    profiles = [profile(name, consent_post=number % 2 == 0) for number, name in enumerate(names)]
    (tmp_path / "list.txt").write_text("customer_id\nc002\n")
    holdout = GlobalHoldout(0.3, date(2024, 1, 1), 90)
    engine = planned.warehouse(names, customers=profiles)
    found = decided(
        tmp_path, engine, [scored(name) for name in names], rule("mail", **LETTER),
        holdout=holdout, suppression=(tmp_path / "list.txt",),
    )  # fmt: skip
    kept = held_out(names, holdout, on=AS_OF, salt="cvm")
    expected = {name for number, name in enumerate(names) if number % 2 == 0 and name != "c002" and not kept[number]}
    assert set(by_customer(found)) == expected
    assert found.rules[0][1].n_out_of_reach == 40 - len(expected)


def test_a_channel_of_which_nobody_knows_who_agreed_is_refused(tmp_path) -> None:
    with pytest.raises(PlanError, match="Nobody knows who agreed to be contacted by phone"):
        decided(tmp_path, planned.warehouse(ids(1)), [scored("c000")], rule("call", channel="phone"))


def test_effects_in_a_condition_are_those_of_the_rules_own_treatment(tmp_path) -> None:
    names = ids(3)
    uplift = {"letter": {"c000": 5.0, "c001": 0.5, "c002": -1.0}, "email": {"c000": 9.0, "c001": 9.0, "c002": 9.0}}
    found = decided(
        tmp_path,
        planned.warehouse(names),
        [scored(name) for name in names],
        rule("mail", minimum={"expected_net_value": 0.0}, **LETTER),
        uplift=uplift,
    )
    assert list(by_customer(found)) == ["c000"]
    assert by_customer(found)["c000"]["expected_net_value"] == 4.0
    assert "expected to add 4.00 EUR beyond its cost" in by_customer(found)["c000"]["reason"]
    # Of those without an action the scores go on to tell the best treatment.
    assert found.score_columns["expected_net_value"].to_pylist() == [4.0, 8.0, 8.0]


def test_a_cap_keeps_the_most_valuable(tmp_path) -> None:
    names = ids(4)
    rows = [scored(name, clv=10.0 * number) for number, name in enumerate(names)]
    found = decided(tmp_path, planned.warehouse(names), rows, rule("mail", cap=2, **LETTER))
    assert set(by_customer(found)) == {"c002", "c003"}
    assert found.rules[0][1].n_over_cap == 2


def test_what_is_known_to_do_harm_is_not_suggested_and_the_note_says_why(tmp_path) -> None:
    names = ids(2)
    rows = [scored("c000", segment="vip"), scored("c001")]
    evidence = {
        "letter": Evidence("works", "letter: works in campaign x, +1.00 margin per customer", "segment", frozenset({"vip"}))
    }
    found = decided(tmp_path, planned.warehouse(names), rows, rule("mail", **LETTER), evidence=evidence)
    assert list(by_customer(found)) == ["c001"]
    assert by_customer(found)["c001"]["reason"].endswith("letter: works in campaign x, +1.00 margin per customer.")
    assert found.notes == (
        "letter is not suggested to 1 of those it would be for: it did harm to segment vip "
        "(letter: works in campaign x, +1.00 margin per customer)",
    )


def test_without_a_playbook_each_gets_the_best_treatment_that_pays(tmp_path) -> None:
    names = ids(3)
    uplift = {"letter": {"c000": 5.0, "c001": 2.0, "c002": 0.1}, "email": {"c000": 1.2, "c001": 3.0, "c002": 0.2}}
    rules = implied_rules([Treatment("letter", "post", 1.0), Treatment("email", "email", 1.0)])
    found = decided(tmp_path, planned.warehouse(names), [scored(name) for name in names], *rules, uplift=uplift)
    assert {name: row["action"] for name, row in by_customer(found).items()} == {"c000": "letter", "c001": "email"}
    assert {row["rule"] for row in by_customer(found).values()} == {None}


def test_scores_are_rewritten_in_their_own_order_and_again_to_the_same(tmp_path) -> None:
    names = ids(3)
    rows = [scored(name, segment="vip" if name == "c001" else "core") for name in reversed(names)]
    rules = (rule("care", segments=["vip"]),)
    scores = read_scores(write_full_scores(tmp_path, rows))
    found = decided(tmp_path, planned.warehouse(names), rows, *rules)
    after = written_scores(scores, found)
    assert after["customer_id"].to_pylist() == ["c002", "c001", "c000"]
    assert after["next_best_action"].to_pylist() == [None, "care", None]
    assert after.schema.names == scores.schema.names
    again = decided(tmp_path, planned.warehouse(names), [{**row, "next_best_action": "care"} for row in rows], *rules)
    assert written_scores(after, again).equals(after)


def test_a_rule_for_nobody_is_told(tmp_path) -> None:
    found = decided(tmp_path, planned.warehouse(ids(1)), [scored("c000")], rule("rare", segments=["vip"]))
    assert found.notes == ("the playbook's rare: nobody is left for whom it holds",)
    assert isinstance(found.actions, pa.Table)
    assert found.actions.num_rows == 0
