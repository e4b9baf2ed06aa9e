from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

import shop
from cvm.campaigns.outcome_history import OutcomeHistory, outcome_history, segment_histories
from cvm.campaigns.power import Outcome
from cvm.engines import DuckDBEngine
from cvm.errors import InsufficientDataError
from cvm.features.economics import Economics

LAST = date(2024, 6, 29)
WINDOW = date(2024, 5, 31)  # first of the last thirty days


def sixty_customers() -> list[dict[str, Any]]:
    """All buy for 10 the day before the last window; in it ten of them twice (30 in all), ten once for 5, the rest never."""
    rows = [shop.order(f"c{number:02d}", on=WINDOW - timedelta(days=1), amount=10.0) for number in range(60)]
    for number in range(10):
        rows += [shop.order(f"c{number:02d}", on=WINDOW, amount=20.0), shop.order(f"c{number:02d}", on=LAST, amount=10.0)]
    return rows + [shop.order(f"c{number:02d}", on=LAST, amount=5.0) for number in range(10, 20)]


def history(engine: DuckDBEngine, outcome: Outcome, **changes: Any) -> OutcomeHistory:
    settings: dict[str, Any] = {"days": 30, "active_days": 365, "timezone": "UTC", "economics": Economics(margin_rate=0.4)}
    return outcome_history(engine, outcome, **(settings | changes))


@pytest.mark.parametrize(
    ("outcome", "values", "active"),
    [
        ("conversion", [1] * 20 + [0] * 40, 20 / 60),
        ("orders", [2] * 10 + [1] * 10 + [0] * 40, 20 / 60),
        ("revenue", [30] * 10 + [5] * 10 + [0] * 40, 20 / 60),
    ],
)
def test_the_moments_are_those_of_all_customers_active_before(outcome: Outcome, values: list[float], active: float) -> None:
    found = history(shop.warehouse(transactions=sixty_customers()), outcome)
    assert found.baseline.mean == pytest.approx(np.mean(values))
    assert found.baseline.variance == pytest.approx(np.var(values))
    assert found.baseline.active_share == pytest.approx(active)
    assert found.starts_on == (WINDOW,)
    assert found.n_customers == 60
    assert found.revenue_per_customer == pytest.approx(350 / 60)
    assert found.margin_rate == pytest.approx(0.4)
    assert found.explained_share == 0  # all did the same before


def test_a_newcomer_and_a_customer_long_silent_belong_to_no_window() -> None:
    rows = [*sixty_customers(), shop.order("new", on=LAST, amount=999.0), shop.order("old", on="2023-01-01", amount=1.0)]
    rows.append(shop.order("old", on=LAST, amount=999.0))
    found = history(shop.warehouse(transactions=rows), "revenue", active_days=100)
    assert found.means[0] == pytest.approx(350 / 60)
    assert found.n_customers == 62


def test_returns_reduce_revenue() -> None:
    rows = [*sixty_customers(), shop.order("c00", on=LAST, amount=-30.0)]
    assert history(shop.warehouse(transactions=rows), "revenue").baseline.mean == pytest.approx(320 / 60)


def test_windows_follow_each_other_as_far_as_history_holds_the_active_days() -> None:
    engine = shop.warehouse(transactions=shop.purchases(n_customers=150).to_dict("records"))
    found = history(engine, "orders", active_days=300)
    assert [(first - second).days for first, second in zip(found.starts_on, found.starts_on[1:], strict=False)] == [30] * 5
    assert len(found.means) == 6
    assert min(found.means) <= found.baseline.mean <= max(found.means)
    assert 0 < found.explained_share < 1
    assert len(history(engine, "orders", active_days=400).means) == 3


def test_the_margins_of_the_lines_are_used_where_there_are_any() -> None:
    rows = [row | {"margin": row["amount"] * 0.25} for row in sixty_customers()]
    assert history(shop.warehouse(transactions=rows), "revenue").margin_rate == pytest.approx(0.25)


