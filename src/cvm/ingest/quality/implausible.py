"""Values that cannot be, or hardly: signs, sizes and times that contradict each other."""

from __future__ import annotations

from cvm.engines import literal
from cvm.ingest.orders import ORDER
from cvm.ingest.profiles import MIXED
from cvm.ingest.quality.check import Check, Relation, Tables

# Logs of order values are near normal: beyond this many robust standard deviations lies one order in 10**8 of a normal
# distribution. Below the spread of the floor (a fixed price list) any other price would look like an outlier.
_OUTLYING_Z = 6.0
_MIN_SPREAD = 0.25
_CENT = "0.01"
# A row is recorded no earlier than it happens.
_RECORDED = ("recorded_at", "occurred_at")


def _lines(tables: Tables) -> str:
    ours = literal(tables.currency)
    is_foreign = f"currency <> {ours} AND upper(currency) <> {ours}" if tables.has("transactions.currency") else "false"
    return (
        f"SELECT *, {is_foreign} AS is_foreign, {str(tables.is_converted).lower()} AS is_converted, "
        f"{_is_early(tables, 'transactions', *_RECORDED)} AS is_early FROM transactions"
    )


def _returns(tables: Tables) -> str:
    """Returns, and whether neither their order nor an earlier one of the customer sold anything."""
    given = "SELECT * FROM transactions WHERE amount < 0"
    theirs = f"SELECT * FROM {ORDER} WHERE has_sale AND customer_id IN (SELECT customer_id FROM ({given}))"
    first_sale = f"SELECT customer_id, min(placed_at) AS sold_at FROM ({theirs}) GROUP BY customer_id"
    is_named, named = "false", ""
    if tables.has("transactions.order_id"):
        ids = f"SELECT DISTINCT customer_id, order_id, true AS is_named FROM ({theirs}) WHERE order_id IS NOT NULL"
        is_named, named = "coalesce(is_named, false)", f"LEFT JOIN ({ids}) AS n USING (customer_id, order_id)"
    return (
        f"SELECT customer_id, amount, coalesce(sold_at > occurred_at, true) AND NOT {is_named} AS is_unmatched "
        f"FROM ({given}) AS t LEFT JOIN ({first_sale}) AS s USING (customer_id) {named}"
    )


def _order_values(_: Tables) -> str:
    logs = f"SELECT ln(CAST(amount AS DOUBLE)) AS l FROM {ORDER} WHERE amount > 0"
    centre = f"SELECT median(l) AS centre FROM ({logs})"
    usual = f"SELECT centre, median(abs(l - centre)) AS spread FROM ({logs}) CROSS JOIN ({centre}) GROUP BY centre"
    return (
        "SELECT customer_id, amount, abs(ln(CAST(amount AS DOUBLE)) - centre) / "
        f"greatest(1.4826 * spread, {_MIN_SPREAD}) AS z FROM ({usual}) CROSS JOIN {ORDER} WHERE amount > 0"
    )


def _is_early(tables: Tables, table: str, moment: str, cause: str) -> str:
    """SQL that says whether ``moment`` lies on a day before its ``cause``; false where the table does not tell it."""
    return tables.on_day_before(moment, cause) if tables.has(f"{table}.{moment}") else "false"


def _timed(table: str, moment: str, cause: str) -> Relation:
    def query(tables: Tables) -> str:
        return f"SELECT *, {_is_early(tables, table, moment, cause)} AS is_early FROM {table}"

    return Relation(table, query, (table,))


def _whole(table: str) -> Relation:
    return Relation(table, lambda _: f"SELECT * FROM {table}", (table,))


def _arms(_: Tables) -> str:
    return (
        f"SELECT campaign_id, customer_id, min(arm) <> max(arm) OR min(arm) = {literal(MIXED)} AS is_torn FROM assignments "
        "GROUP BY campaign_id, customer_id"
    )


