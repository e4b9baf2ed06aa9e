"""The tables of a run: quality of the data, segments, judgement, files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cvm.reports.tables import titled_table
from cvm.segments import VALUE_TIERS

if TYPE_CHECKING:
    import pandas as pd

    from cvm.datasets.catalogue import Dataset
    from cvm.ingest.assessment import Assessment
    from cvm.ingest.quality import Finding
    from cvm.models.bundle import Bundle


def segment_table(scores: pd.DataFrame, *, currency: str, goals: Mapping[str, str]) -> Table:
    """Size, value and risk of each segment, with its goal; the worthiest customers first.

    Parameters
    ----------
    scores : DataFrame of shape (n_customers, ...)
        ``segment``, ``clv``, ``p_churn``.
    currency : str
    goals : mapping of str to str
        Of each segment.
    """
    table = titled_table("Segments")
    table.add_column("segment", no_wrap=True)
    table.add_column("goal")
    for header in ("customers", "share", f"CLV,\n{currency}", "of all\nCLV", f"CLV each,\n{currency}", "mean\nchurn"):
        table.add_column(header, justify="right", no_wrap=True)
    total_clv = float(scores["clv"].sum())
    segments = dict(list(scores.groupby("segment")))
    for name in sorted(segments, key=lambda name: -segments[name]["clv"].mean()):
        cells = _segment_cells(segments[name], n=len(scores), total_clv=total_clv)
        table.add_row(str(name), goals.get(str(name), ""), *cells)
    table.add_section()
    table.add_row("all", "", *_segment_cells(scores, n=len(scores), total_clv=total_clv), style="bold")
    return table


def _segment_cells(rows: pd.DataFrame, *, n: int, total_clv: float) -> list[str]:
    clv, churn = float(rows["clv"].sum()), rows["p_churn"].mean()
    return [
        f"{len(rows):,}",
        f"{len(rows) / n:.1%}",
        f"{clv:,.0f}",
        f"{clv / total_clv:.1%}" if total_clv > 0 else "-",
        f"{clv / len(rows):,.2f}",
        "-" if isnan(churn) else f"{churn:.1%}",
    ]


_CHURN_HEADERS = {
    "auc": "AUC",
    "average_precision": "average\nprecision",
    "brier": "Brier",
    "calibration_error": "calibration\nerror",
    "lift_top_decile": "lift,\ntop 10 %",
}
_CHURN_LABELS = {
    "BTYD": "BTYD: P(no order)",
    "churn factor": "churn factor: recency / own mean gap",
    "recency rule": "recency rule: days since last order",
}
_VALUE_HEADERS = {
    "ratio": "ratio",
    "mae": "MAE",
    "rmse": "RMSE",
    "tweedie_deviance": "Tweedie\ndev.",
    "spearman": "Spear-\nman",
    "ngini": "nGini",
    "decmape": "decMAPE",
    "value_share_top_10": "top\n10 %",
    "value_share_top_20": "top\n20 %",
}


def judgement_tables(bundle: Bundle) -> list[RenderableType]:
    """Models against baselines on the test snapshot."""
    evidence = bundle.evidence
    judgement = evidence["judgement"]
    if judgement is None:
        return [Text("No model could be judged out of time; see the notes.", style="yellow")]
    where = f"test snapshot {evidence['test']}, {evidence['judged_days']} days"
    return [
        _metric_table(
            f"Churn, {where}",
            {_CHURN_LABELS.get(name, name): values for name, values in judgement["churn"].items()},
            _CHURN_HEADERS,
            criterion="brier",
            winner=_CHURN_LABELS.get(judgement["churn_winner"], judgement["churn_winner"]),
        ),
        _metric_table(
            f"CLV: revenue, {where} (errors over the actual mean; value in the top 10 and 20 %)",
            judgement["value"],
            _VALUE_HEADERS,
            criterion="tweedie_deviance",
            winner=judgement["value_winner"],
        ),
        Text(f"BTYD is {bundle.btyd.label}, fitted to the histories before the test snapshot.", style="dim"),
        contact_line(evidence.get("contact"), currency=bundle.currency),
        *_intervals_line(evidence.get("intervals")),
        *_drivers_line(evidence["churn_drivers"]),
    ]


def _intervals_line(found: Mapping[str, Any] | None) -> Iterable[Text]:
    """How well intervals made without the test snapshot held there."""
    if found:
        held = found["coverage_by_tier"]
        tiers = ", ".join(f"{tier} {held[tier]:.1%}" for tier in VALUE_TIERS if tier in held)
        yield Text(
            f"{found['level']:.0%} intervals of revenue held {found['coverage']:.1%} of customers ({tiers}).", style="dim"
        )


def contact_line(decision: Mapping[str, Any] | None, *, currency: str) -> Text:
    """What acting on the churn probabilities would have brought on the test snapshot, or how to be told.

    Parameters
    ----------
    decision : mapping or None
        ``contact`` of a bundle's evidence.
    currency : str
    """
    if decision is None:
        return Text(
            "From which churn probability on a contact pays: set retention.contact_cost in params.yaml.", style="dim"
        )
    terms, n = decision["terms"], decision["n_customers"]
    given = f"at {terms['cost']:,.2f} {currency} a contact that keeps {terms['save_rate']:.0%} of those about to leave"
    if decision["threshold"] is None:
        return Text(f"Retention: {given}, it pays for nobody, whatever the churn probability.", style="yellow")
    risk, own, everybody = (decision[name] for name in ("by_threshold", "by_customer", "everybody"))
    return Text(
        f"Retention: {given}, contact from a churn probability of {decision['threshold']:.1%} on: "
        f"{risk['profit']:,.0f} {currency} for {risk['n_contacted'] / n:.0%} of the test snapshot. "
        f"Where the own expected profit is above 0: {own['profit']:,.0f} for {own['n_contacted'] / n:.0%}; "
        f"everybody: {everybody['profit']:,.0f}; nobody: 0. Risk is not uplift: who is likely to leave is not yet who a "
        "contact keeps, so measure retention.save_rate against a holdout."
    )


def _drivers_line(drivers: Mapping[str, float]) -> Iterable[Text]:
    """What moves churn most, in shares of all contributions."""
    total = sum(drivers.values())
    if total > 0:
        largest = sorted(drivers.items(), key=lambda item: -item[1])[:5]
        shares = [f"{theme} {size / total:.0%}" for theme, size in largest if size >= 0.005 * total]
        yield Text(f"What drives churn: {', '.join(shares)}.", style="dim")


def _loss(value: float | None) -> float:
    return float("inf") if value is None else value


def _metric_table(
    title: str, metrics: Mapping[str, Mapping[str, Any]], headers: Mapping[str, str], *, criterion: str, winner: str
) -> Table:
    table = titled_table(title)
    table.add_column("model")
    for header in headers.values():
        table.add_column(header, justify="right", no_wrap=True)
    for name, values in sorted(metrics.items(), key=lambda item: _loss(item[1][criterion])):
        marked = f"{name} (champion)" if name == winner else name
        cells = ["-" if values[key] is None else f"{values[key]:.3f}" for key in headers]
        table.add_row(marked, *cells, style="bold" if name == winner else "")
    return table


_SEVERITY_STYLES = {"serious": "bold red", "warning": "yellow", "info": "dim"}


def quality_tables(assessment: Assessment, *, where: Path, with_info: bool) -> list[RenderableType]:
    """What the checks of the data found, without ids of customers, and what the data is enough for.

    Parameters
    ----------
    assessment : Assessment
    where : Path
        File that holds all findings with their examples.
    with_info : bool
        Show the findings that are no more than information, too.
    """
    shown = [finding for finding in assessment.findings if with_info or finding.severity != "info"]
    grave = sum(finding.severity != "info" for finding in assessment.findings)
    file = _short(where)
    summary = f"{_counted(len(assessment.findings), 'findings')}, {grave} of them to look at; all with examples in {file}"
    verdicts = [
        Text(verdict.sentence[0].upper() + verdict.sentence[1:], style="green" if verdict.is_enough else "yellow")
        for verdict in assessment.verdicts
    ]
    return [*([_findings_table(shown)] if shown else []), Text(summary, style="dim"), *verdicts]


def _findings_table(findings: Iterable[Finding]) -> Table:
    """Two columns, so that a narrow terminal has room for the sentences."""
    table = titled_table("Quality of the data")
    table.add_column("severity", no_wrap=True)
    table.add_column("what it is, and what to do")
    for finding in findings:
        counted = f"{_counted(finding.n, finding.unit)} ({_percentage(finding.share)}), {finding.action}"
        table.add_row(
            Text(finding.severity, style=_SEVERITY_STYLES[finding.severity]),
            Text.assemble((f"{finding.table}: {finding.check}", "bold"), f": {counted}\n{finding.meaning} {finding.advice}"),
        )
    return table


def _counted(n: int, plural: str) -> str:
    return f"{n:,} {plural.removesuffix('s') if n == 1 else plural}"


def _percentage(share: float) -> str:
    return "< 0.01%" if 0 < share < 0.0001 else f"{share:.2%}"


def files_table(files: Mapping[str, Path]) -> Table:
    """Where to find what was written, relative to the current folder where that is shorter."""
    table = titled_table("Files")
    table.add_column("what")
    table.add_column("where", overflow="fold")
    for what, path in files.items():
        table.add_row(what, _short(path))
    return table


def closing(scores: pd.DataFrame | None, bundle: Bundle, files: Mapping[str, Path]) -> Group:
    """All closing tables; without the scores, those of the model and the files."""
    of_scores: list[RenderableType] = []
    if scores is not None:
        of_scores.append(segment_table(scores, currency=bundle.currency, goals=bundle.segmentation.rules.goals))
        of_scores += total_line(scores, bundle)
    return Group(
        *of_scores,
        *judgement_tables(bundle),
        files_table(files),
        Text.assemble("Next: open ", (_short(files["report"]), "bold"), " in a browser."),
    )


def total_line(scores: pd.DataFrame, bundle: Bundle) -> list[Text]:
    """What all customers are worth and will spend, with the intervals learned from past windows.

    Parameters
    ----------
    scores : DataFrame of shape (n_customers, ...)
        ``clv``, ``expected_orders``, ``expected_order_value``.
    bundle : Bundle
        Says nothing where it was made before intervals of totals were.
    """
    found = bundle.evidence.get("portfolio")
    if not found:
        return []
    revenue = float((scores["expected_orders"] * scores["expected_order_value"]).sum())

    def interval(total: float, bounds: Mapping[str, float]) -> str:
        low, middle, high = (_amount(total * factor) for factor in (bounds["lower"], 1.0, bounds["upper"]))
        return f"{middle} {bundle.currency} ({low} to {high})"

    clv = interval(float(scores["clv"].sum()), found["clv"])
    return [
        Text(
            f"CLV of all customers {clv}; revenue of the next {bundle.horizon_days} days "
            f"{interval(revenue, found['revenue'])}: {found['level']:.0%} intervals"
        )
    ]


def _amount(value: float) -> str:
    """Three digits and the thousands: 1.23 M."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def datasets_table(datasets: Iterable[Dataset], is_available: Callable[[Dataset], bool]) -> Table:
    """The named data sets, and where the missing ones are published."""
    table = titled_table("Data sets")
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    table.add_column("files")
    for dataset in datasets:
        table.add_row(dataset.name, dataset.meaning, "at hand" if is_available(dataset) else dataset.published)
    return table


def ceiling_table(rows: Iterable[tuple[str, str]]) -> Table:
    """What the best predictor reaches on a simulated base."""
    table = titled_table("Ceiling: what a predictor reaches that knows everything but the customers' own parameters")
    table.add_column("what", no_wrap=True)
    table.add_column("how much", justify="right")
    for what, how_much in rows:
        table.add_row(what, how_much)
    return table


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
