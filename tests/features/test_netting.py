from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.features.economics import Economics
from cvm.features.netting import active_days, day_orders, netted_orders, placed_orders, unmatched_returns
from cvm.features.query import Schema, features_query
from memory import Memory
from shop import features_at, order, typed_warehouse

PER = "customer_id"


PLACED = placed_orders(key="CAST(day AS VARCHAR)", per=PER)
NETTED = netted_orders(PLACED, per=PER, has_returns=True)


def by_day(rows: list[tuple[int, float]], query: str) -> dict[int, float]:
    """Amounts of a query on the lines of one customer, by day; rows are (day, signed amount)."""
    with Memory() as engine:
        values = ", ".join(f"('c', {day}, CAST({amount} AS DECIMAL(18, 4)))" for day, amount in rows)
        engine.execute(f"CREATE TABLE line AS SELECT * FROM (VALUES {values}) AS t(customer_id, day, amount)")
        return {row["day"]: float(row["amount"]) for row in engine.table(query).to_pylist()}


def netted(rows: list[tuple[int, float]]) -> dict[int, float]:
    """What remains of the orders of one customer, by day."""
    return by_day(rows, NETTED)


def unmatched(rows: list[tuple[int, float]]) -> dict[int, float]:
    """What returns of one customer took of orders the data does not hold, by day."""
    return by_day(rows, unmatched_returns(PLACED, per=PER))


def stacked(rows: list[tuple[int, Decimal]]) -> tuple[dict[int, Decimal], Decimal]:
    """The same by an explicit stack: orders left, and what was returned of orders the data does not hold."""
    days: dict[int, Decimal] = {}
    for day, amount in rows:
        days[day] = days.get(day, Decimal(0)) + amount
    stack: list[list] = []
    missing = Decimal(0)
    for day in sorted(days):
        left = days[day]
        if left > 0:
            stack.append([day, left])
        while left < 0 and stack:
            taken = min(-left, stack[-1][1])
            stack[-1][1] -= taken
            left += taken
            if stack[-1][1] == 0:
                stack.pop()
        missing += -min(left, Decimal(0))
    return dict(stack), missing


def test_a_return_takes_from_the_latest_earlier_order_first():
    assert netted([(1, 50), (2, 20), (3, -30)]) == {1: 40.0}
    assert netted([(1, 50), (3, -30), (4, 20)]) == {1: 20.0, 4: 20.0}


def test_a_return_never_touches_a_later_order():
    assert netted([(1, 10), (2, -30), (3, 25)]) == {3: 25.0}


def test_a_free_order_stays_an_order():
    assert netted([(1, 0), (2, 10), (3, -10)]) == {1: 0.0}


def test_what_a_return_takes_below_the_bottom_is_unmatched():
    assert unmatched([(1, 10), (2, -30), (3, 25), (4, -5)]) == {2: 20.0}
    assert unmatched([(1, -5), (2, -5), (3, 100), (4, -100)]) == {1: 5.0, 2: 5.0}
    assert unmatched([(1, 50), (2, -50), (3, 0)]) == {}


def test_a_return_of_an_order_without_a_sale_takes_from_the_latest_earlier_one():
    rows = [
        order("c", on="2024-01-01", amount=50.0, order_id="a"),
        order("c", on="2024-01-05", amount=20.0, order_id="b"),
        order("c", on="2024-01-09", amount=-20.0, order_id="credit note 1"),
    ]
    with typed_warehouse(transactions=rows) as engine:
        found = features_at(engine, date(2024, 2, 1))[date(2024, 2, 1)]["c"]
    assert (found["n_orders"], found["last_order_value"]) == (1, 50)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.decimals(-100, 100, places=2).filter(lambda amount: amount != 0)),
        min_size=1,
        max_size=20,
    )
)
def test_netting_is_a_stack_and_conserves_money_to_the_cent(rows):
    orders, missing = stacked(rows)
    found = netted([(day, float(amount)) for day, amount in rows])
    assert {day: Decimal(str(round(amount, 4))) for day, amount in found.items() if amount} == {
        day: amount for day, amount in orders.items() if amount
    }
    assert sum(orders.values()) - missing == sum(amount for _, amount in rows)
    found_missing = unmatched([(day, float(amount)) for day, amount in rows])
    assert all(amount > 0 for amount in found_missing.values())
    assert Decimal(str(round(sum(found_missing.values()), 4))) == missing


def test_without_returns_the_short_query_gives_the_same():
    rows = [order(f"c{k % 3}", on=date(2024, 1, 1) + timedelta(days=3 * k), amount=10.0 + k) for k in range(20)]
    with typed_warehouse(transactions=rows) as engine:
        engine.execute(
            "CREATE VIEW line AS SELECT *, CAST(epoch_us(occurred_at) // 86400000000 AS INTEGER) AS day FROM transactions"
        )
        placed = placed_orders(key="CAST(day AS VARCHAR)", per=PER)
        short, long = (
            engine.table(f"SELECT * FROM ({netted_orders(placed, per=PER, has_returns=known)}) ORDER BY ALL").to_pylist()
            for known in (False, True)
        )
    assert short == long


def test_days_that_are_orders_are_grouped_once_with_the_same_features():
    on, economics = date(2024, 6, 1), Economics(margin_rate=0.3)
    rows = [order(f"c{k % 5}", on=date(2024, 1, 1) + timedelta(days=7 * (k % 17)), amount=10.0 + k % 7) for k in range(90)]
    with typed_warehouse(transactions=rows) as engine:
        schema = Schema.of(engine)
        assert not schema.has_returns
        once, apart = (
            features_query(known, [on], timezone="UTC", economics=economics)
            for known in (schema, replace(schema, has_returns=True))
        )
        assert ["per_active_day AS" in query for query in (once, apart)] == [False, True]
        found, expected = (engine.table(f"SELECT * FROM ({query}) ORDER BY customer_id") for query in (once, apart))
    assert found.num_rows == 5
    assert found.equals(expected)


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([-30, -10, 0, 10, 20, 30])), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_where_no_line_names_its_order_the_sums_of_days_are_the_orders(rows):
    has_returns = any(amount < 0 for _, amount in rows)
    of_days = f"WITH active_day AS ({active_days(per=PER, has_returns=has_returns)}) {day_orders(per=PER)}"
    assert by_day(rows, of_days) == by_day(rows, PLACED)


def test_a_return_that_names_its_order_reduces_that_one():
    rows = [
        order("c", on="2024-01-01", amount=50.0, order_id="a"),
        order("c", on="2024-01-05", amount=20.0, order_id="b"),
        order("c", on="2024-01-09", amount=-50.0, order_id="a"),
    ]
    with typed_warehouse(transactions=rows) as engine:
        found = features_at(engine, date(2024, 2, 1))[date(2024, 2, 1)]["c"]
    assert (found["n_orders"], found["last_order_value"], found["tenure_days"]) == (1, 20, 27)
