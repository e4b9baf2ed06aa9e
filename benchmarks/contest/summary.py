"""Means over cases, and ours against each competitor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

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
        Mean of each metric.
    """

    name: str
    n_cases: int
    ours: dict[str, float]
    theirs: dict[str, float]


def duels(outcomes: Sequence[Outcome]) -> list[Duel]:
    """One for each competitor that took part in any of these cases, in their order."""
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.measured if name != OURS)
    return [_duel(name, [outcome for outcome in outcomes if name in outcome.measured]) for name in names]


def mean(values: Iterable[float]) -> float:
    """NaN without values."""
    held = list(values)
    return float(np.mean(held)) if held else float("nan")


def _duel(name: str, outcomes: list[Outcome]) -> Duel:
    theirs = {metric: mean(_figures(outcomes, name, metric)) for metric in METRICS}
    known = {metric for metric, value in theirs.items() if not np.isnan(value)}
    ours = {metric: mean(_figures(outcomes, OURS, metric)) for metric in METRICS}
    return Duel(name, len(outcomes), {m: ours[m] for m in known}, {m: theirs[m] for m in known})


def _figures(outcomes: list[Outcome], name: str, metric: str) -> list[float]:
    return [o.measured[name].metrics[metric] for o in outcomes if metric in o.measured[name].metrics]
