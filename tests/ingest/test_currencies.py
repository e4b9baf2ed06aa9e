from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

import shop
from cvm.engines import DuckDBEngine
from cvm.ingest.currencies import convert_currencies

JANUARY, FEBRUARY = datetime(2024, 1, 1), datetime(2024, 2, 1)


def sale(amount: Any, currency: str | None, *, at: datetime = datetime(2024, 2, 10, 9), **columns: Any) -> dict[str, Any]:
    return {"customer_id": "c", "occurred_at": at, "amount": amount, "currency": currency, **columns}


def rate(currency: str, valid_from: datetime, value: float) -> dict[str, Any]:
    return {"currency": currency, "valid_from": valid_from, "rate": value}


EURO = [rate("EUR", JANUARY, 1.1), rate("EUR", FEBRUARY, 1.2)]


def converted(engine: DuckDBEngine, *, table: str = "transactions", column: str = "amount") -> list[Decimal | None]:
    """Values of a column once all is in dollars, by their former order of size."""
    assert convert_currencies(engine, currency="USD") is None
    return engine.table(f"SELECT {column} AS x FROM {table} ORDER BY x NULLS LAST").column(0).to_pylist()


def refusal(rates: list[dict[str, Any]] | None, *rows: dict[str, Any], currency: str = "USD") -> str:
    tables = {"transactions": list(rows)} | ({"exchange_rates": rates} if rates else {})
    engine = shop.typed_warehouse(**tables)
    before = engine.table("SELECT * FROM transactions ORDER BY ALL")
    problem = convert_currencies(engine, currency=currency)
    assert engine.table("SELECT * FROM transactions ORDER BY ALL").equals(before)
    assert problem is not None
    return problem


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2024, 1, 1), "11.0"),
        (datetime(2024, 1, 31, 23, 59, 59), "11.0"),
        (datetime(2024, 2, 1), "12.0"),
        (datetime(2030, 1, 1), "12.0"),
    ],
)
def test_an_amount_is_converted_at_the_latest_rate_valid_then(at: datetime, expected: str) -> None:
    engine = shop.typed_warehouse(transactions=[sale(10, "EUR", at=at)], exchange_rates=EURO)
    assert converted(engine) == [Decimal(expected)]


def test_prices_of_subscriptions_are_converted_at_their_beginning() -> None:
    row = {"customer_id": "c", "started_at": datetime(2024, 1, 5), "price_per_month": 10, "currency": "EUR"}
    engine = shop.typed_warehouse(transactions=[sale(1, "USD")], subscriptions=[row], exchange_rates=EURO)
    assert converted(engine, table="subscriptions", column="price_per_month") == [Decimal("11.0")]


def test_all_money_of_a_line_is_converted_and_the_code_stays() -> None:
    lines = [sale(-10, "eur", margin=-4, discount=1.5, quantity=3.0), sale(1, "eur", margin=None, discount=None)]
    engine = shop.typed_warehouse(transactions=lines, exchange_rates=EURO)
    columns = engine.columns("transactions")
    assert converted(engine, column="margin") == [Decimal("-4.8"), None]
    assert engine.columns("transactions") == columns
    row = engine.table("SELECT * FROM transactions ORDER BY amount").to_pylist()[0]
    assert (row["amount"], row["discount"], row["quantity"], row["currency"]) == (Decimal(-12), Decimal("1.8"), 3.0, "eur")


def test_amounts_of_the_business_and_those_that_name_no_currency_stay_to_the_last_digit() -> None:
    large = Decimal("99999999999999.1234")
    lines = [sale(large, "usd"), sale(Decimal("0.0001"), None), sale(1, "EUR")]
    engine = shop.typed_warehouse(transactions=lines, exchange_rates=[*EURO, rate("USD", JANUARY, 1.0)])
    assert converted(engine) == [Decimal("0.0001"), Decimal("1.2"), large]


def test_without_another_currency_nothing_is_needed_and_nothing_happens() -> None:
    for rates in ({}, {"exchange_rates": EURO}):
        engine = shop.typed_warehouse(transactions=[sale(1, "USD"), sale(2, None)], **rates)
        assert converted(engine) == [1, 2]
    assert (
        convert_currencies(shop.typed_warehouse(transactions=[shop.order("c", on="2024-01-01", amount=1)]), currency="USD")
        is None
    )


