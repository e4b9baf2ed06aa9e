"""A randomised experiment to learn from, checked once: who was drawn for which arm, how likely, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from cvm.errors import ExperimentError, InsufficientDataError
from cvm.features.treatments import CONTROL
from cvm.models.boosting import Encoder
from cvm.models.uplift.linear import LinearDesign

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

_KEYS = ("customer_id", "as_of")
# With fewer there is nothing to tell customers apart by.
MIN_CUSTOMERS, MIN_RESPONSES = 200, 20
# Of the design being what it is said to be; far below what chance does in a lifetime of campaigns.
_MIN_P_VALUE = 1e-6


@dataclass(frozen=True)
class Experiment:
    """One row per customer; see ``experiment_of`` for how it is made.

    Attributes
    ----------
    features : DataFrame
        ``customer_id`` and what was known before anyone was drawn.
    columns : tuple of str
        Columns a model may use.
    arms : tuple of str
        Control first.
    arm : array of int of shape (n_customers,)
        Position in ``arms``.
    drawn_with : array of shape (n_customers,)
        Probability of the design to draw that customer for that arm.
    outcome : array of shape (n_customers,)
    caveat : str
        What has to be said with every result; nothing where arms were drawn at random.
    """

    features: pd.DataFrame
    columns: tuple[str, ...]
    arms: tuple[str, ...]
    arm: Rows
    drawn_with: Floats
    outcome: Floats
    caveat: str = ""

    def __len__(self) -> int:
        return len(self.outcome)

    def take(self, rows: NDArray[Any]) -> Experiment:
        """Some of the customers."""
        features = self.features.iloc[rows].reset_index(drop=True)
        given = (self.arm[rows], self.drawn_with[rows], self.outcome[rows])
        return Experiment(features, self.columns, self.arms, *given, self.caveat)

    @cached_property
    def shares(self) -> Floats:
        """Share of customers in each arm."""
        return np.bincount(self.arm, minlength=len(self.arms)) / len(self)


def experiment_of(
    features: pd.DataFrame, *, outcome: pd.Series[Any], arm: pd.Series[Any], propensity: Mapping[str, float] | pd.Series[Any]
) -> Experiment:
    """Check an experiment and bring it into form.

    Parameters
    ----------
    features : DataFrame
        ``customer_id``, once each (or once per ``as_of``, where there is such a column: who was drawn in several campaigns
        teaches in each), and columns known before the assignment. Their order and index are those of the series.
    outcome : Series of number
        0 or 1, or money.
    arm : Series of str
        ``control`` or the name of a treatment.
    propensity : mapping of arm to share, or Series
        The shares of the design; or, as in the campaign ledger, with what probability each customer was drawn for the arm
        they are in.

    Raises
    ------
    ExperimentError
        If there is no control or no treatment, no column tells customers, one is there twice, a number is missing, or the
        arms cannot have been drawn at random with these propensities.
    InsufficientDataError
        If an arm has fewer than 200 customers, or 20 with an outcome above 0, or no feature tells customers apart.
    """
    experiment = experiment_parts(features, outcome=outcome, arm=arm, propensity=propensity)
    check_enough(experiment)
    _check_drawn_at_random(experiment)
    return experiment


def experiment_parts(
    features: pd.DataFrame,
    *,
    outcome: pd.Series[Any],
    arm: pd.Series[Any],
    propensity: Mapping[str, float] | pd.Series[Any] | None,
) -> Experiment:
    """``experiment_of`` without asking whether the arms were drawn at random; propensities of 1 where none are given."""
    names = arm.astype(str).to_numpy()
    found = set(names.tolist())
    if len({len(features), len(outcome), len(arm)}) > 1:
        raise ExperimentError(f"features, outcome and arm have {len(features):,}, {len(outcome):,} and {len(arm):,} rows.")
    if arm.isna().any():
        raise ExperimentError(f"arm is missing for {int(arm.isna().sum()):,} of {len(arm):,} customers: leave them out.")
    if CONTROL not in found or len(found) < 2:
        raise ExperimentError(
            f"The arms are {sorted(found)}: without {CONTROL!r} and a treatment no effect is identified. Hold some out."
        )
    if "customer_id" not in features:
        raise ExperimentError("features have no column customer_id: name the one that tells customers apart so.")
    n_repeated = int(features.duplicated([name for name in _KEYS if name in features]).sum())
    if n_repeated:
        raise ExperimentError(
            f"{n_repeated:,} rows repeat a customer_id: hand over one row each, without those drawn for several arms."
        )
    values = outcome.to_numpy(float)
    n_bad = int((~np.isfinite(values)).sum())
    if n_bad:
        raise ExperimentError(f"outcome is missing or infinite for {n_bad:,} of {len(values):,} customers.")
    arms = (CONTROL, *sorted(found - {CONTROL}))
    code = pd.Categorical(names, categories=arms).codes.astype(np.intp)
    columns = tuple(str(name) for name in features.columns if name not in _KEYS)
    drawn_with = np.ones(len(names)) if propensity is None else _drawn_with(names, arms, propensity)
    return Experiment(features.reset_index(drop=True), columns, arms, code, drawn_with, values)


def _drawn_with(names: NDArray[Any], arms: tuple[str, ...], propensity: Mapping[str, float] | pd.Series[Any]) -> Floats:
    if isinstance(propensity, pd.Series):
        given = propensity.to_numpy(float)
    else:
        unknown = sorted(set(arms) - set(propensity))
        if unknown:
            raise ExperimentError(f"propensity names {sorted(propensity)} but not {unknown}: every arm needs its share.")
        given = np.array([float(propensity[name]) for name in names])
    n_bad = len(names) - int(((given > 0) & (given < 1)).sum()) if given.shape == names.shape else len(names)
    if n_bad:
        raise ExperimentError(
            f"propensity is missing, or not between 0 and 1, for {n_bad:,} of {len(names):,} customers: it is the "
            "probability with which each was drawn for the arm they are in. Leave out whom the design gave no choice."
        )
    return given


def check_enough(experiment: Experiment) -> None:
    """Refuse features that tell nobody apart, and arms of fewer customers, or responses, than can be learned from."""
    if not Encoder.fit(experiment.features, experiment.columns).columns:
        raise InsufficientDataError(
            f"All {len(experiment):,} customers are alike in all {len(experiment.columns):,} features, so nobody can be "
            "told to gain more. Hand over features that were known before the draw; the mean effect can be measured anyhow."
        )
    for position, name in enumerate(experiment.arms):
        own = experiment.outcome[experiment.arm == position]
        n_responses = int((own > 0).sum())
        if len(own) < MIN_CUSTOMERS or n_responses < MIN_RESPONSES:
            raise InsufficientDataError(
                f"Arm {name!r} has {len(own):,} customers, {n_responses:,} of them with an outcome above 0; at least "
                f"{MIN_CUSTOMERS} and {MIN_RESPONSES} are needed to learn who gains. Run the campaign on more customers; "
                "its mean effect can be measured all the same."
            )


def _check_drawn_at_random(experiment: Experiment) -> None:
    """Weighted by their inverse propensity, customers of an arm must look like all customers, and be as many.

    Score test of no relation between ``1{drawn} / propensity - 1`` and anything known before.
    """
    design = LinearDesign.fit(experiment.features, experiment.columns)
    X = np.column_stack([np.ones(len(experiment)), design.matrix(experiment.features)])
    for position, name in enumerate(experiment.arms):
        excess = (experiment.arm == position) / experiment.drawn_with - 1
        score, variance = X.T @ excess, (X * excess[:, None] ** 2).T @ X
        statistic = float(score @ np.linalg.pinv(variance, hermitian=True) @ score)
        degrees = int(np.linalg.matrix_rank(variance, hermitian=True))
        p_value = float(chi2.sf(statistic, degrees))
        if p_value < _MIN_P_VALUE:
            n, expected = int((experiment.arm == position).sum()), len(experiment)
            raise ExperimentError(
                f"Arm {name!r} was not drawn at random with the propensities given (p = {p_value:.1g}): {n:,} customers "
                f"stand for {(excess + 1).sum():,.0f} of {expected:,}, or differ from the others in what was known before. "
                "Hand over the propensities of the design. A campaign that picked its customers teaches no effects."
            )
