from __future__ import annotations

import pytest

from cvm.ingest.contracts import CONTRACTS
from cvm.proposing.columns import PROPOSED_TABLES
from cvm.proposing.synonyms import begins_like, column_names, currency_of, likeness, tokens, words


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("InvoiceDate", ("invoice", "date")),
        ("customerID", ("customer", "id")),
        ("SKUCode", ("sku", "code")),
        ("order_total_uah", ("order", "total", "uah")),
        ("Сума, грн", ("сума", "грн")),
        ("ДатаЗаказа", ("дата", "заказа")),
        ("К-сть", ("к", "сть")),
        ("Ім’я", ("ім'я",)),
        ("Счёт", ("счет",)),
        ("---", ()),
    ],
)
def test_names_are_taken_apart_into_words(name: str, found: tuple[str, ...]) -> None:
    assert tokens(name) == found


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("CustomerID", "customer_id"),
        ("customer", "customer_id"),
        ("Код клієнта", "customer_id"),
        ("ID клиента", "customer_id"),
        ("created_at", "occurred_at"),
        ("Дата замовлення", "occurred_at"),
        ("ДАТА ЗАКАЗА", "occurred_at"),
        ("order date utc", "occurred_at"),
        ("Total", "amount"),
        ("order_total_uah", "amount"),
        ("Сума, грн", "amount"),
        ("Сумма заказа (с НДС)", "amount"),
        ("к-сть", "quantity"),
        ("Номер чека", "order_id"),
    ],
)
def test_columns_are_known_in_three_languages(name: str, column: str) -> None:
    known = {one.name: likeness(name, column_names("transactions", one.name)) for one in CONTRACTS["transactions"].columns}
    assert [ours for ours, like in known.items() if like is not None] == [column]


@pytest.mark.parametrize("name", ["customer_name", "update", "subtotal_discount", "store_address", ""])
def test_a_word_within_a_name_is_not_enough(name: str) -> None:
    assert likeness(name, column_names("transactions", "customer_id")) is None
    assert likeness(name, column_names("transactions", "occurred_at")) is None


def test_the_very_name_is_more_alike_than_one_with_fillers() -> None:
    names = column_names("transactions", "amount")
    very, filled = likeness("amount", names), likeness("line amount eur", names)
    assert very is not None
    assert filled is not None
    assert very < filled


def test_all_words_are_of_columns_that_there_are() -> None:
    assert set(words("columns")) == set(words("tables")) == set(PROPOSED_TABLES)
    for table, columns in words("columns").items():
        assert set(columns) <= {column.name for column in CONTRACTS[table].columns}
        assert all(column_names(table, column) for column in columns)


@pytest.mark.parametrize(("text", "code"), [("1 200 грн.", "UAH"), ("$12", "USD"), ("amount_eur", "EUR"), ("12", None)])
def test_signs_and_words_stand_for_currencies(text: str, code: str | None) -> None:
    assert currency_of(text) == code


def test_beginnings_of_words_tell_persons() -> None:
    assert begins_like("Billing Address 1", words("personal"))
    assert begins_like("Прізвище", words("personal"))
    assert not begins_like("region", words("personal"))
