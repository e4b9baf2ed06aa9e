"""KPIs against a plain count of small random bases: moments, identities, and sums over groups."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.kpis.catalogue import KPIS
from cvm.kpis.settings import KpiSettings, Scores
from cvm.kpis.stage import compute_kpis
from shop import order, subscription, typed_warehouse

START, AS_OF, ACTIVE_DAYS = date(2024, 1, 1), date(2024, 7, 1), 40
DAYS = st.integers(0, (AS_OF - START).days - 1).map(lambda day: START + timedelta(days=day))
WHO = st.sampled_from("abcd")
Row = dict[str, Any]

# Whole orders, each sold or taken back later as a whole: what counts as an order needs no netting here.
CHANNELS = st.sampled_from(["web", "store", None])
SALES = st.lists(st.tuples(WHO, DAYS, st.integers(1, 90), CHANNELS, DAYS), min_size=4, max_size=24)
CONTRACTS = st.lists(st.tuples(WHO, DAYS, st.integers(0, 90)), max_size=3)


def rows_of(sales, contracts) -> tuple[list[Row], list[Row], list[tuple[str, date]]]:
    """Lines, subscriptions, and the orders that last. A sale whose day of return comes later is taken back on it."""
    lines, kept = [], []
    # History reaches back to the first day, whatever is drawn.
    lines.append(order("z", on=START, amount=1, channel="web", order_id="first"))
    kept.append(("z", START))
    # And on to the last.
    lines.append(order("z", on=AS_OF - timedelta(days=1), amount=1, channel="web", order_id="last"))
    kept.append(("z", AS_OF - timedelta(days=1)))
    for number, (who, day, amount, channel, back) in enumerate(sales):
        lines.append(order(who, on=day, amount=amount, channel=channel, order_id=str(number)))
        if back > day + timedelta(days=120):
            lines.append(order(who, on=back, amount=-amount, channel=channel, order_id=str(number)))
        else:
            kept.append((who, day))
    held = [
        subscription(who, start.isoformat(), (start + timedelta(days=days)).isoformat() if days else None)
        for who, start, days in contracts
    ]
    return lines, held, kept


def customers_at(moment: date, kept, contracts) -> set[str]:
    bought = {who for who, day in kept if moment - timedelta(days=ACTIVE_DAYS) <= day < moment}
    holding = {
        who
        for who, start, days in contracts
        # An end on or after the last day known is not known.
        if start < moment and (not days or start + timedelta(days=days) >= min(moment, AS_OF))
    }
    return bought | holding


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("effects")


@settings(derandomize=True, deadline=None, database=None, max_examples=8)
@given(sales=SALES, contracts=CONTRACTS)
def test_kpis_are_a_plain_count_and_add_up_over_groups(sales, contracts, empty):
    lines, held, kept = rows_of(sales, contracts)
    tables = {"transactions": lines} | ({"subscriptions": held} if held else {})
    asked = KpiSettings(periods=("month", "quarter"), active_days=ACTIVE_DAYS)
    with typed_warehouse(**tables) as engine:
        outcome = compute_kpis(engine, asked, score_files=Scores(), effects=empty, as_of=AS_OF)
    kpis = outcome.kpis.to_pandas()
    everybody = kpis[kpis["group_by"] == "all"].set_index(["kpi", "period_start", "period_end"])["value"]
    joined: dict[str, date] = {}
    for who, day in [*kept, *((who, start) for who, start, _ in contracts)]:
        joined[who] = min(day, joined.get(who, day))
    for start, end in {(start, end) for _, start, end in everybody.index}:

        def value(kpi: str, start: date = start, end: date = end) -> float:
            return everybody[kpi, start, end]

        new = {who for who, day in joined.items() if start <= day < end}
        at_end = customers_at(end, kept, contracts)
        in_period = [row for row in lines if start <= row["occurred_at"].date() < end]
        orders = Counter(who for who, day in kept if start <= day < end)
        assert value("orders") == orders.total()
        assert value("buyers") == len(orders)
        assert value("revenue") == sum(row["amount"] for row in in_period)
        if (end - START).days >= ACTIVE_DAYS:
            assert value("customers_at_end") == len(at_end)
        if (start - START).days >= ACTIVE_DAYS:
            assert value("new_customers") == len(new)
            at_start = customers_at(start, kept, contracts)
            assert value("customers_at_start") == len(at_start)
            assert value("lost_customers") == len(at_start - at_end)
            assert value("reactivated_at_end") == len(at_end - at_start - new)
            came = value("new_at_end") + value("reactivated_at_end")
            assert value("customers_at_end") == value("customers_at_start") - value("lost_customers") + came
            if at_start:
                assert value("retention_rate") + value("churn_rate") == pytest.approx(1)
        else:
            assert pd.isna(value("lost_customers"))
            assert pd.isna(value("new_customers"))
    told = kpis[kpis["value"].notna()]
    for name, kpi in KPIS.items():
        for group_by in kpi.adds_up:
            parts = told[(told["kpi"] == name) & (told["group_by"] == group_by)]
            whole = told[(told["kpi"] == name) & (told["group_by"] == "all")]
            if len(parts):
                summed = parts.groupby(["period", "period_start"])["value"].sum()
                expected = whole.set_index(["period", "period_start"])["value"]
                assert summed.reindex(expected.index, fill_value=0).to_dict() == pytest.approx(expected.to_dict())
