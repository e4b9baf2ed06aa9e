"""Contracts of the canonical tables: which columns, of which kind, and what a row must satisfy."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How a column is read and stored."""

    TEXT = "VARCHAR"
    TIME = "TIMESTAMP"
    MONEY = "DECIMAL(18,4)"
    NUMBER = "DOUBLE"
    FLAG = "BOOLEAN"


@dataclass(frozen=True)
class Column:
    """One column of a contract; the time of a plan ``may_lie_ahead`` of now, that of a fact may not."""

    name: str
    kind: Kind
    meaning: str
    required: bool = False
    may_lie_ahead: bool = False


@dataclass(frozen=True)
class Contract:
    """What a table must look like.

    ``open_ended`` tables keep the user's further columns as attributes: numbers, truth values, dates and text. Of the rows
    that agree on ``key``, as far as the table has its columns, only the latest counts, unless params.yaml names another key.
    """

    table: str
    columns: tuple[Column, ...]
    open_ended: bool = False
    key: tuple[str, ...] = field(default=(), repr=False)  # decides between rows, not how one is read

    @property
    def required(self) -> list[str]:
        """Names of the columns that must be there."""
        return [column.name for column in self.columns if column.required]

    def column(self, name: str) -> Column | None:
        """The column of that name, or ``None`` when the contract does not know it."""
        return next((column for column in self.columns if column.name == name), None)


_SOURCE = Column("source", Kind.TEXT, "System the customer_id comes from, where there are several.")

CONTRACTS = {
    contract.table: contract
    for contract in (
        Contract(
            "transactions",
            (
                Column("customer_id", Kind.TEXT, "Who bought.", required=True),
                Column("occurred_at", Kind.TIME, "When, in UTC.", required=True),
                Column("amount", Kind.MONEY, "Signed; negative means a return. In business.currency.", required=True),
                Column("order_id", Kind.TEXT, "Lines that share it are one order."),
                Column("product_id", Kind.TEXT, "What was bought."),
                Column("category", Kind.TEXT, "Product category."),
                Column("quantity", Kind.NUMBER, "Units."),
                Column("margin", Kind.MONEY, "Margin of the line; business.margin_rate where it is missing."),
                Column("discount", Kind.MONEY, "Discount already taken off the amount."),
                Column("channel", Kind.TEXT, "Sales channel."),
                Column("payment_method", Kind.TEXT, "How it was paid."),
                Column("store_id", Kind.TEXT, "Where it was bought."),
                Column("currency", Kind.TEXT, "ISO 4217 code of the amounts as given; converted at exchange_rates."),
                Column("recorded_at", Kind.TIME, "When the row became known, in UTC."),
                Column("is_test", Kind.FLAG, "A test order; left out."),
                _SOURCE,
            ),
        ),
        Contract(
            "events",
            (
                Column("customer_id", Kind.TEXT, "Who.", required=True),
                Column("occurred_at", Kind.TIME, "When, in UTC.", required=True),
                Column("event_type", Kind.TEXT, "What happened, e.g. visit, email_open, complaint, nps.", required=True),
                Column("channel", Kind.TEXT, "Where it happened."),
                Column("device", Kind.TEXT, "On which device."),
                Column("value", Kind.NUMBER, "Minutes, NPS score or another measure of the event."),
                Column("product_id", Kind.TEXT, "Product it is about."),
                Column("campaign_id", Kind.TEXT, "Campaign it belongs to."),
                Column("recorded_at", Kind.TIME, "When the row became known, in UTC."),
                _SOURCE,
            ),
        ),
        Contract(
            "customers",
            (
                Column("customer_id", Kind.TEXT, "Who.", required=True),
                Column("signed_up_at", Kind.TIME, "When the customer registered, in UTC."),
                Column("email", Kind.TEXT, "Never a feature."),
                Column("phone", Kind.TEXT, "Never a feature."),
                Column("acquisition_channel", Kind.TEXT, "Where the customer came from."),
                Column("acquisition_cost", Kind.MONEY, "What winning the customer cost; a column currency is its currency."),
                _SOURCE,
            ),
            open_ended=True,
            key=("customer_id",),
        ),
        Contract(
            "subscriptions",
            (
                Column("customer_id", Kind.TEXT, "Who subscribes.", required=True),
                Column("started_at", Kind.TIME, "First moment of the subscription, in UTC.", required=True),
                Column("ended_at", Kind.TIME, "When it ended or will, in UTC; blank while it runs.", may_lie_ahead=True),
                Column("price_per_month", Kind.MONEY, "What it costs a month."),
                Column("currency", Kind.TEXT, "ISO 4217 code of the price as given; converted at exchange_rates."),
                Column("plan", Kind.TEXT, "What is subscribed to."),
                _SOURCE,
            ),
        ),
        Contract(
            "assignments",
            (
                Column("campaign_id", Kind.TEXT, "Which campaign.", required=True),
                Column("customer_id", Kind.TEXT, "Who was drawn.", required=True),
                Column("assigned_at", Kind.TIME, "From when on the arm counts, in UTC.", required=True, may_lie_ahead=True),
                Column("arm", Kind.TEXT, "control, or the name of a treatment.", required=True),
                Column("cost", Kind.MONEY, "What treating this customer cost."),
                Column("exposed_at", Kind.TIME, "When the treatment reaches the customer, in UTC.", may_lie_ahead=True),
                Column("propensity", Kind.NUMBER, "Probability with which this arm was drawn."),
                Column("channel", Kind.TEXT, "By which channel."),
                Column("stratum", Kind.TEXT, "Within which the draw fixed the sizes of arms; empty where it fixed none."),
                _SOURCE,
            ),
        ),
        Contract(
            "identities",
            (
                Column("source", Kind.TEXT, "Which system.", required=True),
                Column("source_id", Kind.TEXT, "The id there.", required=True),
                Column("customer_id", Kind.TEXT, "Who that is.", required=True),
            ),
            key=("source", "source_id"),
        ),
        Contract(
            "features",
            (
                Column("customer_id", Kind.TEXT, "Whose values these are.", required=True),
                Column("as_of", Kind.TIME, "From when on the values are known: what held before it.", may_lie_ahead=True),
                Column("recorded_at", Kind.TIME, "When the row became known, in UTC."),
                _SOURCE,
            ),
            open_ended=True,
            key=("customer_id", "as_of", "recorded_at"),
        ),
        Contract(
            "exchange_rates",
            (
                Column("currency", Kind.TEXT, "ISO 4217 code.", required=True),
                Column("valid_from", Kind.TIME, "Since when the rate counts, until the next one.", required=True),
                Column("rate", Kind.NUMBER, "What one unit is worth in business.currency; above 0.", required=True),
            ),
        ),
    )
}
