"""Outcomes as Markdown."""

from __future__ import annotations

from contest.run import Outcome
from contest.summary import METRICS, Duel

_COLUMNS = ("ratio", "ngini", "decmape", "rmse", "deviance", "mae", "auc_active", "auc", "calibration", "lift")


def case_table(outcome: Outcome) -> str:
    """All competitors on one case."""
    lines = [
        f"### {outcome.case}",
        "",
        f"{outcome.n_customers:,} customers, {outcome.active:.1%} order in the window; "
        f"{outcome.n_training} training snapshots. "
        f"Noise floor: decMAPE {outcome.floors['decmape']:.3f}, calibration {outcome.floors['calibration']:.3f}."
        + (f" **Season break**: {outcome.season_break}." if outcome.season_break else ""),
        "",
        f"| competitor | {' | '.join(_COLUMNS)} | note |",
        f"|---|{'---|' * (len(_COLUMNS) + 1)}",
    ]
    for name, found in outcome.measured.items():
        figures = (f"{found.metrics[column]:.3f}" if column in found.metrics else "" for column in _COLUMNS)
        lines.append(f"| {name} | {' | '.join(figures)} | {found.note} |")
    lines += [f"\nMissing: {name}, because {reason}." for name, reason in outcome.missing.items()]
    return "\n".join(lines)


def duel_table(found: list[Duel]) -> str:
    """Ours and theirs, means over the same cases."""
    lines = [f"| competitor | cases | {' | '.join(METRICS)} |", f"|---|---|{'---|' * len(METRICS)}"]
    for duel in found:
        figures = (f"{duel.ours[m]:.3f} : {duel.theirs[m]:.3f}" if m in duel.theirs else "" for m in METRICS)
        lines.append(f"| {duel.name} | {duel.n_cases} | {' | '.join(figures)} |")
    return "\n".join(lines)
