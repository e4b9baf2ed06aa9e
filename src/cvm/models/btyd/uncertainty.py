"""How sure a fit is of its parameters: the curvature of the likelihood at its top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.maximise import LikelihoodAndGradient

# Relative step of the differences: the gradient is analytic, so the error of central ones is of order 1e-8.
_STEP = 1e-4
# Draws go no further from the estimate than a fit goes from its start (as logarithms).
_FURTHEST = 9.0


@dataclass(frozen=True)
class Estimates:
    """Maximum likelihood estimates, by name, with what the data say of their precision.

    Attributes
    ----------
    value, standard_error : dict of str to float
        In natural units. The standard error is infinite where the likelihood is flat: the data do not settle that parameter.
    log_covariance : array of shape (n_parameters, n_parameters)
        Of the logarithms of the parameters, each above its bound; flat directions left out; what ``draw`` samples from.
    above : dict of str to float
        Bounds of parameters that must lie above anything but 0.
    """

    value: dict[str, float]
    standard_error: dict[str, float]
    log_covariance: Floats
    above: dict[str, float] = field(default_factory=dict)

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Parameters as another sample of customers might have given them: log-normal above their bounds."""
        step = rng.multivariate_normal(np.zeros(len(self.value)), self.log_covariance, method="eigh")
        step = np.clip(step, -_FURTHEST, _FURTHEST)
        bounds = [self.above.get(name, 0.0) for name in self.value]
        drawn = zip(self.value.items(), bounds, step, strict=True)
        return {name: float(bound + (value - bound) * np.exp(by)) for (name, value), bound, by in drawn}


def estimates(
    likelihood: LikelihoodAndGradient, parameters: Mapping[str, float], *, above: Mapping[str, float] | None = None
) -> Estimates:
    """Standard errors from the inverse of the observed information.

    The Hessian is taken in the logarithms of the parameters, by central differences of the analytic gradient; at a maximum
    the natural one follows by the chain rule alone.

    Parameters
    ----------
    likelihood : callable
        Maps parameters to the log-likelihood and its gradient.
    parameters : mapping of str to float
        The maximum, in the order the likelihood takes them; all above their bounds.
    above : mapping of str to float, optional
        Bounds other than 0, by name.
    """
    above = dict(above or {})
    bounds = np.array([above.get(name, 0.0) for name in parameters])
    at = np.array(list(parameters.values())) - bounds

    def gradient(log_step: Floats) -> Floats:
        here = at * np.exp(log_step)
        return likelihood(bounds + here)[1] * here

    steps = _STEP * np.eye(len(at))
    hessian = np.array([(gradient(step) - gradient(-step)) / (2 * _STEP) for step in steps])
    if not np.isfinite(hessian).all():  # at the edge of what the likelihood is defined for nothing can be said
        return Estimates(dict(parameters), dict.fromkeys(parameters, np.inf), np.zeros((len(at), len(at))), above)
    information, direction = np.linalg.eigh(-(hessian + hessian.T) / 2)
    # Not more than the noise of the differences: a ridge the parameters may slide along.
    known = information > 1e-7 * max(float(information.max()), 1e-300)
    covariance = (direction[:, known] / information[known]) @ direction[:, known].T
    slides = (np.abs(direction[:, ~known]) > 1e-2).any(axis=1)
    error = np.where(slides, np.inf, at * np.sqrt(np.diag(covariance)))
    return Estimates(dict(parameters), dict(zip(parameters, error.tolist(), strict=True)), covariance, above)