def test_a_history_no_longer_than_the_window_is_refused() -> None:
    with pytest.raises(InsufficientDataError, match=r"span 31 days \(2024-05-30 to 2024-06-29\), which must be more than"):
        history(shop.warehouse(transactions=sixty_customers()), "orders", days=31)


def test_too_few_customers_are_refused() -> None:
    rows = [row for row in sixty_customers() if row["customer_id"] < "c30"]
    with pytest.raises(InsufficientDataError, match="30 customers ordered in the 365 days before 2024-05-31, must be at"):
        history(shop.warehouse(transactions=rows), "orders")


def test_a_window_without_any_order_of_theirs_is_refused() -> None:
    rows = [row for row in sixty_customers() if row["amount"] == 10.0 and row["occurred_at"].date() < WINDOW]
    with pytest.raises(InsufficientDataError, match="The 60 customers active before 2024-05-31 brought no orders"):
        history(shop.warehouse(transactions=[*rows, shop.order("new", on=LAST, amount=5.0)]), "orders")


def test_outcomes_without_spread_are_refused() -> None:
    rows = [shop.order(f"c{number}", on=day, amount=10.0) for number in range(60) for day in (WINDOW - timedelta(2), LAST)]
    engine = shop.warehouse(transactions=rows)
    with pytest.raises(InsufficientDataError, match="Every customer ordered in every window"):
        history(engine, "conversion")
    with pytest.raises(InsufficientDataError, match="All customers brought the same revenue"):
        history(engine, "revenue")


def test_segments_have_the_moments_of_their_own_customers() -> None:
    rows = [shop.order(f"c{number:03d}", on=WINDOW - timedelta(days=1), amount=10.0) for number in range(150)]
    rows += [shop.order(f"c{number:03d}", on=LAST, amount=20.0) for number in range(20)]
    rows += [shop.order(f"c{number:03d}", on=LAST, amount=8.0) for number in range(50, 100)]
    engine = shop.warehouse(transactions=rows)
    tiers = "(VALUES " + ", ".join(
        f"('c{number:03d}', '{'top' if number < 50 else 'same' if number < 100 else 'quiet'}')" for number in range(145)
    )
    segments = f"(SELECT * FROM {tiers}) AS given (customer_id, segment))"
    whole = history(engine, "revenue")
    same, top, quiet, unknown = segment_histories(engine, whole, segments, active_days=365, timezone="UTC")
    assert [(found.segment, found.n_customers) for found in (same, top, quiet, unknown)] == [
        ("same", 50), ("top", 50), ("quiet", 45), ("unknown", 5),
    ]  # fmt: skip
    assert top.history is not None
    assert top.history.baseline.mean == pytest.approx(8.0)
    assert top.history.baseline.variance == pytest.approx(np.var([20.0] * 20 + [0.0] * 30))
    assert (top.history.n_customers, top.history.margin_rate) == (50, whole.margin_rate)
    assert [found.gap for found in (same, quiet, unknown)] == [
        "all customers brought the same revenue",
        "fewer than 50 customers in past windows",
        "fewer than 50 customers in past windows",
    ]


def test_a_segment_without_outcome_says_so() -> None:
    engine = shop.warehouse(transactions=[*sixty_customers(), *(
        shop.order(f"q{number:02d}", on=WINDOW - timedelta(days=1), amount=10.0) for number in range(60)
    )])  # fmt: skip
    segments = "(SELECT DISTINCT customer_id, customer_id[1] AS segment FROM transactions)"
    whole = history(engine, "orders")
    found = segment_histories(engine, whole, segments, active_days=365, timezone="UTC")
    assert {one.segment: one.gap for one in found} == {"c": "", "q": "no orders in past windows"}
    assert found[0].history is not None
    assert found[0].history.baseline.mean == pytest.approx(0.5)
