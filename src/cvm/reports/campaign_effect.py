"""The tables of an evaluated campaign: what to check first, the verdict, then the figures it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.campaigns.effect_result import ArmEffect, Bootstrap, CampaignEffect, Earned, Total
from cvm.evaluation import Effect, Interval
from cvm.reports.tables import titled_table

_GATE_STYLES = {"ok": "green", "warning": "yellow", "serious": "bold red"}
_GUARD_STYLES = {"harmed": "bold red", "no harm seen": "green"}
_VERDICT_STYLES = {"works": "bold green", "does harm": "bold red"}
_SEQUENTIAL = (
    " At any look: holds however often you look while outcomes come in ({:.0%} of the outcome days are over); intervals "
    "of guardrails, money, segments and time hold for one look."
)
_SHARES = ("active", "active_after", "retention", "discount_share", "return_share")


def effect_tables(found: CampaignEffect, *, in_short: bool = False) -> list[RenderableType]:
    """Everything worth reading at a terminal.

    Parameters
    ----------
    found : CampaignEffect
    in_short : bool
        Only what must not be overlooked: checks that failed, and the verdicts.
    """
    lines = [*check_lines(found, in_short=in_short), *verdict_lines(found)]
    if in_short:
        return [*lines]
    tables: list[RenderableType] = [_effects(found)]
    if found.guardrails:
        tables.append(_guardrails(found))
    tables.append(money_table([(arm.arm, arm) for arm in found.earned], found.total, currency=found.currency))
    if found.segments:
        tables.append(_segments(found))
    tables.append(_timeline(found))
    return [*lines, *tables, _footnote(found)]


def check_lines(found: CampaignEffect, *, in_short: bool = False) -> list[Text]:
    """What must be right before any figure is believed; in short only what is not."""
    gates = [gate for gate in found.gates if not (in_short and gate.severity == "ok")]
    return [Text(f"{gate.severity:8s} {gate.name}: {gate.message}", style=_GATE_STYLES[gate.severity]) for gate in gates]


def verdict_lines(found: CampaignEffect) -> list[Text]:
    """The verdict of each arm, and whether to believe it."""
    lines = [Text(verdict.sentence, style=_VERDICT_STYLES.get(verdict.word, "yellow")) for verdict in found.verdicts]
    if any(gate.severity == "serious" for gate in found.gates):
        lines.append(
            Text("A serious check failed: the figures are shown, but are no ground for a decision.", style="bold red")
        )
    return lines


def money_table(rows: Sequence[tuple[str, Earned]], total: Total | None, *, currency: str) -> Table:
    """What arms earned, each under a label, and all of them together."""
    table = titled_table(f"What it earned in all, {currency}; intervals by resampling customers")
    table.add_column("arm")
    for header in ("treated", "revenue", "margin", "cost", "net", "ROI", "ROI on revenue", "P(ROI > 0)"):
        table.add_column(header, justify="right")
    for label, arm in rows:
        of_arm = (arm.incremental_revenue, arm.incremental_margin, arm.net, arm.roi, arm.roi_revenue)
        values = [effect.value if effect else None for effect in of_arm]
        table.add_row(label, *_money_cells(arm.n_treated, arm.cost, values, arm.bootstrap or arm, arm.p_pays))
    if total and len(rows) > 1:
        values = [total.incremental_revenue, total.incremental_margin, total.net, total.roi, total.roi_revenue]
        p_pays = total.bootstrap.p_pays if total.bootstrap else None
        cells = _money_cells(total.n_treated, total.cost, values, total.bootstrap, p_pays)
        table.add_section()
        table.add_row("all together", *cells, style="bold")
    return table


def _money_cells(
    n_treated: int, cost: float, values: list[float | None], by: Bootstrap | Earned | None, p_pays: float | None
) -> list[str]:
    """``values`` are revenue, margin, net, ROI and ROI on revenue; ``by`` holds the bounds of each."""
    bounds = (by.incremental_revenue, by.incremental_margin, by.net, by.roi, by.roi_revenue) if by else (None,) * 5
    revenue, margin, net = (_total(value, limits) for value, limits in zip(values[:3], bounds[:3], strict=True))
    returns = [_return(value, limits, cost) for value, limits in zip(values[3:], bounds[3:], strict=True)]
    sure = "-" if p_pays is None else ">99.9%" if p_pays > 0.999 else "<0.1%" if p_pays < 0.001 else f"{p_pays:.1%}"
    return [f"{n_treated:,}", revenue, margin, f"{cost:,.0f}", net, *returns, sure]


def _effects(found: CampaignEffect) -> Table:
    table = titled_table(f"Effect per customer against control, {found.level:.0%} intervals")
    table.add_column("metric")
    always = any(effect.always_valid for effect in found.effects)
    # What is looked at more than once rests on one of the two, and four intervals are too wide for a terminal.
    how = ["effect", "relative", "at any look"] if always else ["difference", "adjusted", "relative"]
    for header in ("control", *how, "p"):
        table.add_column(header, justify="right", overflow="fold")
    before = None
    for effect in found.effects:
        if effect.arm != before:
            table.add_section()
            table.add_row(Text(effect.arm, style="bold cyan"))
        before = effect.arm
        change = effect.relative
        relative = "-"
        if isfinite(change.value):
            relative = f"{change.value:+.1%} {_between(_percent(change.lower), _percent(change.upper))}"
        intervals = [_interval(effect, effect.plain), _interval(effect, effect.adjusted), relative]
        if always:
            intervals = [_interval(effect, effect.best), relative, _interval(effect, effect.always_valid)]
        table.add_row(
            effect.metric,
            _number(effect, effect.control_mean),
            *intervals,
            _p_value(effect.always_valid or effect.best),
            style="bold" if effect.metric == found.metric else "",
        )
    return table


def _guardrails(found: CampaignEffect) -> Table:
    table = titled_table("What it may have harmed: more than in control?")
    for header in ("arm", "guardrail"):
        table.add_column(header)
    for header in ("control", "difference", ""):
        table.add_column(header, justify="right")
    for guard in found.guardrails:
        table.add_row(
            guard.arm,
            guard.metric.removeprefix("did_").replace("_", " "),
            f"{guard.control:.2%}",
            f"{guard.effect.value:+.2%} ({guard.effect.lower:+.2%} to {guard.effect.upper:+.2%})"
            if isfinite(guard.effect.standard_error)
            else f"{guard.effect.value:+.2%}",
            Text(guard.word, style=_GUARD_STYLES.get(guard.word, "")),
        )
    return table


def _segments(found: CampaignEffect) -> Table:
    of_scores = f" (scores of {found.scores_as_of})" if found.scores_as_of else ""
    table = titled_table(f"{found.metric} per customer by {found.segment_by}{of_scores}")
    for header in ("segment", "arm"):
        table.add_column(header)
    for header in ("treated", "control", "effect", "p", "false discovery rate"):
        table.add_column(header, justify="right")
    for row in found.segments:
        table.add_row(
            row.segment,
            row.arm,
            f"{row.n_treated:,}",
            f"{row.n_control:,}",
            _bounds(row.effect) if row.effect else "not identified",
            _p_value(row.effect) if row.effect else "-",
            "-" if row.false_discovery_rate is None else f"{row.false_discovery_rate:.3f}",
        )
    return table


def _timeline(found: CampaignEffect) -> Table:
    metric = found.timeline[0].metric if found.timeline else found.metric
    table = titled_table(f"Cumulative effect on {metric} per customer, by days since the assignment")
    arms = list(dict.fromkeys(point.arm for point in found.timeline))
    table.add_column("until day", justify="right")
    for arm in arms:
        table.add_column(arm, justify="right")
    for day in dict.fromkeys(point.until_day for point in found.timeline):
        points = {point.arm: point for point in found.timeline if point.until_day == day}
        table.add_row(_day(day), *(_bounds(points[arm].effect) for arm in arms))
    return table


def _footnote(found: CampaignEffect) -> Text:
    window = f"{_day(found.window_days)} days from the assignment"
    return Text(
        f"Everybody counts in the arm that was drawn, reached or not; outcomes of {window}"
        f"{', partly cut where data end' if found.is_partial else ''}. Metrics ending in _after are of the window after it. "
        f"Adjusted: by what was known before the campaign. Incentives: {found.incentives}. P(ROI > 0): share of resampled "
        "campaigns that earned their cost; it says how sure the data are, not how large the gain is."
        + (_SEQUENTIAL.format(found.information) if any(effect.always_valid for effect in found.effects) else ""),
        style="dim",
    )


def _interval(metric: ArmEffect, effect: Effect | None) -> str:
    if effect is None:
        return "-"
    if not isfinite(effect.standard_error):
        return f"{_number(metric, effect.value, sign=True)} (not identified)"
    figures = (effect.value, effect.lower, effect.upper)
    value, low, high = (_number(metric, each, sign=True, decimals=_decimals(figures)) for each in figures)
    return f"{value} {_between(low, high)}"


def _number(metric: ArmEffect, value: float, *, sign: bool = False, decimals: int | None = None) -> str:
    form = "+" if sign else ""
    if metric.metric in _SHARES or metric.metric.startswith("did_"):
        return f"{value:{form}.2%}"
    return f"{value:{form},.{_decimals([value]) if decimals is None else decimals}f}"


def _day(days: float) -> str:
    return f"{round(days, 1):g}"


def _between(lower: str, upper: str) -> str:
    """An interval without a blank, so that a narrow terminal breaks the line before it and never within."""
    return f"({lower}…{upper})"


def _decimals(values: Iterable[float]) -> int:
    """Two of what is worth several coins, more of what is worth less."""
    largest = max(map(abs, values))
    return 2 if largest >= 1 else 3 if largest >= 0.1 else 4


def _bounds(effect: Effect) -> str:
    if not isfinite(effect.standard_error):
        return "not identified" if effect.value else "0"
    figures = (effect.value, effect.lower, effect.upper)
    value, lower, upper = (f"{each:+,.{_decimals(figures)}f}" for each in figures)
    return f"{value} ({lower} to {upper})"


def _total(value: float | None, bounds: Interval | Effect | None) -> str:
    if bounds is None or not (isfinite(bounds.lower) and isfinite(bounds.upper)):
        return f"{value:,.0f}"
    return f"{value:,.0f}\n({bounds.lower:,.0f}…{bounds.upper:,.0f})"  # below each other: eight columns fit a terminal


def _return(value: float | None, bounds: Interval | Effect | None, cost: float) -> str:
    if value is None or bounds is None:
        return "no cost known" if not cost else "-"
    lower, upper = (f"{bound:.0%}" if isfinite(bound) else "unbounded" for bound in (bounds.lower, bounds.upper))
    return f"{value:.0%}\n({lower}…{upper})"


def _percent(value: float) -> str:
    return f"{value:+.1%}" if isfinite(value) else "unbounded"


def _p_value(effect: Effect) -> str:
    if not isfinite(effect.p_value):
        return "-"
    return "< .0001" if effect.p_value < 0.0001 else f"{effect.p_value:.4f}"
