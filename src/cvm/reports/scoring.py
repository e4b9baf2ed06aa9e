"""What `cvm score` did with each of several dates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.table import Table

from cvm.reports.tables import titled_table


def dates_table(dates: Iterable[Mapping[str, Any]], *, currency: str) -> Table:
    """One row per date.

    Parameters
    ----------
    dates : iterable of mapping
        ``as_of``, ``status``, ``n_customers``, ``clv_total``, ``is_foresight``.
    currency : str
    """
    table = titled_table("Dates")
    for header in ("as of", "scores"):
        table.add_column(header)
    for header in ("customers", f"CLV, {currency}"):
        table.add_column(header, justify="right")
    table.add_column("the model")
    for row in dates:
        knew = "foretells" if row["is_foresight"] else "knew what came later"
        table.add_row(row["as_of"], row["status"], f"{row['n_customers']:,}", f"{row['clv_total']:,.0f}", knew)
    return table
