"""How far predictions are off within groups of customers: who may be served worse by the model than others.

All figures are of the test snapshot, which no model learned from. A group is flagged where it differs from the whole by more
than chance, once false discoveries among all comparisons are controlled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from cvm.evaluation import Estimate, area_estimate, false_discovery_rates, ratio_estimate, wilson_interval
from cvm.models.evidence import without_nan
from cvm.segments import VALUE_TIERS, RuleSet, ValueCuts, lifecycle_stage, value_tier

Floats = NDArray[np.float64]

# Smaller groups say little, and might point at a person.
MIN_CUSTOMERS = 100
# With fewer customers who left, or who stayed, the interval of an AUC means nothing.
_LEAST_PER_CLASS = 20
# A column with more values than this is no attribute that groups are made of.
_MOST_LEVELS = 30
_ATTRIBUTE = "attribute_"
_LEVEL = 0.95
_FALSE_DISCOVERIES = 0.05
_Z = float(norm.ppf((1 + _LEVEL) / 2))
# Cut by the prediction itself, so that its ranking within them says nothing about fairness.
_OF_PREDICTIONS = ("value_tier", "lifecycle_stage", "segment")
# Grouping and group of all customers together.
_WHOLE = "all"


@dataclass(frozen=True)
class GroupFigure(Estimate):
    """A figure with its 95 % interval, and whether it differs from that of all customers by more than chance."""

    is_off: bool = False


@dataclass(frozen=True)
class GroupError:
    """What was foretold for one group, and what happened.

    Attributes
    ----------
    grouping, group : str
        Such as ``segment`` and ``vip``; the whole is ``all`` and ``all``.
    n_customers : int
        Of whom churn is judged. In a group of too few of them no figure of churn is told: None.
    predicted_churn : float or None
    observed_churn : GroupFigure or None
    calibration_error : GroupFigure or None
        Mean predicted less observed churn: above 0, the group is called likelier to leave than it is.
    auc : GroupFigure or None
        None where fewer than 20 left, or stayed.
    n_valued : int
        Of whom value is judged.
    revenue_ratio : GroupFigure or None
        Predicted over actual revenue of the group: below 1, it is called worth less than it is. None without revenue, and
        in a group of which too few are valued.
    """

    grouping: str
    group: str
    n_customers: int
    predicted_churn: float | None
    observed_churn: GroupFigure | None
    calibration_error: GroupFigure | None
    auc: GroupFigure | None
    n_valued: int
    revenue_ratio: GroupFigure | None

    @property
    def is_off(self) -> bool:
        """Whether any of its errors differs from that of the whole."""
        return any(figure is not None and figure.is_off for figure in (self.calibration_error, self.auc, self.revenue_ratio))


@dataclass(frozen=True)
class JudgedCustomers:
    """What was foretold and what happened, by customer.

    Attributes
    ----------
    customer_id : Series of shape (n_customers,)
    predicted, actual : arrays of shape (n_customers,)
    """

    customer_id: pd.Series[str]
    predicted: Floats
    actual: Floats


def group_errors(churn: JudgedCustomers, value: JudgedCustomers, groups: Mapping[str, pd.Series[Any]]) -> list[GroupError]:
    """Errors of the whole, then of every group of at least ``MIN_CUSTOMERS``.

    Parameters
    ----------
    churn : JudgedCustomers
        Probability of churn, and 1 for who left.
    value : JudgedCustomers
        Revenue.
    groups : mapping of str to Series
        By grouping, the group of each customer, indexed by ``customer_id``; null where there is none.
    """
    whole = _error(_WHOLE, _WHOLE, churn, value)
    found = [whole]
    for grouping, of_customer in groups.items():
        of_churn, of_value = (outcome.customer_id.map(of_customer) for outcome in (churn, value))
        for group in _levels(of_customer):
            in_churn, in_value = ((labels == group).to_numpy(bool) for labels in (of_churn, of_value))
            if max(in_churn.sum(), in_value.sum()) >= MIN_CUSTOMERS:
                found.append(_error(grouping, str(group), _part(churn, in_churn), _part(value, in_value)))
    return _flagged(found)


def groups_at_test(
    features: pd.DataFrame,
    *,
    p_churn: pd.Series[float],
    revenue: Floats,
    tiers: Mapping[str, float],
    rules: RuleSet,
    active_days: int,
    horizon_days: int,
    margin_rate: float,
) -> dict[str, pd.Series[Any]]:
    """Value tier, lifecycle stage, segment and attributes of the customers, as they were known at the test snapshot.

    An attribute goes by the name of its column; where that is one of the other groupings, by that of its feature.

    Segments are left out where their rules ask for more than is known of the test snapshot.

    Parameters
    ----------
    features : DataFrame of shape (n_customers, ...)
        Of the test snapshot.
    p_churn : Series
        By ``customer_id``.
    revenue : array of shape (n_customers,)
        Expected in ``horizon_days``.
    tiers : mapping of str to float
        Shares of the value tiers.
    rules : RuleSet
        Of segments.
    active_days, horizon_days : int
    margin_rate : float
    """
    if features.empty:
        return {}
    margin = margin_rate * revenue
    years = np.maximum(features["tenure_days"].fillna(0.0).to_numpy(float), 365.0) / 365
    potential = margin * 365 / horizon_days - features["historic_value"].fillna(0.0).to_numpy(float) / years
    tier = value_tier(margin, ValueCuts.fit(margin, **tiers))
    known = np.asarray(p_churn.reindex(features["customer_id"]), dtype=np.float64)
    stage = lifecycle_stage(features, known, active_days=active_days)
    labels: dict[str, Any] = {"value_tier": tier, "lifecycle_stage": stage}
    columns = {**labels, "growth_potential": potential, "p_churn": known}
    if all(rule.when.columns <= columns.keys() for rule in rules.rules):
        labels["segment"] = rules.segment(columns, n=len(features))
    for name in _attributes(features):
        plain = name.removeprefix(_ATTRIBUTE)
        labels[name if plain in (_WHOLE, *_OF_PREDICTIONS) else plain] = features[name].to_numpy()
    return {name: pd.Series(values, index=features["customer_id"].to_numpy()) for name, values in labels.items()}


def error_states(errors: list[GroupError]) -> list[dict[str, Any]]:
    """As JSON values."""
    return [{**without_nan(asdict(error)), "is_off": error.is_off} for error in errors]


def _attributes(features: pd.DataFrame) -> Iterator[str]:
    for name in features.columns:
        if name.startswith(_ATTRIBUTE) and 1 < features[name].nunique() <= _MOST_LEVELS:
            yield name


def _levels(of_customer: pd.Series[Any]) -> list[Any]:
    levels = list(of_customer.dropna().unique())
    known = [tier for tier in VALUE_TIERS if tier in levels]
    return known if len(known) == len(levels) else sorted(levels)


def _part(whole: JudgedCustomers, rows: NDArray[np.bool_]) -> JudgedCustomers:
    return JudgedCustomers(whole.customer_id[rows], whole.predicted[rows], whole.actual[rows])


def _error(grouping: str, group: str, churn: JudgedCustomers, value: JudgedCustomers) -> GroupError:
    n = len(churn.actual)
    enough = n >= MIN_CUSTOMERS or (grouping == _WHOLE and n > 1)
    valued = len(value.actual) >= MIN_CUSTOMERS or grouping == _WHOLE
    return GroupError(
        grouping,
        group,
        n_customers=n,
        predicted_churn=float(churn.predicted.mean()) if enough else None,
        observed_churn=_observed(churn.actual) if enough else None,
        calibration_error=_gap(churn) if enough else None,
        auc=_area(churn) if enough else None,
        n_valued=len(value.actual),
        revenue_ratio=_ratio(value) if valued else None,
    )


def _observed(churned: Floats) -> GroupFigure:
    rate = np.array([churned.mean()])
    lower, upper = wilson_interval(rate, np.array([len(churned)]))
    return GroupFigure(float(rate[0]), float(lower[0]), float(upper[0]))


def _gap(churn: JudgedCustomers) -> GroupFigure:
    """Its variance is that of the gaps, no less than the probabilities foretell: where nobody left, little is proved."""
    gaps, said = churn.predicted - churn.actual, churn.predicted
    squares = max(float((gaps**2).sum()), float((said * (1 - said)).sum()), _Z**2)
    return _normal(float(gaps.mean()), float(np.sqrt(squares)) / len(gaps))


def _area(churn: JudgedCustomers) -> GroupFigure | None:
    n_left = float(churn.actual.sum())
    if min(n_left, len(churn.actual) - n_left) < _LEAST_PER_CLASS:
        return None
    found = area_estimate(churn.actual, churn.predicted[None, :], customer=np.arange(len(churn.actual)))
    return GroupFigure(**vars(found))


def _ratio(value: JudgedCustomers) -> GroupFigure | None:
    found = ratio_estimate(value.predicted, value.actual)
    return GroupFigure(**vars(found)) if found else None


def _normal(value: float, error: float) -> GroupFigure:
    return GroupFigure(value, value - _Z * error, value + _Z * error)


def _flagged(errors: list[GroupError]) -> list[GroupError]:
    """With ``is_off`` set where a figure differs from that of the whole at a controlled false-discovery rate."""
    whole, *groups = errors
    tests = [(number, name) for number, error in enumerate(groups) for name in _tested(error)]
    p_values = np.array([_p_value(getattr(groups[number], name), getattr(whole, name)) for number, name in tests])
    rates = false_discovery_rates(p_values) if len(p_values) else p_values
    off = {test for test, rate in zip(tests, rates, strict=True) if rate <= _FALSE_DISCOVERIES}
    return [whole, *(_with_flags(error, {name for at, name in off if at == number}) for number, error in enumerate(groups))]


def _tested(error: GroupError) -> Iterator[str]:
    names = ["calibration_error", "revenue_ratio", *([] if error.grouping in _OF_PREDICTIONS else ["auc"])]
    return (name for name in names if getattr(error, name) is not None)


def _p_value(figure: GroupFigure, whole: GroupFigure | None) -> float:
    error = max(figure.upper - figure.value, figure.value - figure.lower) / _Z
    return float("nan") if whole is None or error <= 0 else float(2 * norm.sf(abs(figure.value - whole.value) / error))


def _with_flags(error: GroupError, names: set[str]) -> GroupError:
    return replace(error, **{name: replace(getattr(error, name), is_off=True) for name in names})
