"""Every KPI against a figure worked out by hand, on the base of conftest.py."""

from __future__ import annotations

from datetime import date

import pytest

from cvm.kpis.catalogue import ACTIVE_EVENTS, GOAL_METRICS, KPIS
from cvm.kpis.definition import ATTRIBUTES, GROUPS
from cvm.kpis.measures import MEASURES
from cvm.kpis.settings import KpiSettings, Scores
from cvm.kpis.stage import compute_kpis
from shop import event, order, typed_warehouse

MAY, JUNE = date(2024, 5, 1), date(2024, 6, 1)
# At 1 May a, b (ordered in April) and g (subscribed) are customers, at 1 June a, d, f. In May a (twice), c, d, f order.
BY_HAND = {
    "customers_at_start": 3,
    "customers_at_end": 3,
    "new_customers": 2,  # c, f
    "reactivated_customers": 1,  # d
    "new_at_end": 1,  # f: c ordered more than 25 days before 1 June
    "reactivated_at_end": 1,
    "lost_customers": 2,  # b, g
    "retention_rate": (3 - 1 - 1) / 3,
    "churn_rate": 2 / 3,
    "churn_rate_by_inactivity": 2 / 3,  # of a, b, g, the last two
    "orders": 5,
    "buyers": 4,
    "revenue": 60 + 40 + 200 + 25 + 10 - 80,
    "margin": 24 + 16 + 80 + 10 + 4 - 32,
    "cost_to_serve": 2 + 3,  # the parcel of e, the call of b
    "average_order_value": 255 / 5,
    "orders_per_customer": 5 / 6,  # a, b, c, d, f, g
    "average_lifetime": 3 / 2,
    "revenue_per_customer": 255 / 6,
    "formula_clv_revenue": (255 / 5) * (5 / 6) * 1.5,
    "formula_clv_margin": (102 / 5) * (5 / 6) * 1.5,
    "repeat_rate": 1 / 4,
    "loss_making_share": 2 / 6,  # e and b, of a, b, c, d, e, f
    **{f"revenue_share_top_{share}": 200 / 335 for share in (1, 10, 20)},  # one of four buyers
    **{f"margin_share_top_{share}": 80 / 134 for share in (1, 10, 20)},
    "acquisition_cost_per_customer": (30 + 10) / 2,
    "clv_to_cac": (80 + 20 + 4 + 16) / (30 + 10),
    "users": 5,  # a, b, c, d, f
    "engagement_rate": 7 / 5,  # 2 visits, login, app_open, cart_add, email_open, email_click
    "engagement_rate_change": 7 / 5 - 1,  # in April a visited once
    "open_rate": 1 / 4,
    "click_rate": 1 / 4,
    "sessions": 3,
    "logins": 1,
    "minutes_per_session": (5 + 7) / 2,
    "nps": 100 * (2 - 1) / 4,
}
BY_HAND_OF_SCORES = {
    "customers_scored": 5,
    "clv_total": 120 + 5 + 20 + 10 + 16,
    "clv": 171 / 5,
    "clv_change": (120 + 5 - 150) / 150,  # a and b are in both runs
    "p_churn": (0.1 + 0.9 + 0.5 + 0.5) / 4,
    "expected_revenue": 50,
}


def found(outcome, kpi, *, start=MAY, period="month", group_by="all", group=None):
    rows = [
        row
        for row in outcome.kpis.to_pylist()
        if (row["kpi"], row["period"], row["period_start"], row["group_by"], row["group"])
        == (kpi, period, start, group_by, group)
    ]
    assert len(rows) == 1, rows
    return rows[0]


@pytest.mark.parametrize(("kpi", "value"), BY_HAND.items())
def test_a_kpi_is_what_it_is_by_hand(outcome, kpi, value):
    row = found(outcome, kpi)
    assert row["value"] == pytest.approx(value)
    assert (row["period_end"], row["unit"], row["reason"]) == (JUNE, KPIS[kpi].unit, None)
    assert row["currency"] == ("EUR" if KPIS[kpi].unit == "currency" else None)


@pytest.mark.parametrize(("kpi", "value"), BY_HAND_OF_SCORES.items())
def test_a_kpi_of_scores_is_what_it_is_by_hand(outcome, kpi, value):
    assert found(outcome, kpi, start=outcome.as_of, period="snapshot")["value"] == pytest.approx(value)


def test_every_kpi_is_worked_out_by_hand():
    assert set(KPIS) == {*BY_HAND, *BY_HAND_OF_SCORES}


