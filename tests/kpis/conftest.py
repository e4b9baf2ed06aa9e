"""A base of seven customers whose KPIs of May 2024 are worked out by hand in test_catalogue.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.features.economics import Economics
from cvm.kpis.settings import KpiSettings, Scores
from cvm.kpis.stage import KpiOutcome, compute_kpis
from shop import event, order, subscription, typed_warehouse

AS_OF = date(2024, 7, 1)
SETTINGS = KpiSettings(
    active_days=25,
    inactivity_days=10,
    economics=Economics(currency="EUR", cost_per_return=2.0, cost_per_event={"call": 3.0}),
)


def line(who: str, day: str, amount: float, margin: float, channel: str, order_id: str | None = None) -> dict[str, Any]:
    return order(who, on=f"2024-{day}", amount=amount, margin=margin, channel=channel, order_id=order_id or f"{who} {day}")


# a stays; b and the subscriber g are lost in May; c is new and lost again within it, f new and there at its end; d was lost
# and is back; e bought in April and brought it all back in May. Nobody buys in June but x,
# who brings it all back.
LINES = [
    line("a", "01-01", 100, 40, "web"),
    line("d", "02-10", 20, 8, "store"),
    line("a", "04-22", 50, 20, "web"),
    line("b", "04-25", 30, 12, "store"),
    line("e", "04-28", 80, 32, "web", "e1"),
    line("e", "05-03", -80, -32, "web", "e1"),
    line("c", "05-05", 200, 80, "web"),
    line("f", "05-08", 10, 4, "web"),
    line("a", "05-10", 60, 24, "web"),
    line("d", "05-20", 25, 10, "store"),
    line("a", "05-25", 40, 16, "store"),
    line("x", "06-28", 90, 36, "web", "x1"),
    line("x", "06-30", -90, -36, "web", "x1"),
]
EVENTS = [
    event("a", "visit", on="2024-04-02", channel="web", value=1.0),
    event("a", "visit", on="2024-05-02", channel="web", value=5.0),
    event("a", "visit", on="2024-05-03", channel="web", value=7.0),
    event("a", "login", on="2024-05-03", channel="web"),
    event("c", "app_open", on="2024-05-04", channel="app"),
    event("c", "Cart-Add", on="2024-05-04", channel="app"),
    *[event(who, "email_sent", on=f"2024-05-{day}") for who in "ab" for day in ("05", "06")],
    event("a", "email_open", on="2024-05-06"),
    event("a", "email_click", on="2024-05-06"),
    event("b", "call", on="2024-05-07", channel="phone"),
    *[
        event(who, "nps", on="2024-05-29", channel="app", value=v)
        for who, v in {"a": 8.0, "c": 10.0, "d": 3.0, "f": 9.0}.items()
    ],
]
CUSTOMERS = [
    {"customer_id": who, "acquisition_channel": channel, "acquisition_cost": cost}
    for who, channel, cost in [
        ("a", "ads", 5),
        ("b", "organic", None),
        ("c", "ads", 30),
        ("d", "organic", None),
        ("f", "ads", 10),
    ]
]
RUNS = {
    date(2024, 4, 30): [("a", "vip", 100.0, 0.0, 0.2), ("b", "vip", 50.0, 0.0, 0.2), ("g", "core", 10.0, 0.0, 0.2)],
    AS_OF: [
        ("a", "vip", 120.0, 124.0, 0.1), ("b", "lost", 5.0, 12.0, 0.9), ("c", "core", 20.0, 80.0, 0.5),
        ("d", "core", 10.0, 18.0, 0.5), ("f", "new", 16.0, 4.0, None),
    ],
}  # fmt: skip


def write_scores(folder: Path, runs: dict[date, list[tuple[Any, ...]]]) -> Scores:
    """Runs of scores whose customers are each expected to order once, for 10."""
    files = {}
    for as_of, rows in runs.items():
        columns = dict(
            zip(("customer_id", "segment", "clv", "historic_value", "p_churn"), zip(*rows, strict=True), strict=True)
        )
        n = len(rows)
        table = pa.table({**columns, "expected_orders": [1.0] * n, "expected_order_value": [10.0] * n})
        files[as_of] = folder / f"{as_of}.parquet"
        pq.write_table(table, files[as_of])
    return Scores(files)


@pytest.fixture(scope="session")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Scores:
    return write_scores(tmp_path_factory.mktemp("scores"), RUNS)


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    with typed_warehouse(
        transactions=LINES,
        events=EVENTS,
        customers=CUSTOMERS,
        subscriptions=[subscription("g", "2024-03-15", "2024-05-15")],
    ) as engine:
        yield engine


@pytest.fixture(scope="session")
def outcome(engine: Any, scores: Scores, tmp_path_factory: pytest.TempPathFactory) -> KpiOutcome:
    return compute_kpis(engine, SETTINGS, score_files=scores, effects=tmp_path_factory.mktemp("effects"), as_of=AS_OF)
