"""What all tables of the terminal share."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text


def titled_table(title: str) -> Table:
    """A table without columns yet, its title at the left as it stands: a user's name in it is no markup."""
    return Table(
        title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