RELATIONS = (
    Relation("line", _lines, ("transactions",)),
    Relation("return", _returns, ("transactions",), total="(SELECT count(*) FROM transactions)"),
    Relation("order_value", _order_values, ("transactions",)),
    _timed("events", *_RECORDED),
    _timed("assignments", "exposed_at", "assigned_at"),
    *map(_whole, ("customers", "subscriptions")),
    Relation("arm", _arms, ("assignments",)),
)

_RECORDED_MEANING = "Rows recorded on a day before the one they happened on."
_RECORDED_ADVICE = "Check the time zones of occurred_at and recorded_at; snapshots trust the later of both."

CHECKS = (
    Check(
        name="amount is zero",
        table="transactions",
        relation="line",
        condition="amount = 0",
        unit="rows",
        meaning="Lines without payment: they count as activity and add no value.",
        advice="Fine for gifts and samples; leave cancelled or technical lines out of the export.",
        warning_from=0.01,
        serious_from=0.5,
    ),
    Check(
        name="quantity is zero",
        table="transactions",
        relation="line",
        condition="quantity = 0 AND amount <> 0",
        unit="rows",
        meaning="Lines of no unit that cost something.",
        advice="Check the mapping of quantity; fees and corrections may stay.",
        needs=("transactions.quantity",),
        warning_from=0.01,
        serious_from=None,
    ),
    Check(
        name="signs contradict",
        table="transactions",
        relation="line",
        condition="quantity < 0 AND amount > 0 OR quantity > 0 AND amount < 0",
        unit="rows",
        meaning="Lines whose quantity and amount have different signs, so that sale and return cannot be told apart.",
        advice="Export returns with both negative; the sign of the amount is what counts.",
        needs=("transactions.quantity",),
    ),
    Check(
        name="margin above amount",
        table="transactions",
        relation="line",
        condition=f"amount > 0 AND margin > amount + {_CENT}",
        unit="rows",
        meaning="Sales that earn more than they cost the customer.",
        advice="Check that margin is money in the currency of the amount and not a percentage.",
        needs=("transactions.margin",),
    ),
    Check(
        name="return earns margin",
        table="transactions",
        relation="line",
        condition="amount < 0 AND margin > 0",
        unit="rows",
        meaning="Returns whose margin is positive: they would raise the customer's value.",
        advice="Export the margin of a return with the sign of its amount.",
        needs=("transactions.margin",),
    ),
    Check(
        name="negative discount",
        table="transactions",
        relation="line",
        condition="amount > 0 AND discount < 0",
        unit="rows",
        meaning="Sales with a discount below zero.",
        advice="Export what was taken off as a positive number.",
        needs=("transactions.discount",),
    ),
    Check(
        name="discount above price",
        table="transactions",
        relation="line",
        condition="amount < 0 AND quantity > 0 AND discount > 0",
        unit="rows",
        meaning="Sales that pay the customer because the discount is larger than the price.",
        advice="Check that the discount belongs to the line and not to the whole order.",
        needs=("transactions.discount", "transactions.quantity"),
    ),
    Check(
        name="another currency",
        table="transactions",
        relation="line",
        condition="is_foreign AND NOT is_converted",
        unit="rows",
        meaning="Amounts in a currency other than business.currency.",
        advice="Convert them, give their rates under data.exchange_rates, or set business.currency.",
        needs=("transactions.currency",),
        serious_from=0.0,
    ),
    Check(
        name="converted currency",
        table="transactions",
        relation="line",
        condition="is_foreign AND is_converted",
        unit="rows",
        meaning="Amounts in another currency, converted to business.currency at the rate of their day.",
        advice="Nothing to do, as long as the rates are kept up to date.",
        needs=("transactions.currency",),
        warning_from=None,
        serious_from=None,
        action="converted",
    ),
    Check(
        name="currency is blank",
        table="transactions",
        relation="line",
        condition="currency IS NULL",
        unit="rows",
        meaning="Amounts without a currency; they are taken for business.currency.",
        advice="Export the currency of every line.",
        needs=("transactions.currency",),
        serious_from=None,
    ),
    Check(
        name="order_id is blank",
        table="transactions",
        relation="line",
        condition="order_id IS NULL",
        unit="rows",
        meaning="Lines without order_id: all of one customer and day count as one order.",
        advice="Export the order number of every line, where there is one.",
        needs=("transactions.order_id",),
        warning_from=0.05,
        serious_from=None,
    ),
    Check(
        name="recorded before it happened",
        table="transactions",
        relation="line",
        condition="is_early",
        unit="rows",
        meaning=_RECORDED_MEANING,
        advice=_RECORDED_ADVICE,
        needs=("transactions.recorded_at",),
    ),
    Check(
        name="return without an order",
        table="transactions",
        relation="return",
        condition="is_unmatched",
        unit="rows",
        meaning="Cancellations without an order in the data: returns by who had bought nothing before, {money} in all.",
        advice="Export the history from further back, or accept that these orders are unknown.",
        money="sum(amount)",
        serious_from=None,
    ),
    Check(
        name="order value out of all proportion",
        table="transactions",
        relation="order_value",
        condition=f"z > {_OUTLYING_Z}",
        unit="orders",
        meaning=f"Orders more than {_OUTLYING_Z:g} robust standard deviations (of logs) from the usual, {{money}} in all.",
        advice="Look at the examples: a slipped decimal point, a bulk order, a test.",
        money="sum(amount)",
        serious_from=None,
    ),
    Check(
        name="recorded before it happened",
        table="events",
        relation="events",
        condition="is_early",
        unit="rows",
        meaning=_RECORDED_MEANING,
        advice=_RECORDED_ADVICE,
        needs=("events.recorded_at",),
    ),
    Check(
        name="NPS outside of 0 to 10",
        table="events",
        relation="events",
        condition="event_type = 'nps' AND value NOT BETWEEN 0 AND 10",
        unit="rows",
        meaning="Answers to the recommendation question that are on no scale from 0 to 10.",
        advice="Check that value holds the answer, not a score from -100 to 100.",
        needs=("events.value",),
        warning_from=0.0,
    ),
    Check(
        name="negative acquisition cost",
        table="customers",
        relation="customers",
        condition="acquisition_cost < 0",
        unit="customers",
        meaning="Customers whose winning cost less than nothing.",
        advice="Export costs as positive numbers.",
        needs=("customers.acquisition_cost",),
    ),
    Check(
        name="ended before it started",
        table="subscriptions",
        relation="subscriptions",
        condition="ended_at < started_at",
        unit="rows",
        meaning="Subscriptions that end before they start.",
        advice="Check the mapping of started_at and ended_at, and their time zones.",
        needs=("subscriptions.started_at", "subscriptions.ended_at"),
    ),
    Check(
        name="negative price",
        table="subscriptions",
        relation="subscriptions",
        condition="price_per_month < 0",
        unit="rows",
        meaning="Subscriptions that pay the customer.",
        advice="Export what the customer pays a month as a positive number.",
        needs=("subscriptions.price_per_month",),
    ),
    Check(
        name="exposed before assigned",
        table="assignments",
        relation="assignments",
        condition="is_early",
        unit="rows",
        meaning="Customers who met the campaign on a day before their arm was drawn.",
        advice="Check assigned_at: an arm known only after the contact is no experiment.",
        needs=("assignments.assigned_at", "assignments.exposed_at"),
    ),
    Check(
        name="propensity is no probability",
        table="assignments",
        relation="assignments",
        condition="propensity <= 0 OR propensity > 1",
        unit="rows",
        meaning="Assignments whose probability is not above 0 and at most 1.",
        advice="Export the probability with which the customer got this arm, or leave the column out.",
        needs=("assignments.propensity",),
    ),
    Check(
        name="customer in several arms",
        table="assignments",
        relation="arm",
        condition="is_torn",
        unit="customers",
        meaning="Customers with more than one arm in the same campaign: they belong to no comparison.",
        advice="Draw arms once per person, after joining accounts; or give each wave its own campaign_id.",
    ),
)
