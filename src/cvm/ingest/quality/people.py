"""Customers: who is nobody, who is unknown, and whose profile is empty."""

from __future__ import annotations

from cvm.engines import Engine, identifier
from cvm.engines.sql import literals
from cvm.ingest.orders import BUYER
from cvm.ingest.quality.check import Check, Relation, Tables
from cvm.ingest.quality.finding import N_EXAMPLES, Finding

# Names that systems give to everyone they do not know.
NOBODY = ("guest", "unknown", "anonymous", "anon", "unregistered", "walk-in", "walkin", "default", "dummy", "test")
# One id is implausible as a person when it holds this share of all orders and outdoes the busiest one in a hundred
# customers by this factor: heavy buyers of wholesalers stay below it, a till's collective account does not.
_CROWD_SHARE = 0.01
_CROWD_FACTOR = 10
_CROWD_ORDERS = 50
_MOSTLY = 0.5


def _buyers(tables: Tables) -> str:
    signed_up = "signed_up_at" if tables.has("customers.signed_up_at") else "CAST(NULL AS TIMESTAMP)"
    profile = (
        f"SELECT customer_id, max({signed_up}) AS signed_up_at, true AS has_profile FROM customers GROUP BY customer_id"
    )
    if not tables.has("customers"):
        profile = "SELECT NULL AS customer_id, CAST(NULL AS TIMESTAMP) AS signed_up_at, false AS has_profile"
    crowd = f"SELECT sum(n_orders) AS n_all, quantile_disc(n_orders, 0.99) AS busy FROM {BUYER}"
    is_crowd = (
        f"lower(b.customer_id) IN ({literals(NOBODY)}) OR "
        f"n_orders >= greatest({_CROWD_ORDERS}, {_CROWD_SHARE} * n_all, {_CROWD_FACTOR} * busy)"
    )
    return (
        f"SELECT b.*, coalesce(p.has_profile, false) AS has_profile, {is_crowd} AS is_crowd, "
        f"{tables.on_day_before('first_at', 'p.signed_up_at')} AS is_early "
        f"FROM {BUYER} AS b CROSS JOIN ({crowd}) LEFT JOIN ({profile}) AS p ON p.customer_id = b.customer_id"
    )


def _strangers(table: str) -> Relation:
    def query(_: Tables) -> str:
        return (
            "SELECT customer_id, NOT EXISTS (SELECT 1 FROM customers AS c WHERE c.customer_id = e.customer_id) "
            f"AND NOT EXISTS (SELECT 1 FROM {BUYER} AS b WHERE b.customer_id = e.customer_id) AS is_unknown "
            f"FROM (SELECT DISTINCT customer_id FROM {table}) AS e"
        )

    return Relation(f"customer of {table}", query, (table, "customers"))


def _profiles(tables: Tables) -> str:
    contacts = [f"{name} IS NULL" for name in ("email", "phone") if tables.has(f"customers.{name}")]
    # Where no contact is kept at all, its absence says nothing of a customer.
    return f"SELECT customer_id, {' AND '.join(contacts) or 'false'} AS is_mute FROM customers"


RELATIONS = (
    Relation("buyer", _buyers, ("transactions",)),
    Relation("order of buyer", _buyers, ("transactions",), total="sum(n_orders)"),
    Relation("profile", _profiles, ("customers",)),
    *map(_strangers, ("events", "subscriptions", "assignments", "features")),
)

CHECKS = (
    Check(
        name="id of nobody",
        table="transactions",
        relation="order of buyer",
        condition="is_crowd",
        counts="sum(n_orders)",
        unit="orders",
        meaning="Orders under an id that stands for many people (guests, a till), so it has neither churn nor value.",
        advice="Leave customer_id empty on these rows, so that they are quarantined and not learned from.",
        warning_from=0.0,
    ),
    Check(
        name="bought before signing up",
        table="customers",
        relation="buyer",
        condition="is_early",
        unit="customers",
        meaning="Customers whose first order lies on a day before they registered.",
        advice="Usual for guests who register later; else check the time zone of signed_up_at.",
        needs=("customers.signed_up_at",),
        warning_from=0.05,
        serious_from=0.5,
    ),
    Check(
        name="buyer without a profile",
        table="customers",
        relation="buyer",
        condition="NOT has_profile",
        unit="customers",
        meaning="Customers who bought and have no row in customers: their attributes are unknown.",
        advice="Export all customers, or check that both tables use the same ids.",
        needs=("customers",),
        warning_from=0.01,
        serious_from=0.9,
    ),
    Check(
        name="no way to contact",
        table="customers",
        relation="profile",
        condition="is_mute",
        unit="customers",
        meaning="Customers with neither e-mail address nor telephone number.",
        advice="They can be scored but hardly reached; collect a contact.",
        warning_from=0.2,
        serious_from=None,
    ),
    *(
        Check(
            name="unknown customer",
            table=table,
            relation=f"customer of {table}",
            condition="is_unknown",
            unit="customers",
            meaning=f"Customers of {table} who neither bought nor have a row in customers.",
            advice="Check that the tables use the same ids; export all customers.",
            warning_from=0.01,
            serious_from=0.9,
        )
        for table in ("events", "subscriptions", "assignments", "features")
    ),
)


def empty_attributes(engine: Engine, tables: Tables) -> list[Finding]:
    """The columns of ``customers`` that most rows leave empty, as one finding at most."""
    columns = sorted(tables.columns.get("customers", frozenset()) - {"customer_id"})
    if not columns:
        return []
    shares = ", ".join(f"avg(CAST({identifier(name)} IS NULL AS INT)) AS {identifier(name)}" for name in columns)
    empty = [name for name, share in engine.row(f"SELECT {shares} FROM customers").items() if share > _MOSTLY]
    if not empty:
        return []
    return [
        Finding(
            table="customers",
            check="attribute mostly empty",
            severity="info",
            n=len(empty),
            unit="columns",
            share=len(empty) / len(columns),
            action="kept",
            meaning=f"Columns that are empty in more than {_MOSTLY:.0%} of the rows; models learn little from them.",
            advice="Fill them at the source, or leave them out.",
            examples=tuple(empty[:N_EXAMPLES]),
        )
    ]
