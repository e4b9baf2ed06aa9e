"""A diagnosis for the terminal: what is wrong stands out, and beside it how to mend it."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cvm.doctor.diagnosis import Diagnosis, Part

_STYLES = {"ok": "green", "look": "bold yellow", "wrong": "bold red"}


def diagnosis_tables(found: Diagnosis, *, only_amiss: bool = False) -> Iterator[RenderableType]:
    """A table per part; ``only_amiss`` leaves out what is well."""
    for part in found.parts:
        shown = [line for line in part.lines if line.state != "ok" or not only_amiss]
        if shown:
            yield Text(part.name, style="bold")
            yield _table(Part(part.name, tuple(shown)))


def summary_line(found: Diagnosis, seconds: float) -> Text:
    """How many lines there are of each state, and what that means."""
    n_ok = len(found.lines) - found.n_wrong - found.n_to_look_at
    if found.n_wrong:
        head = Text(f"{found.n_wrong} wrong", style=_STYLES["wrong"])
    elif found.n_to_look_at:
        head = Text("nothing wrong", style=_STYLES["look"])
    else:
        head = Text("all well", style="bold green")
    return Text.assemble(
        ("doctor    ", _STYLES["wrong"] if found.n_wrong else "bold green"),
        head,
        f", {found.n_to_look_at} to look at, {n_ok} ok ",
        (f"({seconds:.1f} s)", "dim"),
    )


def _table(part: Part) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, min_width=5)
    table.add_column(no_wrap=True, min_width=12)
    table.add_column(overflow="fold")
    for line in part.lines:
        found = Text(line.found)
        if line.fix:
            found.append(f"\n{line.fix}", style="cyan")
        table.add_row(Text(line.state, style=_STYLES[line.state]), line.what, found)
    return Padding(table, (0, 0, 1, 2), expand=False)
