from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

import shop
from cvm.features.treatments import treatments_query

AS_OF = date(2024, 3, 1)


def drawn(customer_id: str, arm: str, at: str, *, campaign_id: str = "spring", **columns: Any) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "customer_id": customer_id,
        "assigned_at": datetime.fromisoformat(at),
        "arm": arm,
        **columns,
    }


def treated(rows: list[dict[str, Any]], *, lead_days: int = 0, timezone: str = "UTC") -> dict[str, bool]:
    engine = shop.typed_warehouse(assignments=rows)
    columns = frozenset(engine.columns("assignments"))
    query = treatments_query(columns, AS_OF, horizon_days=30, lead_days=lead_days, timezone=timezone)
    return {row["customer_id"]: row["is_treated"] for row in engine.table(query).to_pylist()}


def test_the_window_begins_with_the_snapshot_and_ends_with_the_horizon():
    rows = [
        drawn("before", "mail", "2024-02-29T23:59:59"),
        drawn("first", "mail", "2024-03-01T00:00:00"),
        drawn("last", "mail", "2024-03-30T23:59:59"),
        drawn("after", "mail", "2024-03-31T00:00:00"),
    ]
    assert set(treated(rows)) == {"first", "last"}


def test_the_lead_belongs_to_it_and_moves_its_end():
    rows = [drawn("in the lead", "mail", "2024-03-02T12:00:00"), drawn("late", "mail", "2024-04-04T12:00:00")]
    assert set(treated(rows, lead_days=5)) == {"in the lead", "late"}
    assert set(treated(rows, lead_days=4)) == {"in the lead"}


def test_the_business_time_zone_cuts_the_days():
    rows = [drawn("late", "mail", "2024-02-29T22:30:00")]  # half past midnight in Kyiv
    assert treated(rows) == {}
    assert treated(rows, timezone="Europe/Kyiv") == {"late": True}


def test_control_is_no_treatment_but_who_another_campaign_treated_is_treated():
    rows = [
        drawn("held out", "control", "2024-03-05"),
        drawn("both", "control", "2024-03-05"),
        drawn("both", "letter", "2024-03-20", campaign_id="other"),
        drawn("mailed", "mail", "2024-03-05"),
        drawn("mailed", "mail", "2024-03-05"),
    ]
    assert treated(rows) == {"held out": False, "both": True, "mailed": True}


@pytest.mark.parametrize(("arm", "found"), [("mail", {"ann": True}), ("control", {})])
def test_who_was_drawn_before_and_is_reached_in_the_window_is_treated_in_it(arm, found):
    rows = [drawn("ann", arm, "2024-02-27", exposed_at=datetime(2024, 3, 2))]
    assert treated(rows) == found


def test_who_was_drawn_in_the_window_and_never_reached_counts_by_the_arm():
    assert treated([drawn("ann", "mail", "2024-03-05", exposed_at=None)]) == {"ann": True}


def test_without_a_ledger_nobody_is_drawn():
    engine = shop.typed_warehouse(transactions=[shop.order("ann", on="2024-01-01", amount=1.0)])
    table = engine.table(treatments_query(frozenset(), AS_OF, horizon_days=30, lead_days=0, timezone="UTC"))
    assert (table.num_rows, table.column_names) == (0, ["customer_id", "is_treated"])
