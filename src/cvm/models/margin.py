"""How much of revenue is left as margin, net of the cost to serve."""

from __future__ import annotations

import pandas as pd

# CLV may not be negative, because nobody has to keep a customer; above 0 it still tells customers apart.
_LEAST_MARGIN_RATE = 1e-4


def fit_margin_rate(today: pd.DataFrame, currency: str) -> tuple[float, list[str]]:
    """Margin, net of the cost to serve, per unit of revenue over the whole history, and what is odd about it.

    From the whole history, so that lines with a margin of their own, categories and costs count with their weight.
    """
    spend, value = float(today["spend"].sum()), float(today["historic_value"].sum())
    if spend <= 0:
        return 1.0, [
            f"Net spend so far is {spend:,.0f} {currency}: no margin can be told from it, so CLV counts revenue. "
            "Check the sign of amounts, and whether sales are missing from the data."
        ]
    if value <= 0:
        return _LEAST_MARGIN_RATE, [
            f"Customers have cost more than they brought: margin less cost to serve is {value:,.0f} {currency} on net spend "
            f"of {spend:,.0f}. CLV takes a margin of {_LEAST_MARGIN_RATE:.2%}: it still ranks customers, but none is worth "
            "anything. Check business.margin_rate and business.unit_costs."
        ]
    return value / spend, []
