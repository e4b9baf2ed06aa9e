"""What no effect can be told from: a message that names the cause, or "not identified"; never an empty number."""

from __future__ import annotations

from math import isfinite

import pytest

import shop
from campaign_ledger import campaign, drawn, gate, judged, line
from cvm.campaigns.effect import evaluate
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.errors import ExperimentError, InsufficientDataError

LATER = line("somebody else", days=90, amount=1.0)


def ledger(*rows, lines=()):
    return {"assignments": list(rows), "transactions": [*lines, LATER]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [drawn("a", "mail"), drawn("b", "mail")],
            r"has no arm 'control', only \['mail'\]: .* Hold customers out by chance",
        ),
        ([drawn("a", "control"), drawn("b", "control")], "has only the arm 'control': nobody was treated"),
        ([drawn("a", "mail")], r"has no arm 'control', only \['mail'\]"),
        ([drawn("a", "mail"), drawn("b", "control"), drawn("c", "control")], "arm 'mail' has 1 customer, at least 2"),
        ([drawn("a", "mail", cost=-0.5), drawn("b", "control", cost=0.0)], "the cost of 1 customers is negative"),
        ([drawn("a", "mail"), drawn("a", "control"), drawn("b", "mail"), drawn("b", "control")], "no customer is left"),
        (
            [drawn(name, arm, propensity=p) for name, arm, p in (("a", "mail", 1.0), ("b", "control", 0.0))],
            "was targeted, not randomised",
        ),
    ],
    ids=["no control", "no treated", "one customer", "one treated", "negative cost", "all in two arms", "by hand"],
)
def test_ledgers_that_tell_nothing_are_refused(rows, message):
    with pytest.raises((ExperimentError, InsufficientDataError), match=message):
        judged(ledger(*rows))


def test_an_arm_that_only_the_shares_know_is_refused():
    with pytest.raises(ExperimentError, match=r"'letter': 0.5\}, the arms of campaign 'spring' are \['control', 'mail'\]"):
        judged(campaign(), shares={"control": 0.5, "letter": 0.5})


def test_a_window_that_is_not_over_is_refused_or_labelled():
    with pytest.raises(ExperimentError, match=r"it is not over. Wait, .* or ask for the part that is over with --partial"):
        judged(campaign(), outcome_days=300)
    found = judged(campaign(), outcome_days=300, allow_partial=True)
    assert (found.is_partial, gate(found, "window")[:15]) == (True, "warning: partia")
    assert found.information == pytest.approx(71 / 300, abs=0.01)


def test_one_customer_in_two_arms_is_left_out_and_told():
    tables = campaign()
    first = tables["assignments"][0]
    tables["assignments"].append({**first, "arm": "mail" if first["arm"] == "control" else "control"})
    found = judged(tables)
    assert gate(found, "mixed").startswith("warning: 1 customers are in several arms and were left out")
    assert sum(arm.n for arm in found.arms) == 399


def test_without_orders_nothing_is_identified():
    people = [drawn(f"{arm}{i}", arm, cost=1.0 * (arm == "mail")) for arm in ("mail", "control") for i in range(200)]
    found = judged(ledger(*people))
    assert gate(found, "orders").startswith("serious: nobody ordered")
    assert found.verdicts[0].word == "not identified"
    arm = found.earned[0]
    assert (arm.roi, arm.roi_revenue, arm.p_pays, arm.bootstrap) == (None, None, None, None)
    effect = found.effect("mail", "margin")
    assert (effect.bootstrap, effect.always_valid) == (None, None)
    assert not any(isfinite(bound) for bound in (effect.best.lower, effect.best.upper, arm.net.lower, arm.net.upper))


def test_without_any_order_or_event_there_is_no_outcome():
    engine = shop.warehouse(**campaign())
    engine.execute("DELETE FROM transactions")
    with pytest.raises(InsufficientDataError, match="neither an order nor an event"):
        evaluate(engine, "spring", EvaluationSettings(outcome_days=30))
    engine.execute("DROP TABLE transactions")
    with pytest.raises(InsufficientDataError, match="There is no table transactions"):
        evaluate(engine, "spring", EvaluationSettings(outcome_days=30))


def test_sequential_looks_at_nothing_find_nothing():
    people = [drawn(f"{arm}{i}", arm) for arm in ("mail", "control") for i in range(60)]
    found = judged(ledger(*people), sequential=True)
    assert found.verdicts[0].word == "not identified"
