"""How sure a fit is of its parameters: the curvature of the likelihood at its top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.maximise import LikelihoodAndGradient

# Relative step of the differences: the gradient is analytic, so the error of central ones is of order 1e-8.
_STEP = 1e-4


@dataclass(frozen=True)
class Estimates:
    """Maximum likelihood estimates, by name, with what the data say of their precision.

    Attributes
    ----------
    value, standard_error : dict of str to float
        In natural units. The standard error is infinite where the likelihood is flat: the data do not settle that parameter.
    log_covariance : array of shape (n_parameters, n_parameters)
        Of the logarithms of the parameters, flat directions left out; what ``draw`` samples from.
    """

    value: dict[str, float]
    standard_error: dict[str, float]
    log_covariance: Floats

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Parameters as another sample of customers might have given them: log-normal around the estimates."""
        step = rng.multivariate_normal(np.zeros(len(self.value)), self.log_covariance, method="eigh")
        return {name: float(value * np.exp(by)) for (name, value), by in zip(self.value.items(), step, strict=True)}


def estimates(likelihood: LikelihoodAndGradient, parameters: Mapping[str, float]) -> Estimates:
    """Standard errors from the inverse of the observed information.

    The Hessian is taken in the logarithms of the parameters, by central differences of the analytic gradient; at a maximum
    the natural one follows by the chain rule alone.

    Parameters
    ----------
    likelihood : callable
        Maps parameters to the log-likelihood and its gradient.
    parameters : mapping of str to float
        The maximum, in the order the likelihood takes them; all > 0.
    """
    at = np.array(list(parameters.values()))

    def gradient(log_step: Floats) -> Floats:
        here = at * np.exp(log_step)
        return likelihood(here)[1] * here

    steps = _STEP * np.eye(len(at))
    hessian = np.array([(gradient(step) - gradient(-step)) / (2 * _STEP) for step in steps])
    information, direction = np.linalg.eigh(-(hessian + hessian.T) / 2)
    # Not more than the noise of the differences: a ridge the parameters may slide along.
    known = information > 1e-7 * max(float(information.max()), 1e-300)
    covariance = (direction[:, known] / information[known]) @ direction[:, known].T
    slides = (np.abs(direction[:, ~known]) > 1e-2).any(axis=1)
    error = np.where(slides, np.inf, at * np.sqrt(np.diag(covariance)))
    return Estimates(dict(parameters), dict(zip(parameters, error.tolist(), strict=True)), covariance)
