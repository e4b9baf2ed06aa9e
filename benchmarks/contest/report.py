"""Outcomes as Markdown: the verdict first, then means, intervals and every case."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version

import cvm
from contest.bases import BASES
from contest.measure import Difference, Measured
from contest.run import Outcome
from contest.scored import TIERS
from contest.summary import METRICS, Duel, competitor_names, duels
from contest.verdict import Line, verdict

_COLUMNS = ("ratio", "ngini", "decmape", "rmse", "deviance", "mae", "auc_active", "auc", "calibration", "lift")
_COMPARED = ("ngini", "decmape", "rmse", "deviance", "auc")
_PACKAGES = ("lightgbm", "lifetimes", "pymc-marketing", "numpy", "pandas", "scipy")

_NOTES = """## What is compared

Every competitor sees the same customers (all with an order before the snapshot) and the same history. Snapshots,
windows and which of them judge are fixed in `benchmarks/contest/bases.py`; settings were chosen on the earlier `dev`
snapshots there.

- **cvm**: the most elaborate candidate that `judge` fits, without a look at which candidate the test favours. `cvm:
  NAME` are all candidates; `cvm: as scored` is the whole loop told that today is the snapshot, with whatever it
  promoted on earlier windows.
- **lifetimes**: daily summary of purchases, a fit, and where that does not converge or leaves customers without a
  number the penalties .001, .01, .1 its documentation advises; who still has no number gets the naive rate. Times
  Gamma-Gamma.
- **LightGBM**: the features of the product, rounds by folds of customers, from the latest training snapshot or all
  four; `hurdle` is P(order) times revenue given an order, and its first half is the plain churn model. `+ BTYD`: with
  the product's BTYD quantities as features.
- **pymc-marketing**: the mode of the posterior, same summary. **naive rate**, **recency rule**, **churn factor**:
  rules of the field.

Revenue is what customers spent in the window, net of its returns. RMSE and MAE are over the actual mean, the Tweedie
deviance (power 1.5) is of money over its mean. decMAPE: mean gap between prediction and outcome of ten equal groups,
over the overall mean. `auc_active`: how well predicted revenue tells who orders. Intervals of differences: paired
bootstrap over customers, 90 %.

**Noise floor**: what decMAPE and the calibration error would be if the mean of each group of ten were foretold
exactly; no difference below it means anything.

**Season break**, a rule on the calendar alone: less than a year and a horizon of history, and the share of October to
December in the window is more than a third away from that in the history.
"""


def report(outcomes: Sequence[Outcome], *, how: str) -> str:
    """The whole page.

    Parameters
    ----------
    outcomes : sequence of Outcome
    how : str
        The command that made it, and what else to know of the run.
    """
    real = [outcome for outcome in outcomes if BASES[outcome.base].kind == "real"]
    steady = [outcome for outcome in real if not outcome.season_break]
    parts = [
        "# Accuracy: churn and value out of time, against peers",
        f"Measured by {how}: {_facts()}. {len(outcomes)} cases.",
        "## What has to be shown",
        _verdict_table(verdict(outcomes)),
        *_means("the real cases", real),
        *_means("the real cases without season break", steady),
        *_means("all cases", outcomes),
        *_interval_section(outcomes),
        *_missing_section(outcomes),
        _NOTES.strip(),
        "## Cases",
        *(case_table(outcome) for outcome in outcomes),
    ]
    return "\n\n".join(parts) + "\n"


def duel_table(found: Iterable[Duel]) -> str:
    """Ours and theirs, means over the same cases."""
    rows = (
        [
            duel.name,
            str(duel.n_cases),
            *(f"{duel.ours[m]:.3f} : {duel.theirs[m]:.3f}" if m in duel.theirs else "" for m in METRICS),
        ]
        for duel in found
    )
    return _table(["competitor", "cases", *METRICS], rows)


def case_table(outcome: Outcome) -> str:
    """All competitors on one case."""
    facts = (
        f"{outcome.n_customers:,} customers, {outcome.active:.1%} order in the window; {outcome.n_training} training "
        f"snapshots. Noise floor: decMAPE {outcome.floors['decmape']:.3f}, calibration {outcome.floors['calibration']:.3f}."
    )
    if outcome.season_break:
        facts += f" **Season break**: {outcome.season_break}."
    figures = _table(
        ["competitor", *_COLUMNS, "note"],
        ([name, *(_figure(found, column) for column in _COLUMNS), found.note] for name, found in outcome.measured.items()),
    )
    gaps = _table(
        ["cvm minus", *_COMPARED],
        (
            [name, *(_gap(found.differences.get(column)) for column in _COMPARED)]
            for name, found in outcome.measured.items()
            if found.differences and not name.startswith("cvm")
        ),
    )
    return "\n\n".join([f"### {outcome.case}", facts, figures, gaps])


def _means(name: str, outcomes: Sequence[Outcome]) -> list[str]:
    if not outcomes:
        return []
    title = f"## Ours : theirs, means over {name} ({len(outcomes)})"
    return [title, duel_table(duels(outcomes, competitor_names(outcomes)))]


def _interval_section(outcomes: Sequence[Outcome]) -> list[str]:
    rows = [
        [
            outcome.case + (" (season break)" if outcome.season_break else ""),
            f"{found.coverage:.1%}",
            *(f"{found.by_tier[tier]:.1%}" if tier in found.by_tier else "" for tier in TIERS),
            f"{found.score:.2f}",
            f"{found.global_score:.2f}",
        ]
        for outcome in outcomes
        if (found := outcome.intervals)
    ]
    if not rows:
        return []
    what = (
        "Of the scores, with `clv_days = horizon_days`. Interval score over mean revenue, lower is better; the global band "
        "has one width for everybody and is given the quantiles of this very window, which nobody knows beforehand."
    )
    return ["## 90 % intervals", what, _table(["case", "coverage", *TIERS, "interval score", "global band"], rows)]


def _missing_section(outcomes: Sequence[Outcome]) -> list[str]:
    cases: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        for absent in outcome.missing.items():
            cases.setdefault(absent, []).append(outcome.case)
    rows = ([name, "all" if len(held) == len(outcomes) else ", ".join(held), why] for (name, why), held in cases.items())
    return ["## Missing", _table(["competitor", "cases", "reason"], rows)] if cases else []


def _verdict_table(lines: Sequence[Line]) -> str:
    words = {True: "yes", False: "**no**", None: "not measured"}
    return _table(["required", "measured", "met"], ([line.required, line.measured, words[line.met]] for line in lines))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _figure(found: Measured, column: str) -> str:
    return f"{found.metrics[column]:.3f}" if column in found.metrics else ""


def _gap(difference: Difference | None) -> str:
    return f"{difference.gap:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]" if difference else ""


def _facts() -> str:
    packages = ", ".join(map(_version, _PACKAGES))
    return f"cvm {cvm.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores, {packages}"


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} not installed"
