"""The tables of a campaign that was drawn in cells: its total first, then each cell in short."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from cvm.campaigns.effect_result import CellsEffect
from cvm.reports.campaign_effect import check_lines, money_table, verdict_lines


def cells_tables(found: CellsEffect, *, in_short: bool = False) -> list[RenderableType]:
    """Everything worth reading at a terminal.

    Parameters
    ----------
    found : CellsEffect
    in_short : bool
        Only what must not be overlooked: checks that failed, the verdicts, and the total.
    """
    lines: list[RenderableType] = []
    for cell in found.cells:
        lines.append(Text(cell.campaign_id, style="bold"))
        lines += [Text("  ").append_text(line) for line in (*check_lines(cell, in_short=True), *verdict_lines(cell))]
    rows = [
        (f"{cell.campaign_id.removeprefix(found.campaign_id + '.')}: {arm.arm}", arm)
        for cell in found.cells
        for arm in cell.earned
    ]
    lines.append(money_table(rows, found.total, currency=found.currency))
    if not in_short:
        note = "Cells share no customer, so that they add up. For all figures of one: cvm evaluate with its own name."
        lines.append(Text(note, style="dim"))
    return lines
