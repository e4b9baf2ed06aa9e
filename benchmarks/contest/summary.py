"""Means over cases, and ours against each competitor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from contest.measure import Difference
from contest.ours import OURS
from contest.run import Outcome

METRICS = ("ngini", "decmape", "rmse", "deviance", "auc", "calibration")


@dataclass(frozen=True)
class Duel:
    """Ours against one competitor, over the cases both took part in.

    Attributes
    ----------
    n_cases : int
    ours, theirs : dict of str to float
        Mean of each metric that the competitor has.
    differences : dict of str to list of Difference
        Ours minus theirs, case by case.
    """

    name: str
    n_cases: int
    ours: dict[str, float]
    theirs: dict[str, float]
    differences: dict[str, list[Difference]]

    def gap(self, metric: str) -> float:
        """Ours minus theirs."""
        return self.ours[metric] - self.theirs[metric]

    def interval(self, metric: str) -> tuple[float, float]:
        """90 % interval of the mean difference, with cases taken as independent."""
        held = self.differences[metric]
        half = 1.645 * float(np.sqrt(sum(one.spread**2 for one in held))) / len(held)
        return self.gap(metric) - half, self.gap(metric) + half


def duels(outcomes: Sequence[Outcome], names: Iterable[str]) -> list[Duel]:
    """One for each competitor named, over the cases it took part in."""
    return [_duel(name, [outcome for outcome in outcomes if name in outcome.measured]) for name in names]


def competitor_names(outcomes: Sequence[Outcome]) -> list[str]:
    """Everybody but the main model, in order of appearance."""
    return list(dict.fromkeys(name for outcome in outcomes for name in outcome.measured if name != OURS))


def peer_names(outcomes: Sequence[Outcome]) -> list[str]:
    """Competitors that are not the product's own."""
    return [name for name in competitor_names(outcomes) if not name.startswith(OURS)]


def mean(values: Iterable[float]) -> float:
    """NaN without values."""
    held = list(values)
    return float(np.mean(held)) if held else float("nan")


def _duel(name: str, outcomes: list[Outcome]) -> Duel:
    known = [metric for metric in METRICS if all(metric in outcome.measured[name].metrics for outcome in outcomes)]
    ours, theirs = (
        {metric: mean(outcome.measured[who].metrics[metric] for outcome in outcomes) for metric in known}
        for who in (OURS, name)
    )
    differences = {metric: [outcome.measured[name].differences[metric] for outcome in outcomes] for metric in known}
    return Duel(name, len(outcomes), ours, theirs, differences)
