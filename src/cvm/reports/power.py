"""Size of a campaign: tables, plain words and the power curve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cvm.campaigns.power_groups import GroupPower
from cvm.campaigns.power_plan import PowerPlan, ShareOption
from cvm.errors import WorkspaceError
from cvm.reports.canvas import INK, canvas, label_lines, styled
from cvm.reports.tables import titled_table
from cvm.workspace import replaced_file

FIGURE_ENDINGS = (".png", ".svg", ".pdf")


def power_tables(plan: PowerPlan, *, currency: str) -> list[RenderableType]:
    """Everything that is printed of a plan, but for its notes."""
    return [*(Text(sentence) for sentence in power_sentences(plan, currency=currency)), _options(plan, currency=currency)]


def power_sentences(plan: PowerPlan, *, currency: str) -> list[str]:
    """The plan in plain words."""
    return [_rests_on(plan, currency), *_of_size(plan, currency), *_of_effect(plan, currency), *_adjusted(plan)]


def group_table(plan: PowerPlan, groups: Sequence[GroupPower], *, segment_by: str | None, currency: str) -> RenderableType:
    """What is found in each segment, or in each arm.

    Parameters
    ----------
    plan : PowerPlan
        Of the campaign as a whole.
    groups : sequence of GroupPower
    segment_by : str or None
        The column that tells segments; none: these are arms.
    currency : str
    """
    held_out = _share(plan.design.control_share)
    title = (
        f"Each {segment_by} by itself, {held_out} held out" if segment_by else f"Each treatment against {held_out} held out"
    )
    table = titled_table(title)
    table.add_column(segment_by or "arm")
    for header in ("customers", f"{plan.baseline.outcome} each", "effect found", "relative"):
        table.add_column(header, justify="right")
    if plan.effect is not None:
        table.add_column("power", justify="right")
    for group in groups:
        table.add_row(group.name, f"{group.n_customers:,}", *_group_cells(plan, group, currency))
    if segment_by is None:
        return table
    caution = (
        f"Customers are in the {segment_by} of today in all past windows: where it was made from the same orders, the best "
        "look better here than they will be."
    )
    return Group(table, Text(caution, style="dim"))


def _group_cells(plan: PowerPlan, group: GroupPower, currency: str) -> list[str]:
    if group.baseline is None or group.gap:
        return ["-", group.gap]
    mean = _amount(plan, group.baseline.mean, currency)
    cells = [mean, "none possible", "-"]
    if group.detectable is not None:
        relative = f"{group.detectable / group.baseline.mean:.1%}"
        cells = [mean, _amount(plan, group.detectable, currency, sign="+"), relative]
    return [*cells, "-" if group.power is None else f"{group.power:.0%}"] if plan.effect is not None else cells


def power_figure(plan: PowerPlan) -> Figure:
    """Power against the relative effect, one line per share held out."""
    figure, axes = canvas(f"Which effect on {plan.baseline.outcome} will be found?")
    curves = {_name(option): plan.curve(option.control_share) for option in plan.options}
    ends = []
    for name, colour, width in styled({name: power for name, (_, power) in curves.items()}, _name(plan.chosen)):
        effects, power = curves[name]
        axes.plot(effects, power, color=colour, linewidth=width)
        ends += [(float(power[-1]), name, colour)] if len(power) else []
    axes.axhline(plan.design.power, color=INK, linewidth=1, linestyle=":")
    axes.set(xlabel="true effect, relative to the mean without it", ylabel="chance to find it", ylim=(0, 1.02))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}" if axes.get_xlim()[1] > 0.2 else f"{value:.1%}")
    axes.set_xlim(left=0)
    label_lines(axes, ends)
    return figure


def check_figure_name(path: Path) -> None:
    """Refuse a file whose format is unknown before any work is done.

    Raises
    ------
    WorkspaceError
        If the name ends otherwise than in ``FIGURE_ENDINGS``.
    """
    if path.suffix.lower() not in FIGURE_ENDINGS:
        raise WorkspaceError(f"The figure {path} must end in one of {', '.join(FIGURE_ENDINGS)}, which says its format.")


def write_power_figure(plan: PowerPlan, path: Path) -> None:
    """Write the curve to a file, whose ending says the format."""
    with replaced_file(path) as temporary:
        power_figure(plan).savefig(temporary, format=path.suffix.lower().removeprefix("."), dpi=150)


def _name(option: ShareOption) -> str:
    return f"{_share(option.control_share)} held out"


def _rests_on(plan: PowerPlan, currency: str) -> str:
    mean, history = _amount(plan, plan.baseline.mean, currency), plan.history
    if history is None:
        return f"Without the campaign: {plan.baseline.outcome} of {mean} per customer, as given."
    spread = f"{_amount(plan, min(history.means), currency)} to {_amount(plan, max(history.means), currency)}"
    n = len(history.means)
    windows = f"the last {n} windows of {history.days} days ({spread})" if n > 1 else f"the last {history.days} days"
    zeros = f", {1 - plan.baseline.active_share:.1%} of them without any" if plan.baseline.outcome != "conversion" else ""
    return f"Without the campaign: {plan.baseline.outcome} of {mean} per active customer{zeros}, from {windows}."


def _of_size(plan: PowerPlan, currency: str) -> list[str]:
    chosen, design = plan.chosen, plan.design
    who = (
        f"{plan.n_customers:,} customers, {chosen.n_control:,} of them held out ({_share(design.control_share)})"
        f"{f', {design.n_treatments} treatments' if design.n_treatments > 1 else ''}"
    )
    if chosen.detectable is None:
        return [f"{who}: too few to find any possible effect in {design.power:.0%} of campaigns."]
    found = _effect(plan, chosen.detectable, currency)
    sentences = [f"{who}: an effect from {found} on is found in {design.power:.0%} of campaigns."]
    if plan.effect is None and chosen.cost is not None:
        cost = _money(chosen.cost, currency)
        sentences.append(f"Holding them out costs {cost} of margin if an effect of that size is real.")
    return sentences


def _of_effect(plan: PowerPlan, currency: str) -> list[str]:
    if plan.effect is None or plan.required is None or plan.chosen.power is None:
        return []
    size, design = _effect(plan, plan.effect, currency), plan.design
    sentences = [
        f"An effect of {size} is found in {plan.chosen.power:.0%} of such campaigns; {design.power:.0%} need "
        f"{plan.required:,} customers, {_share(design.control_share)} of them held out."
    ]
    if plan.smallest_share is None:
        sentences.append(f"No share of {plan.n_customers:,} customers is enough for that: more customers or more days are.")
    else:
        sentences.append(
            f"The smallest holdout of {plan.n_customers:,} customers that does is {_share(plan.smallest_share)}."
        )
    if plan.chosen.cost is not None:
        sentences.append(
            f"Holding out {plan.chosen.n_control:,} customers costs {_money(plan.chosen.cost, currency)} of margin "
            "if that effect is real, and nothing if there is none."
        )
    return sentences


def _adjusted(plan: PowerPlan) -> list[str]:
    explained = plan.history.explained_share if plan.history else 0.0
    if explained < 0.01:
        return []
    return [
        f"What a customer did before explains {explained:.0%} of the spread: adjusted for it (CUPED), an evaluation does "
        f"with {explained:.0%} fewer customers than said here."
    ]


def _options(plan: PowerPlan, *, currency: str) -> Table:
    what = "that effect" if plan.effect is not None else "the effect found"
    table = titled_table(
        f"{plan.n_customers:,} customers, {plan.design.power:.0%} power, {plan.design.alpha:.0%} false alarms"
    )
    headers = ["held out", "customers", "effect found", "relative"]
    headers += [f"power for {_amount(plan, plan.effect, currency, sign='+')}"] if plan.effect is not None else []
    headers += [f"cost if {what} is real, {currency}"] if plan.history else []
    for header in headers:
        table.add_column(header, justify="right")
    for option in plan.options:
        found = option.detectable
        cells = [f"{_share(option.control_share)}", f"{option.n_control:,}"]
        cells += (
            ["-", "-"] if found is None else [_amount(plan, found, currency, sign="+"), f"{found / plan.baseline.mean:.1%}"]
        )
        cells += ["-" if option.power is None else f"{option.power:.0%}"] if plan.effect is not None else []
        cells += ["-" if option.cost is None else f"{option.cost:,.0f}"] if plan.history else []
        table.add_row(*cells, style="bold" if option == plan.chosen else "")
    return table


def _effect(plan: PowerPlan, effect: float, currency: str) -> str:
    return f"{_amount(plan, effect, currency, sign='+')} per customer ({effect / plan.baseline.mean:+.1%})"


def _amount(plan: PowerPlan, value: float, currency: str, *, sign: str = "") -> str:
    if plan.baseline.outcome == "conversion":
        return f"{100 * value:{sign}.2f} points" if sign else f"{value:.2%}"
    if plan.baseline.outcome == "orders":
        return f"{value:{sign}.3f} orders"
    return f"{value:{sign},.2f} {currency}"


def _share(share: float) -> str:
    return f"{100 * share:.3g}%"


def _money(value: float, currency: str) -> str:
    return f"{value:,.0f} {currency}"
