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

    def loss(log_parameters: Floats) -> tuple[float, Floats]:
        parameters = np.exp(log_parameters)
        value, gradient = likelihood(parameters)
        return -value / scale, -gradient * parameters / scale

    best: tuple[float, Floats] | None = None
    for start in starts:
        at = np.log(np.asarray(start, dtype=float))
        bounds = list(zip(at - _BOUND, at + _BOUND, strict=True))
        found = minimize(
            loss, at, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000}
        )
        if np.isfinite(found.fun) and (best is None or found.fun < best[0]):
            best = (float(found.fun), np.exp(found.x))
    if best is None:
        raise InsufficientDataError(f"{model} finds no parameters for this history: its likelihood is nowhere finite.")
    return best[1]
