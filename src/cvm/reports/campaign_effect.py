"""The tables of an evaluated campaign: what to check first, the verdict, then the figures it rests on."""

from __future__ import annotations

from math import isfinite

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.campaigns.effect_result import ArmEffect, CampaignEffect, Earned
from cvm.evaluation import Effect

_GATE_STYLES = {"ok": "green", "warning": "yellow", "serious": "bold red"}
_VERDICT_STYLES = {"works": "bold green", "does harm": "bold red"}
_SHARES = ("active", "active_after", "retention", "discount_share", "return_share")


def effect_tables(found: CampaignEffect, *, in_short: bool = False) -> list[RenderableType]:
    """Everything worth reading at a terminal.

    Parameters
    ----------
    found : CampaignEffect
    in_short : bool
        Only what must not be overlooked: checks that failed, and the verdicts.
    """
    gates = [gate for gate in found.gates if not (in_short and gate.severity == "ok")]
    checks = [Text(f"{gate.severity:8s} {gate.name}: {gate.message}", style=_GATE_STYLES[gate.severity]) for gate in gates]
    verdicts = [Text(verdict.sentence, style=_VERDICT_STYLES.get(verdict.word, "yellow")) for verdict in found.verdicts]
    if any(gate.severity == "serious" for gate in gates):
        verdicts.append(
            Text("A serious check failed: the figures are shown, but are no ground for a decision.", style="bold red")
        )
    if in_short:
        return [*checks, *verdicts]
    tables: list[RenderableType] = [_effects(found), _money(found)]
    if found.segments:
        tables.append(_segments(found))
    tables.append(_timeline(found))
    return [*checks, *verdicts, *tables, _footnote(found)]


def _effects(found: CampaignEffect) -> Table:
    table = _table(f"Effect per customer against control, {found.level:.0%} intervals")
    for header in ("arm", "metric"):
        table.add_column(header)
    for header in ("control", "difference", "adjusted", "relative", "p"):
        table.add_column(header, justify="right")
    before = None
    for effect in found.effects:
        if before not in (None, effect.arm):
            table.add_section()
        before = effect.arm
        adjusted = effect.adjusted
        table.add_row(
            effect.arm,
            effect.metric,
            _number(effect, effect.control_mean),
            _interval(effect, effect.plain),
            _interval(effect, adjusted) if adjusted else "-",
            f"{effect.relative.value:+.1%} ({_percent(effect.relative.lower)} to {_percent(effect.relative.upper)})"
            if isfinite(effect.relative.value)
            else "-",
            _p_value(effect.best),
            style="bold" if effect.metric == found.metric else "",
        )
    return table


def _money(found: CampaignEffect) -> Table:
    table = _table(f"What it earned in all, {found.currency}")
    table.add_column("arm")
    for header in ("treated", "orders", "revenue", "margin", "cost", "net", "ROI", "P(pays)"):
        table.add_column(header, justify="right")
    for arm in found.earned:
        table.add_row(
            arm.arm,
            f"{arm.n_treated:,}",
            _total(arm.incremental_orders),
            _total(arm.incremental_revenue),
            _total(arm.incremental_margin),
            f"{arm.cost:,.0f}",
            _total(arm.net),
            _return(arm),
            "-" if arm.p_pays is None else f"{arm.p_pays:.1%}",
        )
    return table


def _segments(found: CampaignEffect) -> Table:
    table = _table(f"{found.metric} per customer by segment")
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
    table = _table(f"Cumulative effect on {metric} per customer, by days since the assignment")
    arms = list(dict.fromkeys(point.arm for point in found.timeline))
    table.add_column("until day", justify="right")
    for arm in arms:
        table.add_column(arm, justify="right")
    for day in dict.fromkeys(point.until_day for point in found.timeline):
        points = {point.arm: point for point in found.timeline if point.until_day == day}
        table.add_row(f"{day:g}", *(_bounds(points[arm].effect) for arm in arms))
    return table


def _footnote(found: CampaignEffect) -> Text:
    window = f"{found.window_days:g} days from the assignment"
    return Text(
        f"Everybody counts in the arm that was drawn, reached or not; outcomes of {window}"
        f"{', partly cut where data end' if found.is_partial else ''}. Metrics ending in _after are of the window after it. "
        "Adjusted: by what was known before the campaign. A discount is in the margin, not in the cost.",
        style="dim",
    )


def _interval(metric: ArmEffect, effect: Effect) -> str:
    if not isfinite(effect.standard_error):
        return f"{_number(metric, effect.value, sign=True)} (not identified)"
    low, high = (_number(metric, bound, sign=True) for bound in (effect.lower, effect.upper))
    return f"{_number(metric, effect.value, sign=True)} ({low} to {high})"


def _number(metric: ArmEffect, value: float, *, sign: bool = False) -> str:
    form = "+" if sign else ""
    if metric.metric in _SHARES or metric.metric.startswith("did_"):
        return f"{value:{form}.2%}"
    return f"{value:{form}.4f}"


def _bounds(effect: Effect) -> str:
    if not isfinite(effect.standard_error):
        return "not identified" if effect.value else "0"
    return f"{effect.value:+.4f} ({effect.lower:+.4f} to {effect.upper:+.4f})"


def _total(effect: Effect) -> str:
    if not isfinite(effect.standard_error):
        return f"{effect.value:,.0f}"
    return f"{effect.value:,.0f} ({effect.lower:,.0f} to {effect.upper:,.0f})"


def _return(arm: Earned) -> str:
    if arm.roi is None:
        return "no cost known" if not arm.cost else "-"
    return f"{arm.roi.value:.0%} ({_percent(arm.roi.lower, sign='')} to {_percent(arm.roi.upper, sign='')})"


def _percent(value: float, *, sign: str = "+") -> str:
    return f"{value:{sign}.1%}" if isfinite(value) else "unbounded"


def _p_value(effect: Effect) -> str:
    if not isfinite(effect.p_value):
        return "-"
    return "< .0001" if effect.p_value < 0.0001 else f"{effect.p_value:.4f}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