def test_costs_of_customers_are_converted_at_their_signing_up_or_the_latest_rate() -> None:
    people = [
        {
            "customer_id": "a",
            "signed_up_at": datetime(2024, 1, 9),
            "acquisition_cost": 10,
            "currency": "EUR",
            "rate": "gold",
        },
        {"customer_id": "b", "signed_up_at": None, "acquisition_cost": 100, "currency": "EUR", "rate": "base"},
        {"customer_id": "c", "signed_up_at": None, "acquisition_cost": 1000, "currency": None, "rate": None},
        {"customer_id": "d", "signed_up_at": None, "acquisition_cost": None, "currency": "GBP", "rate": None},
    ]
    engine = shop.typed_warehouse(transactions=[sale(1, "USD")], customers=people, exchange_rates=EURO)
    assert converted(engine, table="customers", column="acquisition_cost") == [11, 120, 1000, None]
    assert engine.table("SELECT rate FROM customers ORDER BY customer_id").column(0).to_pylist() == [
        "gold",
        "base",
        None,
        None,
    ]


def test_customers_without_a_date_take_the_latest_rate() -> None:
    people = [{"customer_id": "a", "acquisition_cost": 10, "currency": "EUR"}]
    engine = shop.typed_warehouse(customers=people, exchange_rates=EURO)
    assert converted(engine, table="customers", column="acquisition_cost") == [12]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (None, r"amounts in \['EUR'\] \(2 rows\) beside business.currency == USD. .* under data.exchange_rates"),
        ([rate("GBP", JANUARY, 1.3)], r"2 rows in EUR, the first on 2024-01-05 \(no rate at all\). Add these rates"),
        (EURO[1:], r"no rate for: 1 row in EUR, the first on 2024-01-05 \(rates only from 2024-02-01 on\). Add these rates"),
        ([*EURO, rate("GBP", JANUARY, 0.0)], r"GBP from 2024-01-01 on: 0, must be above 0 \(1 row of this kind\)"),
        (
            [*EURO, rate("usd", JANUARY, 0.9)],
            r"usd from 2024-01-01 on: 0.9, is the rate of business.currency == USD in itself",
        ),
        (
            [*EURO, rate("eur", JANUARY, 1.3)],
            r"EUR has several rates from 2024-01-01 on, 1.1 and 1.3 among them .* Keep one",
        ),
        ([rate("EUR", JANUARY, 1e13)], r"1 row in EUR would become amounts of 1e\+14 USD and more. Check the rates of EUR"),
    ],
)
def test_what_cannot_be_converted_is_refused_with_the_way_out(rates: list[dict[str, Any]] | None, expected: str) -> None:
    problem = refusal(rates, sale(10, "EUR", at=datetime(2024, 1, 5)), sale(1, "EUR"), sale(1, "USD"))
    assert re.search(expected, problem)


def test_every_currency_without_a_rate_is_named_at_once_the_commonest_first() -> None:
    problem = refusal(EURO, sale(1, "UAH"), sale(1, "PLN"), sale(2, "PLN"), sale(1, "EUR"))
    assert re.search("2 rows in PLN.*; 1 row in UAH", problem)
    assert "EUR" not in problem


def test_rates_that_nothing_can_use_are_refused() -> None:
    engine = shop.typed_warehouse(transactions=[shop.order("c", on="2024-01-01", amount=1)], exchange_rates=EURO)
    expected = r"no table says in which currency its amounts are. Map the column: data.transactions.columns: \{currency:"
    assert re.search(expected, convert_currencies(engine, currency="USD") or "")


def test_a_rate_given_twice_alike_is_no_fault() -> None:
    engine = shop.typed_warehouse(transactions=[sale(10, "EUR")], exchange_rates=[*EURO, *EURO])
    assert converted(engine) == [12]


def test_a_currency_that_is_a_number_is_refused_like_any_unknown_code() -> None:
    people = [{"customer_id": "a", "acquisition_cost": 10, "currency": 978.0}]
    problem = convert_currencies(shop.typed_warehouse(customers=people), currency="USD")
    assert re.search(r"Table 'customers' holds amounts in \['978.0'\] \(1 row\)", problem or "")
