from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from cvm.engines import DuckDBEngine
from cvm.ingest.orders import order_tables
from cvm.ingest.sufficiency import sufficiency
from inspected import verdicts_of
from shop import order

FIRST = date(2023, 1, 1)


def bought(customer: int, *days: int) -> list[dict[str, Any]]:
    return [order(f"c{customer}", on=FIRST + timedelta(days=day), amount=5.0) for day in days]


def base(*, n: int = 200, n_stay: int = 100, days: int = 240) -> list[dict[str, Any]]:
    """Customers of the first month with two orders; the first ``n_stay`` of them order in the last days again."""
    rows = [row for k in range(n) for row in bought(k, k % 30, k % 30 + 5)]
    return rows + [row for k in range(n_stay) for row in bought(k, days - 1 - k % 20)]


def test_a_sound_base_is_enough_and_the_figures_are_told() -> None:
    verdicts = verdicts_of(transactions=base())
    assert list(verdicts) == ["churn", "CLV", "uplift"]
    assert verdicts["churn"].is_enough
    assert verdicts["churn"].because == (
        "500 orders of 200 customers, 200 of them repeatedly, in 240 days",
        "of 200 customers before the last 60 days 100 ordered in them and 100 did not",
    )
    assert verdicts["CLV"].is_enough
    assert verdicts["CLV"].because[1] == "100 orders in the last 60 days"
    assert verdicts["churn"].sentence.startswith("enough for churn: 500 orders")


def test_a_base_too_small_for_the_method_is_named_as_such() -> None:
    verdicts = verdicts_of(transactions=base(n=29, n_stay=15))
    for purpose in ("churn", "CLV"):
        assert not verdicts[purpose].is_enough
        assert verdicts[purpose].because[0] == (
            "29 customers have an order, at least 30 must: the base is too small for statistics"
        )


def test_a_business_of_single_purchases_is_named_as_such() -> None:
    rows = [row for k in range(1000) for row in bought(k, k % 240)] + [row for k in range(20) for row in bought(k, 100 + k)]
    verdicts = verdicts_of(transactions=rows)
    for purpose, consequence in (("churn", "churn has no meaning here"), ("CLV", "a customer is worth the first order")):
        assert not verdicts[purpose].is_enough
        assert "% of the customers bought once: this is a business of single purchases" in verdicts[purpose].because[0]
        assert verdicts[purpose].because[1].startswith(consequence)


def test_too_few_who_came_back_are_counted() -> None:
    rows = [row for k in range(60) for row in bought(k, k % 240)] + [row for k in range(9) for row in bought(k, 100 + k)]
    verdicts = verdicts_of(transactions=rows)
    assert verdicts["churn"].because[0] == "9 of 60 customers ever bought twice, at least 10 must"


def test_a_young_business_is_judged_by_those_it_knows_for_long() -> None:
    newcomers = [row for k in range(200, 8000) for row in bought(k, 200 + k % 40)]
    assert verdicts_of(transactions=base() + newcomers)["churn"].is_enough


@pytest.mark.parametrize(("days", "is_enough"), [(120, True), (119, False)])
def test_churn_needs_two_outcome_windows(days: int, is_enough: bool) -> None:
    verdicts = verdicts_of(transactions=base(days=days))
    assert verdicts["churn"].is_enough is is_enough
    assert verdicts["CLV"].is_enough
    if not is_enough:
        assert "119 days of history, 2 outcome windows of 60 days are needed" in verdicts["churn"].because[0]
        assert "so the purchase process alone is used" in verdicts["CLV"].because[-1]


def test_lead_days_belong_to_the_window() -> None:
    assert "2 outcome windows of 80 days" in verdicts_of(transactions=base(days=140), lead_days=20)["churn"].because[0]


def test_less_than_one_window_is_not_enough_for_clv() -> None:
    verdicts = verdicts_of(transactions=base(days=50))
    assert "50 days of history, one outcome window of 60 days is needed" in verdicts["CLV"].because[0]


def test_nobody_churned() -> None:
    verdict = verdicts_of(transactions=base(n_stay=200))["churn"]
    assert not verdict.is_enough
    assert verdict.because == (
        "all 200 customers known before the last 60 days ordered in them: shorten windows.horizon_days",
    )


def test_everyone_churned() -> None:
    newcomers = [row for k in range(500, 560) for row in bought(k, 239)]
    verdict = verdicts_of(transactions=base(n_stay=0) + newcomers)["churn"]
    assert not verdict.is_enough
    assert verdict.because[0].startswith("none of the 200 customers known before the last 60 days ordered in them: check")


@pytest.mark.parametrize("n_stay", [49, 151])
def test_too_few_of_either_kind_are_counted(n_stay: int) -> None:
    verdict = verdicts_of(transactions=base(n_stay=n_stay))["churn"]
    assert not verdict.is_enough
    assert f"{n_stay} ordered in them and {200 - n_stay} did not; at least 50 of each are needed" in verdict.because[0]


def test_a_forecast_without_recent_orders_cannot_be_judged() -> None:
    verdict = verdicts_of(transactions=base(n_stay=30))["CLV"]
    assert verdict.because == ("30 orders in the last 60 days, at least 50 are needed to judge a forecast",)


def test_no_order_at_all_is_not_enough() -> None:
    returns = [order("a", on=FIRST, amount=-5.0)]
    assert verdicts_of(transactions=returns)["churn"].because == ("no order is left after cleaning",)


def test_days_are_cut_in_the_zone_of_the_business() -> None:
    with DuckDBEngine() as engine:
        # 23:30 UTC on 31 December is 1 January in Kyiv, and so is the last order: the history is one day shorter.
        engine.replace_table(
            "transactions",
            "SELECT 'c' || k AS customer_id, t AS occurred_at, CAST(1 AS DECIMAL(18, 4)) AS amount FROM range(60) AS r(k), "
            "(VALUES (TIMESTAMP '2022-12-31 23:30'), (TIMESTAMP '2023-01-02 12:00'), "
            "(TIMESTAMP '2023-01-30 12:00')) AS v(t)",
        )
        found = {}
        for zone in ("UTC", "Europe/Kyiv"):
            with order_tables(engine, timezone=zone):
                found[zone] = sufficiency(engine, horizon_days=5, lead_days=0, timezone=zone)[1].because[0]
    assert found["UTC"].endswith("in 31 days")
    assert found["Europe/Kyiv"].endswith("in 30 days")
