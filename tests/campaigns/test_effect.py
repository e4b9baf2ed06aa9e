"""Campaigns from their ledger to their effect: what is counted, where, for whom, and what is refused."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from math import ceil

import numpy as np
import pytest
from scipy.stats import norm

from campaign_ledger import STARTS, campaign, drawn, gate, judged, line
from cvm.errors import ExperimentError, InsufficientDataError


def four(*lines, **settings):
    """Two customers an arm, and the lines given."""
    ledger = [drawn(name, arm) for name, arm in (("a", "mail"), ("b", "mail"), ("x", "control"), ("y", "control"))]
    return judged({"assignments": ledger, "transactions": [*lines, line("z", days=90, amount=1.0)]}, **settings)


def means(found, arm):
    return next(figures.means for figures in found.arms if figures.arm == arm)


def test_a_planted_effect_is_found():
    found = judged(campaign(n=1_500), metric="revenue")
    effect = found.effect("mail", "revenue")
    assert effect.best.lower < 0.6 * 5 < effect.best.upper
    assert effect.adjusted.standard_error < effect.plain.standard_error
    assert [verdict.word for verdict in found.verdicts] == ["works"]
    assert all(check.severity == "ok" for check in found.gates)


def test_no_effect_is_inconclusive_and_says_what_would_settle_it():
    verdict = judged(campaign(lift=0.0)).verdicts[0]
    assert verdict.word == "inconclusive"
    assert "more customers would settle it" in verdict.sentence


def test_an_effect_of_nothing_asks_for_no_number_of_customers():
    lines = [line(name, days=1, amount=amount) for name, amount in (("a", 10.0), ("b", 20.01), ("x", 20.0), ("y", 10.0))]
    sentence = four(*lines, metric="revenue").verdicts[0].sentence
    assert "takes more than 100 times as many customers" in sentence
    assert "would settle it" not in sentence


def test_several_arms_need_more_customers_to_be_settled():
    """Each must pass a stricter bound, so that more are needed than for one arm of the same size and effect."""
    found = judged(campaign(lift=0.0, arms=("control", "mail", "letter")))
    one = next(each for each in found.verdicts if each.word == "inconclusive")
    best, n = found.effect(one.arm, "margin").best, sum(arm.n for arm in found.arms if arm.arm in ("control", one.arm))
    z = norm.isf(0.05 / 2 / 2) + 0.84
    assert f"some {ceil(n * ((z * best.standard_error / best.value) ** 2 - 1)):,} more customers" in one.sentence


def test_orders_count_in_the_window_they_fall_into():
    found = four(
        line("a", days=-1, amount=1.0),
        line("a", days=0, amount=10.0),
        line("a", days=29.9, amount=100.0),
        line("a", days=30, amount=1_000.0),
        line("a", days=59.9, amount=10_000.0),
        line("a", days=60, amount=100_000.0),
    )
    assert means(found, "mail")["revenue"] == pytest.approx(110 / 2)
    assert means(found, "mail")["revenue_after"] == pytest.approx(11_000 / 2)
    assert means(found, "mail")["orders"] == 1
    assert means(found, "mail")["active"] == 0.5
    assert means(found, "mail")["retention"] == 1.0


def test_the_day_of_the_campaign_belongs_to_the_window_where_orders_carry_no_time():
    def at(days, amount):
        return {"customer_id": "a", "occurred_at": datetime(2024, 3, 1) + timedelta(days=days), "amount": amount}

    lines = [at(-1, 1.0), at(0, 10.0), at(29, 100.0)]
    timed = four(*lines)  # its last line is of 10 o'clock
    assert means(timed, "mail")["revenue"] == pytest.approx(100 / 2)
    ledger = [drawn(name, arm) for name, arm in (("a", "mail"), ("b", "mail"), ("x", "control"), ("y", "control"))]
    untimed = judged({"assignments": ledger, "transactions": [*lines, at(90, 1.0)]})
    assert means(untimed, "mail")["revenue"] == pytest.approx(110 / 2)


def test_whole_days_are_those_of_the_business():
    """Midnight in Kyiv is 22:00 UTC of the day before: on the campaign's own day it is in the window, a day earlier not."""
    midnight = datetime(2024, 2, 29, 22)
    ledger = [drawn(name, arm) for name, arm in (("a", "mail"), ("b", "mail"), ("x", "control"), ("y", "control"))]
    lines = [
        {"customer_id": "a", "occurred_at": midnight + timedelta(days=days), "amount": amount}
        for days, amount in ((-1, 1.0), (0, 10.0))
    ]
    # Summer time begins in between.
    lines.append({"customer_id": "a", "occurred_at": datetime(2024, 3, 29, 22), "amount": 100.0})
    lines.append({"customer_id": "a", "occurred_at": datetime(2024, 6, 1, 21), "amount": 1_000.0})
    found = judged({"assignments": ledger, "transactions": lines}, timezone="Europe/Kyiv")
    assert means(found, "mail")["revenue"] == pytest.approx(110 / 2)


