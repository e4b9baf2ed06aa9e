"""The same thing twice: orders exported again, order numbers of several customers, lines that come back changed."""

from __future__ import annotations

from cvm.engines import identifier
from cvm.ingest.orders import ORDER
from cvm.ingest.quality.check import Check, Relation, Tables

EXACT_COPY = "exact copy"
COPY_MEANING = "Rows that equal another in every column; each of them counts."
COPY_ADVICE = "If a row can happen only once, name what makes it one under data.{table}.key."

# What makes a line; whatever else differs (a channel, the moment of recording) makes it no other line.
_LINE = ("customer_id", "occurred_at", "amount", "order_id", "product_id", "quantity", "margin", "discount")


def _repeated_lines(tables: Tables) -> str:
    columns = sorted(tables.columns["transactions"])
    line = f"hash({', '.join(name for name in _LINE if name in columns)})"
    whole = f"hash({', '.join(identifier(name) for name in columns)})"
    several = f"SELECT {line} AS line FROM transactions GROUP BY line HAVING count(*) > 1"
    return (
        f"SELECT min(customer_id) AS customer_id, count(*) AS n, count(DISTINCT {whole}) AS n_distinct "
        f"FROM transactions WHERE {line} IN ({several}) GROUP BY {line}"
    )


# Hashes are grouped instead of ids, and only the few groups with several members are looked at: that takes half the time.
def _order_contents(_: Tables) -> str:
    contents = "hash(customer_id, placed_at, amount, n_lines, contents)"
    return _several(contents)


def _order_ids(_: Tables) -> str:
    return _several("hash(order_id)")


def _several(key: str) -> str:
    named = f"FROM {ORDER} WHERE order_id IS NOT NULL"
    several = f"SELECT {key} AS h {named} GROUP BY h HAVING count(*) > 1"
    return f"SELECT min(order_id) AS order_id, count(*) AS n {named} AND {key} IN ({several}) GROUP BY {key}"


_ALL_ORDERS = f"(SELECT count(*) FROM {ORDER} WHERE order_id IS NOT NULL)"

RELATIONS = (
    Relation("repeated_line", _repeated_lines, ("transactions",), total="(SELECT count(*) FROM transactions)"),
    Relation("order_contents", _order_contents, ("transactions.order_id",), total=_ALL_ORDERS),
    Relation("order_id", _order_ids, ("transactions.order_id",), total=_ALL_ORDERS),
)

CHECKS = (
    Check(
        name=EXACT_COPY,
        table="transactions",
        relation="repeated_line",
        condition="n > n_distinct",
        counts="sum(n - n_distinct)",
        unit="rows",
        meaning=COPY_MEANING,
        advice=COPY_ADVICE.format(table="transactions"),
        serious_from=0.2,
    ),
    Check(
        name="line exported again",
        table="transactions",
        relation="repeated_line",
        condition="n_distinct > 1",
        counts="sum(n_distinct - 1)",
        unit="rows",
        meaning="Lines that agree with another on customer, time, product and amount and differ only in what is beside.",
        advice="If an export overlaps the one before, name the columns of a line under data.transactions.key.",
    ),
    Check(
        name="order exported again",
        table="transactions",
        relation="order_contents",
        condition="n > 1",
        counts="sum(n - 1)",
        unit="orders",
        example="order_id",
        meaning="Orders that agree with another on customer, time and every line, and differ only in their order_id.",
        advice="Look at the examples; if a system numbers orders anew, export the original order number.",
    ),
    Check(
        name="order of several customers",
        table="transactions",
        relation="order_id",
        condition="true",
        unit="orders",
        example="order_id",
        meaning="Order ids that belong to several customers; each customer's part counts as an order.",
        advice="If numbers start again by store or year, add that to order_id; else check customer_id.",
    ),
)
