"""What is in the cost, what is in the margin, and what a campaign may have harmed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaign_ledger import STARTS, campaign, gate, judged
from cvm.errors import ExperimentError


def react(tables, kind, *, arm, every=1, days=3, **columns):
    """Every so many-th customer of an arm does something."""
    ids = [row["customer_id"] for row in tables["assignments"] if row["arm"] == arm][::every]
    when = STARTS + timedelta(days=days)
    tables.setdefault("events", [])
    tables["events"] += [{"customer_id": name, "occurred_at": when, "event_type": kind, **columns} for name in ids]
    return len(ids)


def test_redemptions_cost():
    tables = campaign()
    n = react(tables, "coupon_redeemed", arm="mail", every=2)
    react(tables, "coupon_redeemed", arm="mail", days=31)
    react(tables, "coupon_redeemed", arm="control")
    plain, paid = judged(tables).earned[0], judged(tables, cost_per_redemption=1.5).earned[0]
    assert paid.n_redeemed == pytest.approx(n)
    assert paid.cost == pytest.approx(plain.cost + 1.5 * n)
    assert paid.net.value == pytest.approx(plain.net.value - 1.5 * n)
    assert paid.incremental_margin.value == pytest.approx(plain.incremental_margin.value)


def test_coupons_of_other_campaigns_cost_nothing_here():
    tables = campaign()
    react(tables, "coupon_redeemed", arm="mail", campaign_id="autumn")
    assert judged(tables, cost_per_redemption=1.5).earned[0].n_redeemed == 0


def test_where_incentives_are_counted_is_said():
    tables = campaign()
    react(tables, "coupon_redeemed", arm="mail")
    assert "redemptions cost nothing beside" in judged(tables).incentives
    found = judged(tables, cost_per_redemption=1.5)
    assert "each redemption is in the cost with 1.5" in found.incentives
    assert gate(found, "incentives") == ""


def test_a_discount_to_those_who_redeemed_may_be_the_same_money():
    tables = campaign()
    react(tables, "coupon_redeemed", arm="mail")
    for row in tables["transactions"]:
        row["discount"] = 2.0
    assert "it counts twice" in gate(judged(tables, cost_per_redemption=1.5), "incentives")
    assert gate(judged(tables), "incentives") == ""


def test_a_cost_of_redemptions_that_nobody_recorded_is_refused():
    with pytest.raises(ExperimentError, match=r"cost_per_redemption == 2, but no event is of type 'coupon_redeemed'"):
        judged(campaign(), cost_per_redemption=2.0)


def test_bootstrap_intervals_stand_beside_those_of_the_delta_method():
    found = judged(campaign(n=3_000))
    arm = found.earned[0]
    effect = found.effect("mail", "margin")
    width = effect.best.upper - effect.best.lower
    assert (effect.bootstrap.lower, effect.bootstrap.upper) == pytest.approx(
        (effect.best.lower, effect.best.upper), abs=0.1 * width
    )
    width = arm.roi.upper - arm.roi.lower
    assert (arm.bootstrap.roi.lower, arm.bootstrap.roi.upper) == pytest.approx(
        (arm.roi.lower, arm.roi.upper), abs=0.1 * width
    )
    assert arm.p_pays == arm.bootstrap.p_pays
    again = judged(campaign(n=3_000)).earned[0]
    assert again.bootstrap.net.lower == pytest.approx(arm.bootstrap.net.lower)


def test_without_enough_customers_there_is_no_bootstrap():
    found = judged(campaign(n=60))
    assert found.earned[0].bootstrap is None
    assert found.earned[0].p_pays is not None


def test_arms_add_up_to_the_campaign():
    found = judged(campaign(n=900, arms=("control", "mail", "call")), fixed_cost=100.0)
    assert found.total.net == pytest.approx(sum(arm.net.value for arm in found.earned))
    assert found.total.cost == pytest.approx(sum(arm.cost for arm in found.earned))
    net = found.total.bootstrap.net
    assert net.lower < found.total.net < net.upper
    # Both arms lean on the same control: what it had by accident counts twice.
    apart = sum((arm.net.standard_error) ** 2 for arm in found.earned) ** 0.5
    assert net.upper - net.lower > 1.05 * 2 * 1.96 * apart


def test_one_arm_needs_no_total():
    assert judged(campaign()).total is None


def test_what_a_campaign_raised_is_called_harm():
    tables = campaign(n=600)
    react(tables, "unsubscribe", arm="mail", every=10)
    react(tables, "unsubscribe", arm="control", every=100)
    react(tables, "complaint", arm="mail", every=50)
    react(tables, "complaint", arm="control", every=50)
    found = judged(tables)
    words = {guard.metric: guard.word for guard in found.guardrails}
    assert words["did_unsubscribe"] == "harmed"
    assert words["did_complaint"] == "no harm seen"
    assert found.verdicts[0].sentence.endswith("It raised unsubscribe.")


def test_returns_and_discounts_are_watched_too():
    tables = campaign(n=600)
    arms = {row["customer_id"]: row["arm"] for row in tables["assignments"]}
    tables["transactions"] += [
        {**row, "amount": -row["amount"] / 2, "occurred_at": row["occurred_at"] + timedelta(days=1)}
        for number, row in enumerate(tables["transactions"])
        if number % (3 if arms.get(row["customer_id"]) == "mail" else 9) == 0
    ]
    for row in tables["transactions"]:
        row["discount"] = 1.0 if row["amount"] > 0 else 0.0
    words = {guard.metric: guard.word for guard in judged(tables).guardrails}
    assert words["return_share"] == "harmed"
    assert words["discount_share"] in ("no harm seen", "harmed")


def test_a_guardrail_that_nobody_touched_is_not_identified():
    tables = campaign()
    react(tables, "complaint", arm="mail", days=-5)
    assert [guard.word for guard in judged(tables).guardrails] == ["not identified"]
