"""Maximum likelihood over positive parameters, by their logarithms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize

from cvm.errors import InsufficientDataError
from cvm.models.btyd.distinct import Floats

LikelihoodAndGradient = Callable[[Floats], tuple[float, Floats]]

# exp(+-_BOUND) around each start: wide enough for any real base, narrow enough to stay finite where the data
# leaves a parameter free (a base without dropout lets a go to 0).
_BOUND = 9.0


# Rows of the sample on which all starts are tried before the winner goes on to all rows.
_SAMPLE_ROWS = 4000
# Of the loss per observation: where a climb ends.
_PRECISION = 1e-14
_MOST_STEPS = 20
# Relative step of the differences, and the curvature (against the largest) below which a direction counts as flat.
_STEP, _FLAT = 1e-4, 1e-6


def maximise(likelihood: LikelihoodAndGradient, *, starts: Sequence[Sequence[float]], scale: float, model: str) -> Floats:
    """Parameters of the highest log-likelihood found from several starts.

    Parameters
    ----------
    likelihood : callable
        Maps parameters to the log-likelihood and its gradient with respect to them.
    starts : sequence of sequences of float
        Starting points, all > 0.
    scale : float
        Number of observations; makes the stopping rule independent of it.
    model : str
        Name for the error message.

    Raises
    ------
    InsufficientDataError
        If no start leads to a finite optimum.
    """
    tops = [_climb(likelihood, start, around=start, scale=scale) for start in starts]
    loss, best = min(tops, key=lambda top: top[0])
    if not np.isfinite(loss):
        raise InsufficientDataError(f"{model} finds no parameters for this history: its likelihood is nowhere finite.")
    return best


def maximise_over_rows(
    likelihood_of: Callable[..., LikelihoodAndGradient],
    columns: tuple[Floats, ...],
    *,
    starts: Sequence[Sequence[float]],
    model: str,
) -> Floats:
    """As ``maximise``, for a likelihood that is a weighted sum over rows: many of them cost little more than a few.

    A sample tells which start leads to the top, nearly where that is, and how the likelihood bends there: rows at equal
    distances, which are spread evenly over all histories when rows are sorted. From there a few steps on all rows remain.

    Parameters
    ----------
    likelihood_of : callable
        Makes the likelihood of rows from their columns.
    columns : tuple of arrays of shape (n,)
        The last is the weight of each row.
    starts, model
        As in ``maximise``.
    """
    step = len(columns[-1]) // _SAMPLE_ROWS
    if step >= 2:
        sample = tuple(column[::step] for column in columns)
        of_sample, scale = likelihood_of(*sample), float(sample[-1].sum())
        tops = [(*_climb(of_sample, start, around=start, scale=scale), start) for start in starts]
        loss, best, start = min(tops, key=lambda top: top[0])
        if np.isfinite(loss):
            of_all, scale_of_all = likelihood_of(*columns), float(columns[-1].sum())
            bent = _curvature(of_sample, best, scale)
            loss, top = _descend(of_all, best, around=start, scale=scale_of_all, curvature=bent)
            if not np.isfinite(loss):
                loss, top = _climb(of_all, best, around=start, scale=scale_of_all)
            if np.isfinite(loss):
                return top
    return maximise(likelihood_of(*columns), starts=starts, scale=float(columns[-1].sum()), model=model)


def _curvature(likelihood: LikelihoodAndGradient, at: Floats, scale: float) -> Floats:
    """Second derivatives of the loss in the logarithms of the parameters, by central differences of its gradient."""
    loss = _loss(likelihood, scale)
    steps, here = _STEP * np.eye(len(at)), np.log(at)
    found = np.array([(loss(here + step)[1] - loss(here - step)[1]) / (2 * _STEP) for step in steps])
    return (found + found.T) / 2


def _descend(
    likelihood: LikelihoodAndGradient, start: Floats, *, around: Sequence[float], scale: float, curvature: Floats
) -> tuple[float, Floats]:
    """As ``_climb``, from a start so near the top that full quasi-Newton steps lead there; infinite loss where they do not.

    Source: Nocedal and Wright (2006), "Numerical Optimization", 2nd ed., eq. 6.17 (the BFGS update of the inverse).
    """
    astray = np.inf, start
    if not np.isfinite(curvature).all():
        return astray
    bends, directions = np.linalg.eigh(curvature)
    if bends.min() <= _FLAT * bends.max():
        return astray
    inverse = (directions / bends) @ directions.T
    loss_at = _loss(likelihood, scale)
    here, centre = np.log(start), np.log(np.asarray(around, dtype=float))
    loss, slope = loss_at(here)
    for _ in range(_MOST_STEPS):
        step = -inverse @ slope
        if -slope @ step <= 2 * _PRECISION:  # what the step can still gain; so small a step needs no other look
            return loss, np.exp(here + step)
        if np.abs(here + step - centre).max() >= _BOUND:
            break
        next_loss, next_slope = loss_at(here + step)
        bent = next_slope - slope
        along = float(step @ bent)
        if not (next_loss <= loss and along > 0):
            break
        turned = np.eye(len(step)) - np.outer(step, bent) / along
        inverse = turned @ inverse @ turned.T + np.outer(step, step) / along
        here, loss, slope = here + step, next_loss, next_slope
    return astray


def _climb(
    likelihood: LikelihoodAndGradient, start: Sequence[float] | Floats, *, around: Sequence[float], scale: float
) -> tuple[float, Floats]:
    """Loss and parameters at the top reached from ``start``, within a box ``around``; infinite loss where there is none."""
    centre = np.log(np.asarray(around, dtype=float))
    found = minimize(
        _loss(likelihood, scale),
        np.log(np.asarray(start, dtype=float)),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(centre - _BOUND, centre + _BOUND, strict=True)),
        options={"ftol": _PRECISION, "gtol": 1e-9, "maxiter": 1000},
    )
    return (float(found.fun) if np.isfinite(found.fun) else np.inf), np.exp(found.x)


def _loss(likelihood: LikelihoodAndGradient, scale: float) -> LikelihoodAndGradient:
    """Minus the likelihood per observation, by the logarithms of the parameters, and its gradient."""

    def loss(log_parameters: Floats) -> tuple[float, Floats]:
        parameters = np.exp(log_parameters)
        value, gradient = likelihood(parameters)
        return -value / scale, -gradient * parameters / scale

    return loss