@pytest.mark.parametrize(
    ("kpi", "group_by", "group", "value"),
    [
        ("revenue", "channel", "web", 60 + 200 + 10 - 80),
        ("revenue", "channel", "store", 25 + 40),
        ("orders", "channel", "store", 2),
        ("new_customers", "channel", "web", 2),
        ("engagement_rate", "channel", "web", 3 / 1),
        ("engagement_rate", "channel", "email", 2 / 2),
        ("open_rate", "channel", "email", 1 / 4),
        ("churn_rate", "segment_at_start", "vip", 1 / 2),
        ("churn_rate", "segment_at_start", "core", 1),
        ("churn_rate", "acquisition_channel", "organic", 1),
        ("revenue", "segment", "core", 200 + 25),
        ("revenue", "segment", "unknown", -80),
        ("acquisition_cost_per_customer", "acquisition_channel", "ads", 20),
        ("revenue", "cohort", "2024", 335),
        ("revenue", "cohort", "no order", -80),
    ],
)
def test_a_kpi_of_a_group_is_what_it_is_by_hand(outcome, kpi, group_by, group, value):
    assert found(outcome, kpi, group_by=group_by, group=group)["value"] == pytest.approx(value)


def test_predicted_value_by_acquisition_channel_and_its_change(outcome):
    of = {"start": outcome.as_of, "period": "snapshot", "group_by": "acquisition_channel"}
    assert found(outcome, "clv", group="ads", **of)["value"] == pytest.approx((120 + 20 + 16) / 3)
    assert found(outcome, "clv_change", group="organic", **of)["value"] == pytest.approx((5 - 50) / 50)


def test_the_change_of_predicted_value_is_that_of_who_was_in_the_segment_before(outcome):
    of = {"start": outcome.as_of, "period": "snapshot", "group_by": "segment"}
    # a and b were vip; b is lost since, and took 45 along.
    assert found(outcome, "clv_change", group="vip", **of)["value"] == pytest.approx((120 + 5 - 150) / 150)
    assert found(outcome, "clv_change", group="lost", **of)["reason"] == "no run before it with the same customers"
    assert {group: found(outcome, "customers_scored", group=group, **of)["value"] for group in ("vip", "lost")} == {
        "vip": 1,
        "lost": 1,
    }


@pytest.mark.parametrize(
    ("kpi", "start", "period", "reason"),
    [
        ("average_order_value", JUNE, "month", "no orders"),
        ("churn_rate", date(2024, 1, 1), "month", "who was a customer on 2024-01-01 needs 25 days of orders before it"),
        ("new_customers", date(2024, 1, 1), "month", "who is new from 2024-01-01 on needs 25 days of orders before it"),
        ("users", JUNE, "month", "events end before 2024-05-30"),
        ("revenue", date(2024, 1, 1), "year", "the year is not over: the data end before 2024-07-01"),
        ("engagement_rate", date(2024, 2, 1), "month", "events begin on 2024-04-02"),
    ],
)
def test_what_cannot_be_told_has_a_reason_and_no_value(outcome, kpi, start, period, reason):
    row = found(outcome, kpi, start=start, period=period)
    assert row["value"] is None
    assert row["reason"].startswith(reason)


def test_months_after_the_last_order_are_not_told(engine, tmp_path):
    told = compute_kpis(engine, KpiSettings(active_days=25), score_files=Scores(), effects=tmp_path, as_of=date(2024, 9, 1))
    for kpi in ("revenue", "churn_rate", "customers_at_end", "new_customers"):
        row = found(told, kpi, start=date(2024, 8, 1))
        assert (row["value"], row["reason"]) == (None, "orders end before 2024-07-01")


def test_a_month_without_anybody_counts_zero(outcome):
    zeros = ("orders", "revenue", "new_customers", "customers_at_end")
    assert {kpi: found(outcome, kpi, start=JUNE)["value"] for kpi in zeros} == dict.fromkeys(zeros, 0)
    assert found(outcome, "lost_customers", start=JUNE)["value"] == 3


def test_a_refund_lowers_the_month_it_is_dated_in_and_leaves_no_order(outcome):
    april = {kpi: found(outcome, kpi, start=date(2024, 4, 1))["value"] for kpi in ("revenue", "orders", "new_customers")}
    assert april == {"revenue": 50 + 30 + 80, "orders": 2, "new_customers": 1}


def test_the_definitions_hang_together():
    names = {measure.name for kpi in KPIS.values() for measure in kpi.measures}
    assert names == set(MEASURES)
    for kpi in KPIS.values():
        assert {*kpi.groups, *kpi.adds_up} <= set(GROUPS)
        assert bool(kpi.without) == (kpi.denominator is not None and not kpi.change_of)
        assert not kpi.adds_up or kpi.denominator is None
    assert "engagement_rate_change" not in GOAL_METRICS
    assert "email_sent" not in ACTIVE_EVENTS
    assert "segment" not in KPIS["churn_rate"].groups
    assert set(KPIS["revenue"].groups) == {"channel", *ATTRIBUTES}


