from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.engines import DuckDBEngine
from cvm.features.netting import netted_orders, placed_orders
from shop import features_at, order, typed_warehouse

PER = "customer_id"


def netted(rows: list[tuple[int, float]]) -> dict[int, float]:
    """What remains of the orders of one customer, by day; rows are (day, signed amount)."""
    with DuckDBEngine() as engine:
        values = ", ".join(f"('c', {day}, CAST({amount} AS DECIMAL(18, 4)))" for day, amount in rows)
        engine.execute(f"CREATE TABLE line AS SELECT * FROM (VALUES {values}) AS t(customer_id, day, amount)")
        query = netted_orders(placed_orders(key="CAST(day AS VARCHAR)", per=PER), per=PER, has_returns=True)
        return {row["day"]: float(row["amount"]) for row in engine.table(query).to_pylist()}


def stacked(rows: list[tuple[int, Decimal]]) -> tuple[dict[int, Decimal], Decimal]:
    """The same by an explicit stack: orders left, and what was returned of orders the data does not hold."""
    days: dict[int, Decimal] = {}
    for day, amount in rows:
        days[day] = days.get(day, Decimal(0)) + amount
    stack: list[list] = []
    unmatched = Decimal(0)
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
        unmatched += -min(left, Decimal(0))
    return dict(stack), unmatched


def test_a_return_takes_from_the_latest_earlier_order_first():
    assert netted([(1, 50), (2, 20), (3, -30)]) == {1: 40.0}
    assert netted([(1, 50), (3, -30), (4, 20)]) == {1: 20.0, 4: 20.0}


def test_a_return_never_touches_a_later_order():
    assert netted([(1, 10), (2, -30), (3, 25)]) == {3: 25.0}


def test_a_free_order_stays_an_order():
    assert netted([(1, 0), (2, 10), (3, -10)]) == {1: 0.0}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.decimals(-100, 100, places=2).filter(lambda amount: amount != 0)),
        min_size=1,
        max_size=20,
    )
)
def test_netting_is_a_stack_and_conserves_money_to_the_cent(rows):
    orders, unmatched = stacked(rows)
    found = netted([(day, float(amount)) for day, amount in rows])
    assert {day: Decimal(str(round(amount, 4))) for day, amount in found.items() if amount} == {
        day: amount for day, amount in orders.items() if amount
    }
    assert sum(orders.values()) - unmatched == sum(amount for _, amount in rows)


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


def test_a_return_that_names_its_order_reduces_that_one():
    rows = [
        order("c", on="2024-01-01", amount=50.0, order_id="a"),
        order("c", on="2024-01-05", amount=20.0, order_id="b"),
        order("c", on="2024-01-09", amount=-50.0, order_id="a"),
    ]
    with typed_warehouse(transactions=rows) as engine:
        found = features_at(engine, date(2024, 2, 1))[date(2024, 2, 1)]["c"]
    assert (found["n_orders"], found["last_order_value"], found["tenure_days"]) == (1, 20, 27)
