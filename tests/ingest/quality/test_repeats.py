from __future__ import annotations

from datetime import datetime

from inspected import findings_of
from shop import order


def line(customer_id: str, order_id: str, product_id: str, amount: float, **columns: object) -> dict[str, object]:
    return order(customer_id, on="2024-01-05", amount=amount, order_id=order_id, product_id=product_id, **columns)


def test_exact_copies_are_counted_with_examples() -> None:
    rows = [line("a", "1", "p", 5), line("a", "1", "p", 5), line("a", "1", "p", 5), line("b", "2", "p", 5)]
    found = findings_of(transactions=rows)["exact copy"]
    assert (found.n, found.share, found.examples, found.action) == (2, 0.5, ("a",), "kept")
    assert "data.transactions.key" in found.advice


def test_lines_that_differ_are_no_copies() -> None:
    rows = [line("a", "1", "p", 5), line("a", "1", "q", 5), line("a", "1", "p", 6), line("b", "2", "p", 5)]
    assert not {"exact copy", "line exported again", "order exported again"} & set(findings_of(transactions=rows))


def test_a_line_that_comes_back_with_another_record_is_exported_again() -> None:
    again = datetime(2024, 1, 6), datetime(2024, 1, 7)
    rows = [line("a", "1", "p", 5, recorded_at=at) for at in again] + [line("b", "2", "p", 5, recorded_at=again[0])]
    found = findings_of(transactions=rows)
    assert (found["line exported again"].n, found["line exported again"].examples) == (1, ("a",))
    assert "exact copy" not in found


def test_an_order_under_a_second_number_is_exported_again() -> None:
    rows = [line("a", number, product, 5) for number in ("1", "9") for product in ("p", "q")]
    found = findings_of(transactions=[*rows, line("b", "2", "p", 5)])["order exported again"]
    assert (found.n, found.share, found.examples) == (1, 1 / 3, ("1",))


def test_orders_of_the_same_amount_with_other_lines_are_not_the_same() -> None:
    rows = [line("a", "1", "p", 5), line("a", "1", "q", 5), line("a", "2", "p", 4), line("a", "2", "q", 6)]
    assert "order exported again" not in findings_of(transactions=rows)


def test_an_order_number_of_two_customers_is_told() -> None:
    rows = [line("a", "1", "p", 5), line("b", "1", "q", 5), line("b", "2", "q", 7)]
    found = findings_of(transactions=rows)["order of several customers"]
    assert (found.n, found.examples, found.severity) == (1, ("1",), "serious")
    assert "order of several customers" not in findings_of(transactions=rows[1:])


def test_copies_in_other_tables_are_told_too() -> None:
    visit = {"customer_id": "a", "occurred_at": datetime(2024, 1, 5, 9), "event_type": "visit"}
    bought = [line("a", "1", "p", 5)]
    found = findings_of(transactions=bought, events=[visit, visit, visit | {"event_type": "login"}])["exact copy"]
    assert (found.table, found.n, found.examples) == ("events", 1, ("a",))
    assert "exact copy" not in findings_of(transactions=bought, events=[visit])


def test_copies_of_a_table_without_customers_name_its_first_column() -> None:
    rate = {"currency": "EUR", "valid_from": datetime(2024, 1, 1), "rate": 1.1}
    found = findings_of(transactions=[line("a", "1", "p", 5)], exchange_rates=[rate, rate])["exact copy"]
    assert (found.table, found.examples) == ("exchange_rates", ("EUR",))
