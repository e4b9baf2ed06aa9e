"""What a sale earns and what serving a customer costs, as SQL on the relations of ``features/query.py``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from cvm.engines import literal
from cvm.engines.sql import literals
from cvm.features.catalogue import Feature

# Wide enough for amounts that are everyday in rupiah or dong, and for the products of them.
_WIDE = "DECIMAL(28, 4)"


@dataclass(frozen=True)
class Economics:
    """Facts of the business that turn transactions and events into money earned.

    Attributes
    ----------
    currency : str
        Of all money; messages name it.
    margin_rate : float
        Margin of revenue where neither the line nor its category has one.
    margin_rate_by_category : mapping of str to float
        The same by ``category`` of the line.
    cost_per_return : float
        Of one return occasion: whatever one customer brings back on one day.
    cost_per_event : mapping of str to float or "value"
        By ``event_type``; ``"value"`` is for events that cost what their ``value`` says, such as cashback.
    """

    currency: str = "USD"
    margin_rate: float = 1.0
    margin_rate_by_category: Mapping[str, float] = field(default_factory=dict)
    cost_per_return: float = 0.0
    cost_per_event: Mapping[str, float | Literal["value"]] = field(default_factory=dict)

    @property
    def has_costs(self) -> bool:
        """Whether serving a customer costs anything."""
        return self.cost_per_return > 0 or bool(self.cost_per_event)

    def has_one_rate(self, columns: Collection[str]) -> bool:
        """Whether the margin of every line is the same share of its amount, given the columns of the transactions."""
        return "margin" not in columns and not (self.margin_rate_by_category and "category" in columns)


def money_features(economics: Economics, *, columns: Collection[str]) -> tuple[Feature, ...]:
    """What a customer has earned the business so far, and, where unit costs are known, what serving cost.

    Parameters
    ----------
    economics : Economics
    columns : collection of str
        Columns of the transactions.
    """
    if not economics.has_costs:
        # A margin that is one share of all amounts is that share of their sum.
        margin = _share("sum(amount)", literal(economics.margin_rate)) if economics.has_one_rate(columns) else "sum(margin)"
        meaning = "Margin so far, net of returns."
        return (Feature("historic_value", margin, "active_day", "currency", meaning, empty="0"),)
    return (
        Feature(
            "historic_value",
            "coalesce(sum(margin), 0) - coalesce(sum(cost), 0)",
            "ledger",
            "currency",
            "Margin so far, net of returns, less the cost to serve.",
            empty="0",
        ),
        Feature("cost_to_serve", "coalesce(sum(cost), 0)", "ledger", "currency", "Cost to serve so far.", empty="0"),
        Feature(
            "cost_to_serve_{window}d",
            "coalesce(sum(cost) FILTER (WHERE age_days <= {window}), 0)",
            "ledger",
            "currency",
            "Cost to serve in the last {window} days.",
            windows=(90, 365),
            empty="0",
        ),
    )


def line_margin(economics: Economics, *, columns: Collection[str]) -> str:
    """SQL for the margin of a line: its own, else by the rate of its category, else by the overall rate.

    Parameters
    ----------
    economics : Economics
    columns : collection of str
        Columns of the transactions.
    """
    rate = literal(economics.margin_rate)
    if economics.margin_rate_by_category and "category" in columns:
        rates = sorted(economics.margin_rate_by_category.items())
        branches = " ".join(f"WHEN {literal(category)} THEN {literal(by_category)}" for category, by_category in rates)
        rate = f"CASE category {branches} ELSE {rate} END"
    by_rate = _share("amount", rate)
    return f"coalesce(margin, {by_rate})" if "margin" in columns else by_rate


def _share(amount: str, rate: str) -> str:
    return f"CAST({amount} AS {_WIDE}) * CAST({rate} AS DECIMAL(9, 6))"


def ledger(economics: Economics, *, event_columns: Collection[str]) -> str:
    """SQL for everything a customer earned or cost: ``margin`` of lines, ``cost`` of returns and events, each on its day.

    Parameters
    ----------
    economics : Economics
    event_columns : collection of str
        Columns of the events; empty where there are none.

    Returns
    -------
    str
        A query on ``line`` and ``event`` with ``as_of``, ``customer_id``, ``age_days``, ``margin``, ``cost``.
    """
    who = "as_of, customer_id, age_days"
    none = f"CAST(NULL AS {_WIDE})"
    parts = [f"SELECT {who}, line_margin AS margin, {none} AS cost FROM line"]
    if economics.cost_per_return > 0:
        # Distinct, because a parcel with five lines in it is opened once.
        per_return = f"CAST({literal(economics.cost_per_return)} AS {_WIDE})"
        parts.append(f"SELECT DISTINCT {who}, {none}, {per_return} FROM line WHERE amount < 0")
    if economics.cost_per_event and event_columns:
        costs = sorted(economics.cost_per_event.items())
        own = f"TRY_CAST(value AS {_WIDE})" if "value" in event_columns else "NULL"
        branches = " ".join(
            f"WHEN {literal(name)} THEN {own if cost == 'value' else f'CAST({literal(cost)} AS {_WIDE})'}"
            for name, cost in costs
        )
        named = literals(name for name, _ in costs)
        parts.append(f"SELECT {who}, {none}, CASE event_type {branches} END FROM event WHERE event_type IN ({named})")
    return "\nUNION ALL ".join(parts)