def test_groups_add_up_to_everybody_where_they_must(outcome):
    rows = [row for row in outcome.kpis.to_pylist() if row["value"] is not None]
    whole = {(row["kpi"], row["period"], row["period_start"]): row["value"] for row in rows if row["group_by"] == "all"}
    parts: dict[tuple[str, ...], float] = {}
    for row in rows:
        key = (row["kpi"], row["period"], row["period_start"], row["group_by"])
        parts[key] = parts.get(key, 0) + row["value"]
    told = {key: value for key, value in parts.items() if key[0] in KPIS and key[3] in KPIS[key[0]].adds_up}
    assert {key[3] for key in told} == {"channel", *ATTRIBUTES}
    assert told == pytest.approx({key: whole[key[:3]] for key in told})


@pytest.mark.parametrize(("share", "n"), [(1, 1), (10, 3), (20, 6)])
def test_concentration_counts_a_share_of_the_buyers(tmp_path, share, n):
    lines = [order(f"c{number:02}", on="2024-05-02", amount=1 + number) for number in range(30)]
    lines += [order("c00", on="2024-05-16", amount=100), order("refunded", on="2024-05-30", amount=-5)]
    with typed_warehouse(transactions=lines) as engine:
        asked = KpiSettings(periods=("month",))
        found = compute_kpis(engine, asked, score_files=Scores(), effects=tmp_path, as_of=JUNE)
    amounts = sorted([101, *range(2, 31)], reverse=True)
    rows = {row["kpi"]: row for row in found.kpis.to_pylist() if row["group_by"] == "all"}
    assert rows[f"revenue_share_top_{share}"]["value"] == pytest.approx(sum(amounts[:n]) / sum(amounts))


def test_events_that_are_all_later_than_as_of_mean_nothing_yet(tmp_path):
    lines = [order("a", on="2024-05-02", amount=10), order("a", on="2024-05-30", amount=10)]
    later = [event("a", kind, on="2024-06-10") for kind in ("email_sent", "email_open")]
    with typed_warehouse(transactions=lines, events=later) as engine:
        asked = KpiSettings(periods=("month",))
        outcome = compute_kpis(engine, asked, score_files=Scores(), effects=tmp_path, as_of=JUNE)
    assert found(outcome, "revenue")["value"] == 20
    assert "users" not in outcome.kpis["kpi"].to_pylist()


def test_a_kind_of_event_first_seen_after_as_of_changes_nothing(tmp_path):
    lines = [order("a", on="2024-05-02", amount=10), order("a", on="2024-05-30", amount=10)]
    events = [event("a", "email_sent", on=f"2024-05-{day}") for day in ("01", "30")]
    opened = event("a", "email_open", on="2024-06-10")
    with typed_warehouse(transactions=lines, events=[*events, opened]) as engine:
        asked = KpiSettings(periods=("month",))
        outcome = compute_kpis(engine, asked, score_files=Scores(), effects=tmp_path, as_of=JUNE)
    assert found(outcome, "open_rate")["reason"] == "no message sent whose opens are recorded"


@pytest.mark.parametrize("with_campaign", [True, False])
def test_open_rate_is_a_share_of_messages(tmp_path, with_campaign):
    def told(kind, on, campaign):
        return event("a", kind, on=on, channel="email", **({"campaign_id": campaign} if with_campaign else {}))

    lines = [order("a", on="2024-05-02", amount=10), order("a", on="2024-06-29", amount=10)]
    # Sent twice by mistake, opened three times, once in June; the second message, of May, is never opened.
    events = [told("email_sent", "2024-05-05", "one")] * 2
    events += [told("email_open", day, "one") for day in ("2024-05-05", "2024-05-05", "2024-05-06", "2024-06-03")]
    events += [told("email_sent", "2024-05-28", "two"), told("email_sent", "2024-06-10", "two")]
    events += [event("a", "email_click", on=day) for day in ("2024-05-01", "2024-06-10", "2024-06-28")]
    with typed_warehouse(transactions=lines, events=events) as engine:
        asked = KpiSettings(periods=("month",))
        outcome = compute_kpis(engine, asked, score_files=Scores(), effects=tmp_path, as_of=date(2024, 7, 1))
    rows = {(kpi, month): found(outcome, kpi, start=month) for kpi in ("open_rate", "click_rate") for month in (MAY, JUNE)}
    counts = {key: (row["numerator"], row["denominator"]) for key, row in rows.items()}
    # Without a campaign the open of June belongs to the latest message, that of 28 May.
    assert counts["open_rate", MAY] == (1 if with_campaign else 2, 2)
    assert counts["open_rate", JUNE] == (0, 1)
    # A click before any message has none; clicks without a campaign belong to the latest message.
    assert (counts["click_rate", MAY], counts["click_rate", JUNE]) == ((0, 2), (1, 1))
    assert found(outcome, "users", start=MAY)["value"] == 1
