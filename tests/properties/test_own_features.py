"""Own features against a plain restatement of their rule, customer by customer and row by row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

import shop

DAYS = [date(2024, 3, 1), date(2024, 4, 1)]
BOUGHT = [shop.order(name, on="2024-01-01", amount=5.0) for name in ("ann", "ben")]
# Two rows of nobody, so that every column has two values and is a feature.
STRANGERS = [{"customer_id": name, "x": x, "plan": plan} for name, x, plan in (("s", -1, "p"), ("t", -2, "q"))]


def midnight(day: date, zone: str) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """A time zone, and rows around the midnights of two snapshots; no two agree on customer and times."""
    zone = draw(st.sampled_from(["UTC", "Europe/Kyiv", "America/New_York"]))
    seconds = st.one_of(st.integers(-1, 1), st.integers(-40 * 86_400, 40 * 86_400))
    around = st.builds(lambda day, n: midnight(day, zone) + timedelta(seconds=n), st.sampled_from(DAYS), seconds)
    times = [name for name in ("as_of", "recorded_at") if draw(st.booleans())]
    row = st.fixed_dictionaries(
        {
            "customer_id": st.sampled_from(["ann", "ben"]),
            "x": st.one_of(st.none(), st.integers(0, 5)),
            "plan": st.one_of(st.none(), st.sampled_from(["a", "b"])),
        }
        | dict.fromkeys(times, around)
    )
    return zone, draw(st.lists(row, max_size=8, unique_by=lambda r: (r["customer_id"], *(r[name] for name in times))))


def expected(rows: list[dict[str, Any]], customer: str, start: datetime) -> dict[str, Any]:
    known = [
        row
        for row in rows
        if row["customer_id"] == customer
        and ("as_of" not in row or row["as_of"] <= start)
        and ("recorded_at" not in row or row["recorded_at"] < start)
    ]
    if not known:
        return {"own_x": None, "own_plan": None}
    row = max(known, key=lambda row: (row.get("as_of", start), row.get("recorded_at", start)))
    return {"own_x": row["x"], "own_plan": row["plan"]}


@settings(derandomize=True, deadline=None, database=None, max_examples=60)
@given(tables())
def test_each_snapshot_sees_the_latest_row_known_then(given_table):
    zone, rows = given_table
    engine = shop.typed_warehouse(transactions=BOUGHT, features=[*rows, *STRANGERS])
    for day, customers in shop.features_at(engine, *DAYS, timezone=zone).items():
        for customer, found in customers.items():
            own = {name: found[name] for name in ("own_x", "own_plan")}
            assert own == expected(rows, customer, midnight(day, zone))