def test_an_attribute_that_is_missing_or_infinite_counts_as_its_mean():
    tables = campaign()
    for number, row in enumerate(tables["customers"][:3]):
        row["taste"] = (float("nan"), float("inf"), None)[number]
    adjusted = judged(tables, covariates=("taste", "taste")).effect("mail", "revenue").adjusted
    assert np.isfinite(adjusted.value)
    assert np.isfinite(adjusted.standard_error)


def test_returns_discounts_and_margins():
    found = four(
        line("a", days=1, amount=100.0, order_id="1", margin=40.0, discount=25.0),
        line("a", days=9, amount=-30.0, order_id="1", margin=-12.0, discount=0.0),
        line("b", days=2, amount=50.0, order_id="2", margin=20.0, discount=0.0),
        line("b", days=3, amount=-50.0, order_id="2", margin=-20.0, discount=0.0),
    )
    mail = means(found, "mail")
    assert (mail["revenue"], mail["margin"], mail["orders"]) == pytest.approx((35, 14, 0.5))
    assert mail["return_share"] == pytest.approx(80 / 150)
    assert mail["discount_share"] == pytest.approx(25 / 175)


def test_lines_of_one_day_are_one_order():
    found = four(line("a", days=1.1, amount=5.0), line("a", days=1.2, amount=6.0), line("a", days=2.2, amount=7.0))
    assert means(found, "mail")["orders"] == 1


def test_the_timeline_ends_with_the_effect():
    found = judged(campaign(), metric="revenue")
    points = [point for point in found.timeline if point.arm == "mail"]
    assert points[-1].until_day == 30
    assert points[-1].effect.value == pytest.approx(found.effect("mail", "revenue").best.value)
    assert [point.until_day for point in points] == sorted(point.until_day for point in points)


def test_several_arms_are_each_compared_and_all_together():
    found = judged(campaign(n=900, arms=("control", "mail", "call")))
    assert {effect.arm for effect in found.effects} == {"mail", "call", "any treatment"}
    assert {verdict.arm for verdict in found.verdicts} == {"mail", "call"}


def test_segments_are_told_apart_with_their_rate_of_false_finds():
    tables = campaign(n=1_500)
    found = judged(tables, metric="revenue", segment_by="city")
    assert [row.segment for row in found.segments] == ["a", "b"]
    assert sum(row.n_treated + row.n_control for row in found.segments) == 1_500
    assert all(row.false_discovery_rate >= row.effect.p_value for row in found.segments)


def test_a_segment_without_control_is_not_identified():
    tables = campaign(n=60)
    treated = {row["customer_id"] for row in tables["assignments"] if row["arm"] == "mail"}
    for row in tables["customers"]:
        row["city"] = "only mailed" if row["customer_id"] == min(treated) else "rest"
    row = next(row for row in judged(tables, segment_by="city").segments if row.segment == "only mailed")
    assert (row.effect, row.false_discovery_rate) == (None, None)


def test_events_are_outcomes_and_complaints_are_always_told():
    tables = campaign()
    when = STARTS + timedelta(days=3)
    tables["events"] = [
        {"customer_id": row["customer_id"], "occurred_at": when, "event_type": kind}
        for row in tables["assignments"]
        for kind in ("Visit", "UNSUBSCRIBE", "visit ")
        if row["arm"] == "mail"
    ]
    found = judged(tables, events=("visit",))
    assert found.effect("mail", "did_visit").plain.value == pytest.approx(1)
    assert found.effect("mail", "did_unsubscribe").plain.value == pytest.approx(1)


def test_covariates_sharpen():
    tables = campaign(n=600)
    plain, known = (judged(tables, covariates=names).effect("mail", "revenue") for names in ((), ("taste",)))
    assert known.adjusted.standard_error < plain.adjusted.standard_error


