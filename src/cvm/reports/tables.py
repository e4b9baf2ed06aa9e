"""What all tables of the terminal share."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text


class _PlainTable(Table):
    """A table whose texts stand as they are: brackets in the name of an arm, a segment or a folder are no markup."""

    def add_column(self, header: RenderableType = "", *args: Any, **options: Any) -> None:
        super().add_column(Text(header) if isinstance(header, str) else header, *args, **options)

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        super().add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def titled_table(title: str) -> Table:
    """A table without columns yet, its title at the left; a user's name in the title, a header or a cell is no markup."""
    return _PlainTable(
        title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
