"""Two predictions of the same customers, compared figure by figure: the paired bootstrap.

Every replicate gives each customer a Poisson(1) weight and computes the figures of both predictions with the same weights,
so what both share cancels in the difference (Efron and Tibshirani 1993, An Introduction to the Bootstrap, ch. 8). Customers
of a random bin get one weight, as in ``bootstrap.py``, so a million customers cost little more than a thousand.

Rankings are resampled by cells of equal mass of each prediction. Cells blur a ranking a little, both rankings alike: the
interval of a difference is moved by what they blur of it, so that it belongs to the exact figures shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cvm.evaluation.bootstrap import REPLICATES, middle
from cvm.evaluation.calibration import brier_score, calibration_error
from cvm.evaluation.ranking import area_under_roc, normalised_gini
from cvm.evaluation.value import decile_error, ratio

Floats = NDArray[np.float64]

_BINS = 1_024
_CELLS = 200
_GROUPS = 10
# Fewer customers than this tell two models apart by chance alone.
LEAST_PAIRED = 50


@dataclass(frozen=True)
class PairedFigure:
    """One figure of a challenger and of a champion.

    Attributes
    ----------
    name : str
    challenger, champion : float
    worse_by : float
        How much worse the challenger is, in the unit of the figure; below 0 it is better.
    lower, upper : float
        Between these ``worse_by`` may as well lie.
    """

    name: str
    challenger: float
    champion: float
    worse_by: float
    lower: float
    upper: float


@dataclass(frozen=True)
class _Cells:
    """Resampled sums by cell of one prediction, cells by rising prediction: arrays of shape (n_replicates, n_cells)."""

    n: Floats
    predicted: Floats
    actual: Floats
    squared_error: Floats


@dataclass(frozen=True)
class _Metric:
    """A figure: exactly, on resampled cells beside those of a perfect prediction, and what of it is bad."""

    name: str
    exact: Callable[[Floats, Floats], float]
    resampled: Callable[[_Cells, _Cells], Floats]
    badness: Callable[[Floats], Floats]


def compare_probabilities(
    happened: Floats, challenger: Floats, champion: Floats, *, seed: int, level: float = 0.95
) -> list[PairedFigure]:
    """AUC, Brier score and calibration error of two probabilities of the same event.

    Parameters
    ----------
    happened : array of shape (n_customers,)
        1 or 0.
    challenger, champion : arrays of shape (n_customers,)
    seed : int
        The same seed gives the same intervals.
    level : float, 0 to 1
        Of the intervals.

    Returns
    -------
    list of PairedFigure
        ``auc``, ``brier``, ``calibration_error``; nothing where there are fewer than ``LEAST_PAIRED`` customers, or all
        fared the same.
    """
    if not 0 < happened.sum() < len(happened):
        return []
    return _compare(_OF_PROBABILITIES, happened, challenger, champion, seed=seed, level=level)


def compare_values(
    actual: Floats, challenger: Floats, champion: Floats, *, seed: int, level: float = 0.95
) -> list[PairedFigure]:
    """Normalised Gini, decile error and ratio of two predictions of the same money.

    Parameters
    ----------
    actual : array of shape (n_customers,), >= 0
    challenger, champion : arrays of shape (n_customers,), >= 0
    seed : int
    level : float, 0 to 1

    Returns
    -------
    list of PairedFigure
        ``ngini``, ``decmape``, ``ratio`` (how far it is from 1 counts); nothing where there are fewer than
        ``LEAST_PAIRED`` customers, or no money.
    """
    if actual.sum() <= 0 or np.ptp(actual) == 0:
        return []
    return _compare(_OF_VALUES, actual, challenger, champion, seed=seed, level=level)


def _compare(
    metrics: list[_Metric], actual: Floats, challenger: Floats, champion: Floats, *, seed: int, level: float
) -> list[PairedFigure]:
    n = len(actual)
    if n < LEAST_PAIRED:
        return []
    rng = np.random.default_rng(seed)
    bins = rng.permutation(n) % min(n, _BINS)
    weights = rng.poisson(1.0, (REPLICATES, min(n, _BINS))).astype(float)
    # The first replicate counts everybody once: what cells make of the figures without any chance.
    weights = np.vstack([np.ones(weights.shape[1]), weights])
    *cells, perfect = (_cells(actual, predicted, bins, weights) for predicted in (challenger, champion, actual))
    found = []
    for metric in metrics:
        exact = np.array([metric.exact(actual, predicted) for predicted in (challenger, champion)])
        new, old = (metric.badness(metric.resampled(of, perfect)) for of in cells)
        worse_by = float(np.subtract(*metric.badness(exact)))
        replicates = new - old
        blur = worse_by - replicates[0]
        replicates = replicates[1:][np.isfinite(replicates[1:])]
        interval = middle(replicates + blur, level=level)
        found.append(PairedFigure(metric.name, float(exact[0]), float(exact[1]), worse_by, interval.lower, interval.upper))
    return found


def _cells(actual: Floats, predicted: Floats, bins: NDArray[np.intp], weights: Floats) -> _Cells:
    """Sums by cell; members of a tie are in one cell, that of their middle, so that some cells may be empty."""
    order = np.argsort(predicted, kind="stable")
    ranked, outcome = predicted[order], actual[order]
    _, tie, size = np.unique(ranked, return_inverse=True, return_counts=True)
    n = len(actual)
    n_cells = min(n, _CELLS)
    middle_rank = (np.cumsum(size) - (size + 1) / 2)[tie]
    cell = (middle_rank * n_cells / n).astype(np.intp)
    key = bins[order] * n_cells + cell
    shape = (weights.shape[1], n_cells)

    def summed(values: Floats | None) -> Floats:
        table = np.bincount(key, weights=values, minlength=shape[0] * shape[1]).reshape(shape).astype(float)
        return np.asarray(weights @ table, dtype=float)

    return _Cells(summed(None), summed(ranked), summed(outcome), summed((ranked - outcome) ** 2))


def _area(cells: _Cells, _: _Cells) -> Floats:
    """Mann-Whitney over cells; members of one cell are tied."""
    happened, not_happened = cells.actual, cells.n - cells.actual
    below = np.cumsum(not_happened, axis=1) - not_happened / 2
    return _over((happened * below).sum(axis=1), happened.sum(axis=1) * not_happened.sum(axis=1))


def _brier(cells: _Cells, _: _Cells) -> Floats:
    return _over(cells.squared_error.sum(axis=1), cells.n.sum(axis=1))


def _gaps(cells: _Cells, _: _Cells) -> Floats:
    """Mean gap between predicted and actual, over ten groups of about equal mass."""
    starts = np.linspace(0, cells.n.shape[1], min(_GROUPS, cells.n.shape[1]) + 1).astype(int)[:-1]
    predicted, actual = (np.add.reduceat(values, starts, axis=1) for values in (cells.predicted, cells.actual))
    return _over(np.abs(predicted - actual).sum(axis=1), cells.n.sum(axis=1))


def _relative_gaps(cells: _Cells, perfect: _Cells) -> Floats:
    return _over(_gaps(cells, perfect) * cells.n.sum(axis=1), cells.actual.sum(axis=1))


def _captured(cells: _Cells) -> Floats:
    """Area between the value captured by falling prediction and the diagonal."""
    n, actual = cells.n[:, ::-1], cells.actual[:, ::-1]
    share, captured = (_over(np.cumsum(values, axis=1), values.sum(axis=1)[:, None]) for values in (n, actual))
    step = np.diff(share, axis=1, prepend=0.0)
    before = np.concatenate([np.zeros((len(captured), 1)), captured[:, :-1]], axis=1)
    return np.asarray((step * (captured + before) / 2).sum(axis=1) - 0.5, dtype=float)


def _normalised(cells: _Cells, perfect: _Cells) -> Floats:
    return _over(_captured(cells), _captured(perfect))


def _ratio(cells: _Cells, _: _Cells) -> Floats:
    return _over(cells.predicted.sum(axis=1), cells.actual.sum(axis=1))


def _over(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(numerator / denominator, dtype=float)


def _higher_is_better(figure: Floats) -> Floats:
    return -figure


def _lower_is_better(figure: Floats) -> Floats:
    return figure


def _one_is_best(figure: Floats) -> Floats:
    return np.abs(figure - 1)


_OF_PROBABILITIES = [
    _Metric("auc", area_under_roc, _area, _higher_is_better),
    _Metric("brier", brier_score, _brier, _lower_is_better),
    _Metric("calibration_error", calibration_error, _gaps, _lower_is_better),
]
_OF_VALUES = [
    _Metric("ngini", normalised_gini, _normalised, _higher_is_better),
    _Metric("decmape", decile_error, _relative_gaps, _lower_is_better),
    _Metric("ratio", ratio, _ratio, _one_is_best),
]
