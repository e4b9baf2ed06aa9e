"""A planned campaign at the terminal: who was left out, the draws, the money, and what an evaluation will be able to say."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.campaigns.plan_files import Approved
from cvm.campaigns.plan_result import Cell, PlanSummary
from cvm.campaigns.plan_selection import CHOSEN
from cvm.reports.tables import titled_table

_BAR = 24
_MAX_FILES = 12
# An effect found in four of five campaigns is 1.96 + 0.84 standard errors; an interval of 95 % reaches 1.96.
_INTERVAL = 1.96 / 2.80


def plan_tables(plan: PlanSummary) -> list[RenderableType]:
    """Everything worth reading of a draft, but for its notes."""
    sentences = (Text(line, style=style) for line, style in _sentences(plan))
    return [_funnel(plan), _cells(plan), _prospects(plan), *sentences]


def approved_sentences(approved: Approved, *, currency: str) -> list[RenderableType]:
    """What an approval wrote."""
    lines = [
        f"{approved.n_drawn:,} customers drawn, {approved.n_treated:,} of them to be contacted for "
        f"{_money(approved.cost, currency)}; the others are held out. The next `cvm ingest` knows of it."
    ]
    if approved.files:
        lines.append(f"Files in {approved.files[0].path.parent}:")
    lines += [f"  {file.sentence}" for file in approved.files[:_MAX_FILES]]
    if len(approved.files) > _MAX_FILES:
        lines.append(f"  and {len(approved.files) - _MAX_FILES:,} more")
    return [Text(line) for line in lines]


def _funnel(plan: PlanSummary) -> Table:
    """How many are left after each step, and why the others are not."""
    table = titled_table(f"{plan.name}: who of {plan.n_scored:,} customers, scored {plan.as_of}, contacted {plan.on}")
    table.add_column("step")
    table.add_column("left out because")
    table.add_column("customers", justify="right")
    table.add_column("left", justify="right")
    table.add_column("")
    left = plan.n_scored
    table.add_row("scored", "", "", f"{left:,}", _bar(left, plan.n_scored), style="bold")
    for fate in plan.fates:
        if fate.n and fate.step != "drawn":
            left -= fate.n
            table.add_row(fate.step, fate.fate, f"{fate.n:,}", f"{left:,}", _bar(left, plan.n_scored))
    table.add_section()
    for fate in plan.fates:
        if fate.n and fate.step == "drawn":
            table.add_row("drawn", fate.fate, f"{fate.n:,}", "", _bar(fate.n, plan.n_scored), style="bold")
    return table


def _cells(plan: PlanSummary) -> Table:
    value = "net value" if plan.by_uplift else "at risk"
    table = titled_table("Draws: each is one campaign of the ledger, evaluated by its campaign_id")
    for header in ("campaign_id", "arm", "channel"):
        table.add_column(header)
    for header in ("customers", "share", f"cost, {plan.currency}", f"{value}, {plan.currency}", "by hand"):
        table.add_column(header, justify="right")
    for cell in plan.cells:
        for number, arm in enumerate(cell.arms):
            table.add_row(
                Text(cell.campaign_id if number == 0 else "", style="bold"),
                arm.arm,
                arm.channel or Text("held out", style="dim"),
                f"{arm.n:,}",
                f"{arm.n / cell.n:.1%}" if cell.n else "-",
                f"{arm.cost:,.2f}" if arm.channel else "-",
                f"{arm.value:,.0f}" if arm.value is not None else "-",
                f"{cell.n_by_hand:,}" if cell.n_by_hand and number == len(cell.arms) - 1 else "",
            )
        table.add_section()
    return table


def _prospects(plan: PlanSummary) -> Table:
    """Whether each draw is fair, and what its evaluation will be able to find."""
    table = titled_table("Are the arms alike, and which effects will an evaluation find in 80% of cases")
    table.add_column("campaign_id", style="bold")
    table.add_column("draw")
    for header in ("largest difference", "active customers", f"revenue per customer, {plan.currency}"):
        table.add_column(header, justify="right")
    words = {
        True: Text("holds", style="green"),
        False: Text("failed", style="bold red"),
        None: Text("too few", style="yellow"),
    }
    for cell in plan.cells:
        table.add_row(
            cell.campaign_id,
            words[cell.draw_holds],
            "-" if cell.largest_difference is None else f"{cell.largest_difference:.2f} SD",
            "-" if cell.detectable_conversion is None else f"{100 * cell.detectable_conversion:+.2f} points",
            "-" if cell.detectable_revenue is None else f"{cell.detectable_revenue:+,.2f}",
        )
    return table


def _sentences(plan: PlanSummary) -> Iterator[tuple[str, str]]:
    yield _basis(plan)
    yield _spent(plan), ""
    some = any(fate.n for fate in plan.fates if fate.fate == CHOSEN)
    if some and (plan.gap > 0 or plan.budget is not None or plan.capacity):
        gap = f"at most {plan.gap:.2%}" if plan.gap >= 0.0001 else "less than 0.01%"
        yield f"The choice is {gap} short of the best possible one under these limits.", ""
    if some and plan.floor_share:
        yield _floor(plan), ""
    for cell in plan.cells:
        if not cell.draw_holds:
            yield f"{cell.campaign_id}: {cell.draw}", "yellow" if cell.draw_holds is None else "bold red"


def _basis(plan: PlanSummary) -> tuple[str, str]:
    if not plan.by_uplift:
        return (
            "Ranked by margin at risk (p_churn x clv): no effect of a contact has been measured yet, so nobody knows whom "
            "one moves. What this campaign earns, its holdout will tell; what it teaches ranks the next one.",
            "yellow",
        )
    chosen = [cell for cell in plan.cells if not cell.is_exploration and cell.value is not None]
    if not chosen:
        return "Expected net value: none, as nobody is chosen.", "yellow"
    net = sum(cell.value or 0.0 for cell in chosen)
    halves = [_uncertainty(plan, cell) for cell in chosen]
    sentence = f"Expected net value of those chosen: {_money(net, plan.currency)}, if effects are what the model expects."
    if None not in halves:
        half = sum((each or 0.0) ** 2 for each in halves) ** 0.5
        sentence += f" Its evaluation will know it to within {_money(half, plan.currency)}: "
        sentence += "enough to tell it from 0." if net > half else "not enough to tell it from 0 for sure."
    return sentence, ""


def _uncertainty(plan: PlanSummary, cell: Cell) -> float | None:
    """Half of the interval that an evaluation will give the margin of a cell."""
    if cell.detectable_revenue is None or plan.margin_rate is None:
        return None
    return _INTERVAL * cell.detectable_revenue * plan.margin_rate * cell.n_treated


def _spent(plan: PlanSummary) -> str:
    budget = (
        f" of {_money(plan.budget, plan.currency)} ({plan.spent / plan.budget:.1%})" if plan.budget else ", no budget set"
    )
    channels = ", ".join(
        f"{channel} {n:,}" + (f" of {plan.capacity[channel]:,}" if channel in plan.capacity else "")
        for channel, n in plan.used.items()
    )
    return f"{plan.n_contacts:,} contacts for {_money(plan.spent, plan.currency)}{budget}: {channels}."


def _floor(plan: PlanSummary) -> str:
    who = "customers of low value or high growth potential"
    if plan.floor_cost is None:
        return f"Without a budget or a capacity nobody is crowded out: {plan.n_floor:,} {who} are chosen."
    kind = "net value" if plan.by_uplift else "margin at risk"
    cost = f"costs {_money(plan.floor_cost, plan.currency)} of {kind}" if plan.floor_cost else "costs nothing"
    return f"The floor of {_share(plan.floor_share)} for {who} {cost}; {plan.n_floor:,} of them are chosen."


def _bar(n: int, whole: int) -> Text:
    filled = round(_BAR * n / whole) if whole else 0
    return Text("█" * max(filled, 1 if n else 0), style="cyan")


def _share(share: float) -> str:
    return f"{100 * share:.4g}%"


def _money(value: float, currency: str) -> str:
    return f"{value:,.0f} {currency}" if abs(value) >= 100 else f"{value:,.2f} {currency}"