def test_return_on_what_it_cost():
    found = judged(campaign(n=1_500))
    arm = found.earned[0]
    margin = found.effect("mail", "margin").best
    assert arm.cost == arm.n_treated
    assert arm.incremental_margin.value == pytest.approx(margin.value * arm.n_treated)
    assert arm.roi.value == pytest.approx(margin.value - 1)
    assert (arm.roi.lower, arm.roi.upper) == pytest.approx((margin.lower - 1, margin.upper - 1), rel=0.01)
    assert arm.p_pays > 0.8
    dearer = judged(campaign(n=1_500), cost_per_customer=50.0, fixed_cost=10.0)
    assert dearer.earned[0].cost == pytest.approx(50 * arm.n_treated + 10)
    assert dearer.earned[0].p_pays < 0.01
    assert dearer.verdicts[0].word == "works"
    assert "After its cost: -" in dearer.verdicts[0].sentence


def test_without_a_cost_there_is_no_return():
    tables = campaign()
    for row in tables["assignments"]:
        del row["cost"]
    assert (judged(tables).earned[0].roi, judged(tables).earned[0].p_pays) == (None, None)


def test_propensities_that_differ_are_weighed():
    """Big spenders were mailed more often: the plain difference is far off, the weighted one is not."""
    rng = np.random.default_rng(7)
    ledger, lines = [], []
    for number in range(4_000):
        big = number % 2 == 0
        share = 0.8 if big else 0.2
        arm = "mail" if rng.random() < share else "control"
        ledger.append(drawn(f"c{number}", arm, propensity=share if arm == "mail" else 1 - share))
        lines.append(line(f"c{number}", days=2, amount=round((100 if big else 10) + float(rng.normal(0, 3)), 2)))
    found = judged({"assignments": ledger, "transactions": [*lines, line("z", days=90, amount=1.0)]})
    effect = found.effect("mail", "revenue").plain
    assert effect.lower < 0 < effect.upper
    assert effect.standard_error < 5
    assert gate(found, "sample ratio").startswith("ok: propensities differ")


def test_a_lost_part_of_an_arm_is_a_sample_ratio_mismatch():
    tables = campaign(n=2_000)
    lost = [row for row in tables["assignments"] if row["arm"] == "control"][:200]
    tables["assignments"] = [row for row in tables["assignments"] if row not in lost]
    found = judged(tables)
    assert gate(found, "sample ratio").startswith("serious: SAMPLE RATIO MISMATCH")
    assert found.verdicts[0].word == "not identified"
    assert "mail failed sample ratio" in found.verdicts[0].sentence


def test_given_shares_take_the_place_of_propensities():
    tables = campaign()
    for row in tables["assignments"]:
        del row["propensity"]
    assert gate(judged(tables), "sample ratio").startswith("warning: not checked")
    assert gate(judged(tables, shares={"control": 0.5, "mail": 0.5}), "sample ratio").startswith("ok")
    assert gate(judged(tables, shares={"control": 0.1, "mail": 0.9}), "sample ratio").startswith("serious")
    with pytest.raises(ExperimentError, match=r"shares is .*'letter'.* the arms of campaign 'spring' are"):
        judged(tables, shares={"control": 0.5, "letter": 0.5})


def test_propensities_that_do_not_sum_to_one_are_pointed_at():
    tables = campaign()
    for row in tables["assignments"]:
        row["propensity"] = 0.75
    assert "sum to 1.5, not to 1" in gate(judged(tables), "sample ratio")


def test_arms_that_differed_from_the_start_are_out_of_balance():
    tables = campaign(n=800)
    for row in tables["transactions"]:
        treated = row["customer_id"] in {r["customer_id"] for r in tables["assignments"] if r["arm"] == "mail"}
        if treated and row["occurred_at"] < STARTS:
            row["amount"] += 40
    assert gate(judged(tables), "balance").startswith("serious: mail before the campaign")


def test_customers_in_two_arms_are_left_out_and_told():
    tables = campaign()
    mixed = tables["assignments"][0]
    tables["assignments"].append({**mixed, "arm": "mail" if mixed["arm"] == "control" else "control"})
    found = judged(tables)
    assert sum(figures.n for figures in found.arms) == 399
    assert "1 customers are in several arms" in gate(found, "mixed")


def test_customers_put_in_by_hand_are_left_out():
    tables = campaign()
    tables["assignments"][0]["propensity"] = 1.0
    found = judged(tables)
    assert sum(figures.n for figures in found.arms) == 399
    assert "put in by hand" in gate(found, "drawn")


def test_a_contacted_control_is_contamination():
    tables = campaign()
    control = [row["customer_id"] for row in tables["assignments"] if row["arm"] == "control"][:3]
    tables["events"] = [
        {"customer_id": name, "occurred_at": STARTS + timedelta(days=1), "event_type": "Email Sent", "campaign_id": "spring"}
        for name in control
    ]
    assert gate(judged(tables), "contamination").startswith("warning: 3 of")
    for row in tables["assignments"]:
        row["campaign_id"] = "spring.letter"
    assert gate(judged(tables, "spring.letter"), "contamination").startswith("warning: 3 of")


