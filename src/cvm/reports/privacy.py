"""Tables of what is removed, before it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from cvm.privacy.retention import Expired
from cvm.reports.tables import titled_table


def found_table(n_in_parts: int, n_published: int, n_by_file: Mapping[Path, int], *, folder: Path) -> Table:
    """Rows and values about people, by folder below ``folder``, and in published tables; never an id."""
    counts = {where: (n, 0) for where, n in (("ingested", n_in_parts), ("published tables", n_published)) if n}
    for path, n in n_by_file.items():
        top = path.relative_to(folder).parts[0]
        rows, files = counts.get(top, (0, 0))
        counts[top] = (rows + n, files + 1)
    table = titled_table("About them on file")
    table.add_column("where")
    for name in ("rows and values", "files"):
        table.add_column(name, justify="right")
    for where, (rows, files) in sorted(counts.items()):
        table.add_row(where, f"{rows:,}", f"{files:,}" if files else "")
    return table


def expired_table(expired: Sequence[Expired], *, folder: Path) -> Table:
    """Outputs past their time."""
    table = titled_table("Past privacy.keep_days")
    for name in ("output", "kept as"):
        table.add_column(name)
    table.add_column("days old", justify="right")
    for one in expired:
        table.add_row(str(one.path.relative_to(folder)), one.kind, f"{one.age_days:,}")
    return table
