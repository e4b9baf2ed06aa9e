from __future__ import annotations

import pytest

import shop
from cvm.ingest.orders import order_tables
from cvm.proposing.horizon import Gaps, purchase_gaps


@pytest.mark.parametrize(
    ("long_days", "history_days", "horizon_days"),
    [
        (20.0, 700, 30),
        (30.0, 700, 30),
        (31.0, 700, 60),
        (120.0, 700, 181),
        (120.0, 374, 90),
        (500.0, 2000, 365),
        (20.0, 30, 7),
    ],
)
def test_the_horizon_holds_nine_of_ten_gaps_as_far_as_history_affords(
    long_days: float, history_days: int, horizon_days: int
) -> None:
    assert Gaps(100, long_days, history_days).horizon_days == horizon_days


def test_the_reason_tells_the_gaps_and_what_is_too_short() -> None:
    assert Gaps(1200, 77.4, 1096).reason == "90% of 1,200 gaps between purchases are 77 days or shorter"
    assert Gaps(1200, 110.0, 374).reason.endswith("are 110 days or shorter, but 374 days of history afford no more")
    assert Gaps(0, None, 400).reason == "nobody bought twice; the longest step for 400 days of history"
    assert Gaps(0, None, 1).reason == "nobody bought twice; the longest step for a single day of history"
    assert Gaps(0, None, 400).horizon_days == 90


def test_gaps_are_between_days_of_orders_of_one_customer() -> None:
    days = [("a", "2024-01-01"), ("a", "2024-01-01"), ("a", "2024-01-11"), ("a", "2024-01-31"), ("b", "2024-03-01")]
    rows = [shop.order(customer, on=day, amount=5) for customer, day in days]
    with shop.warehouse(transactions=rows) as engine, order_tables(engine, timezone="UTC"):
        gaps = purchase_gaps(engine, timezone="UTC")
    assert (gaps.n_gaps, gaps.history_days) == (2, 61)
    assert gaps.long_days == pytest.approx(19.0)
