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

    A sample tells which start leads to the top, and nearly where that is: rows at equal distances, which are spread evenly
    over all histories when rows are sorted. From there a few steps on all rows remain.

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
            loss, best = _climb(likelihood_of(*columns), best, around=start, scale=float(columns[-1].sum()))
        if np.isfinite(loss):
            return best
    return maximise(likelihood_of(*columns), starts=starts, scale=float(columns[-1].sum()), model=model)


def _climb(
    likelihood: LikelihoodAndGradient, start: Sequence[float] | Floats, *, around: Sequence[float], scale: float
) -> tuple[float, Floats]:
    """Loss and parameters at the top reached from ``start``, within a box ``around``; infinite loss where there is none."""

    def loss(log_parameters: Floats) -> tuple[float, Floats]:
        parameters = np.exp(log_parameters)
        value, gradient = likelihood(parameters)
        return -value / scale, -gradient * parameters / scale

    centre = np.log(np.asarray(around, dtype=float))
    found = minimize(
        loss,
        np.log(np.asarray(start, dtype=float)),
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(centre - _BOUND, centre + _BOUND, strict=True)),
        options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000},
    )
    return (float(found.fun) if np.isfinite(found.fun) else np.inf), np.exp(found.x)