def test_another_campaign_within_the_window_is_told_and_can_end_it():
    tables = campaign()
    tables["assignments"] += [
        {**row, "campaign_id": "next", "assigned_at": STARTS + timedelta(days=10)} for row in tables["assignments"]
    ]
    assert "other campaigns treated customers" in gate(judged(tables), "overlap")
    ended = judged(tables, until_next=True)
    assert (ended.window_days, gate(ended, "overlap")) == (10, "")


def test_a_period_of_the_global_holdout_is_no_campaign_that_treats():
    tables = campaign()
    tables["assignments"] += [
        {**row, "campaign_id": "global_holdout_2024-03-11", "arm": arm, "assigned_at": STARTS + timedelta(days=10)}
        for row, arm in zip(tables["assignments"], ["control", "reachable", "reachable", "reachable"] * 100, strict=True)
    ]
    found = judged(tables, until_next=True)
    assert (found.window_days, gate(found, "overlap")) == (30, "")


def test_who_was_reached_is_told_and_changes_no_arm():
    tables = campaign()
    for number, row in enumerate(tables["assignments"]):
        row["exposed_at"] = STARTS if row["arm"] == "mail" and number % 2 else None
    assert "reached mail" in gate(judged(tables), "exposure")


def test_an_unfinished_window_is_refused_or_called_partial():
    with pytest.raises(ExperimentError, match=r"its last outcome window ends 2024-07-09.*it is not\s+over"):
        judged(campaign(), outcome_days=130)
    found = judged(campaign(), outcome_days=130, allow_partial=True)
    assert found.is_partial
    assert gate(found, "window").startswith("warning: partial")


def test_what_is_known_can_end_before_the_data_do():
    with pytest.raises(ExperimentError, match="data end at 2024-02-01"):
        judged(campaign(), observed_until=datetime(2024, 2, 1), allow_partial=True)


def test_nobody_ordered():
    found = four()
    assert "nobody ordered" in gate(found, "orders")
    assert found.verdicts[0].word == "not identified"
    assert found.to_dict()["effects"][0]["plain"]["p_value"] is None


def test_it_can_be_written_as_json():
    text = json.dumps(judged(campaign(), segment_by="city").to_dict(), allow_nan=False)
    assert json.loads(text)["assigned_from"] == "2024-03-01T10:00:00"


def ledger_of(*rows):
    return {"assignments": list(rows), "transactions": [line("z", days=90, amount=1.0)]}


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"transactions": [line("z", days=90, amount=1.0)]}, "There is no table assignments"),
        (ledger_of(drawn("a", "mail"), drawn("b", "mail")), r"has no arm 'control', only \['mail'\]"),
        (ledger_of(drawn("a", "control"), drawn("b", "control")), "nobody was treated"),
        (
            ledger_of(drawn("a", "mail", propensity=1.0), drawn("b", "control", propensity=0.0)),
            "was targeted, not randomised: the propensity of 2 customers is 0 or 1",
        ),
        (ledger_of(drawn("a", "mail", cost=-1.0), drawn("b", "control", cost=0.0)), "the cost of 1 customers is negative"),
        (
            ledger_of(*(drawn(name, "mail", propensity=p) for name, p in (("a", 0.1), ("b", 0.2))), drawn("c", "control")),
            "arm 'control' has 1 customer",
        ),
        (
            ledger_of(
                drawn("a", "mail", propensity=0.1),
                drawn("b", "mail", propensity=0.2),
                drawn("c", "control", propensity=None),
                drawn("d", "control", propensity=None),
            ),
            "propensities differ within an arm, and 2 customers have none",
        ),
    ],
)
def test_a_ledger_that_cannot_tell_is_refused(tables, message):
    with pytest.raises((ExperimentError, InsufficientDataError), match=message):
        judged(tables)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"campaign_id": "sprint"}, "knows no campaign 'sprint'; did you mean 'spring'"),
        ({"metric": "profit"}, "metric == 'profit', must be one of"),
        ({"events": ("visit",)}, r"No event is of type \['visit'\]"),
        ({"covariates": ("city",)}, "Covariate 'city' is VARCHAR, not numeric; numeric are"),
        ({"covariates": ("age",)}, "Covariate 'age' is no column of customers"),
        ({"segment_by": "country"}, "segment_by == 'country' is no column of customers"),
        ({"segment_by": "customer_id"}, "has 400 values, at most 50 can be compared"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ExperimentError, match=message):
        judged(campaign(), **settings)
