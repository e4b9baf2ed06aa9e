from __future__ import annotations

from datetime import date, timedelta

import pytest

from cvm.kpis.settings import KpiSettings, Scores
from cvm.kpis.stage import compute_kpis
from shop import order, subscription, typed_warehouse


def cohorts(tmp_path, as_of, timezone="UTC", **tables):
    with typed_warehouse(**tables) as engine:
        found = compute_kpis(
            engine, KpiSettings(timezone=timezone, periods=("month",)), score_files=Scores(), effects=tmp_path, as_of=as_of
        )
    return {(row["cohort"], row["months_since"], row["channel"]): row for row in found.cohorts.to_pylist()}


JANUARY = date(2024, 1, 1)
LINES = [
    order("a", on="2024-01-05", amount=40, channel="web"),
    order("b", on="2024-01-20", amount=60, channel="store"),
    order("a", on="2024-03-05", amount=50, channel="web"),
    order("a", on="2024-04-02", amount=-50, channel="web", order_id="x"),
    order("c", on="2024-03-31", amount=10, channel="web"),
    order("b", on="2024-04-10", amount=20, channel="store"),
]


def test_a_cohort_by_hand(tmp_path):
    found = cohorts(tmp_path, date(2024, 4, 15), transactions=LINES)
    rows = [found[JANUARY, month, None] for month in range(4)]
    assert [row["n_customers"] for row in rows] == [2] * 4
    # What a brought back in April was ordered in March: no activity, and the money leaves the month of the return.
    assert [row["n_active"] for row in rows] == [2, 0, 0, 1]
    assert [row["retention"] for row in rows] == [1, 0, 0, None]
    assert [row["revenue"] for row in rows] == [100, 0, 50, -30]
    assert [row["cumulative_revenue_per_customer"] for row in rows] == [50, 50, 75, None]
    assert [row["is_complete"] for row in rows] == [True, True, True, False]


def test_channels_of_the_first_order_part_the_cohort(tmp_path):
    found = cohorts(tmp_path, date(2024, 5, 1), transactions=LINES)
    for month in range(4):
        whole = found[JANUARY, month, None]
        parts = [found[JANUARY, month, channel] for channel in ("store", "web")]
        for name in ("n_customers", "n_active", "revenue", "margin"):
            assert sum(row[name] for row in parts) == pytest.approx(whole[name])


def test_the_channel_of_acquisition_goes_before_that_of_the_first_order(tmp_path):
    customers = [{"customer_id": "a", "acquisition_channel": "ads"}, {"customer_id": "b", "acquisition_channel": None}]
    found = cohorts(tmp_path, date(2024, 5, 1), transactions=LINES, customers=customers)
    assert {channel for _, _, channel in found} == {None, "ads", "unknown"}


def test_a_first_order_without_a_channel_is_unknown_whatever_came_later(tmp_path):
    lines = [order("a", on="2024-01-05", amount=10, channel=None), order("a", on="2024-02-05", amount=10, channel="web")]
    found = cohorts(tmp_path, date(2024, 3, 1), transactions=lines)
    assert {channel for _, _, channel in found} == {None, "unknown"}


def test_who_subscribed_before_the_year_of_the_first_order_has_a_cohort(tmp_path):
    held = [subscription("s", "2023-11-10", None), subscription("t", "2025-01-01", None)]
    found = cohorts(tmp_path, date(2024, 5, 1), transactions=LINES, subscriptions=held)
    rows = [found[date(2023, 11, 1), month, None] for month in range(6)]
    assert [row["n_active"] for row in rows] == [1] * 6
    # What they paid before orders are told of is not known.
    assert [row["cumulative_revenue_per_customer"] for row in rows] == [None] * 6
    assert found[JANUARY, 0, None]["cumulative_revenue_per_customer"] == 50
    assert sum(row["n_customers"] for (_, month, channel), row in found.items() if month == 0 and channel is None) == 4


def test_who_holds_a_subscription_at_the_end_of_a_month_is_active(tmp_path):
    held = [subscription("s", "2024-01-10", "2024-03-15")]
    found = cohorts(tmp_path, date(2024, 5, 1), transactions=LINES, subscriptions=held)
    with_channel = [found[JANUARY, month, "unknown"] for month in range(4)]
    assert [row["n_active"] for row in with_channel] == [1, 1, 0, 0]


@pytest.mark.parametrize(("timezone", "month"), [("UTC", 4), ("Europe/Kyiv", 5)])
def test_a_month_begins_at_midnight_of_the_business(tmp_path, timezone, month):
    late = order("a", on="2024-04-30", amount=10)
    late["occurred_at"] += timedelta(hours=9, minutes=30)  # 21:30 UTC, half past midnight in Kyiv
    lines = [late, order("b", on="2024-05-20", amount=1)]
    assert min(key[0] for key in cohorts(tmp_path, date(2024, 6, 1), timezone, transactions=lines)) == date(2024, month, 1)


@pytest.mark.parametrize(("timezone", "revenue"), [("UTC", [10, 1]), ("Europe/Kyiv", [0, 11])])
def test_the_months_of_kpis_begin_there_too(tmp_path, timezone, revenue):
    late = order("a", on="2024-04-30", amount=10)
    late["occurred_at"] += timedelta(hours=9, minutes=30)
    lines = [order("c", on="2024-03-10", amount=5), late, order("b", on="2024-05-30", amount=1)]
    with typed_warehouse(transactions=lines) as engine:
        settings = KpiSettings(timezone=timezone, periods=("month",))
        found = compute_kpis(engine, settings, score_files=Scores(), effects=tmp_path, as_of=date(2024, 6, 1))
    rows = {
        (row["kpi"], row["period_start"].month): row["value"]
        for row in found.kpis.to_pylist()
        if row["group_by"] == "all" and row["period"] == "month"
    }
    assert [rows["revenue", month] for month in (4, 5)] == revenue
    assert [rows["orders", month] for month in (4, 5)] == [(revenue[0] > 0) * 1, 2 - (revenue[0] > 0)]
