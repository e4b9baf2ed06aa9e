"""Value by two opinions: whether and how much, both starting from BTYD; and revenue at once, starting from nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from cvm.evaluation import tweedie_deviance
from cvm.models.blend import consistent_miss, learn_weight
from cvm.models.boosting import Boosted, BoostingFit, Task, TrainingRows, boosters_from_state, fit_boosted, refit_boosted
from cvm.models.btyd import btyd_revenue
from cvm.models.clv import ValueModel, value_baseline_from_state
from cvm.models.logits import finite_logit, shift_to, within
from cvm.models.samples import Sample, Snapshot

Floats = NDArray[np.float64]

_TWEEDIE = {"objective": "tweedie", "tweedie_variance_power": 1.5}
# Of the mean anchor of those who spend: an anchor far below would leave trees nothing to multiply.
_FLOOR_SHARE = 1e-2
# Trees seldom add more than a factor of 20; beyond that they extrapolate.
_MAX_MARGIN = 3.0


@dataclass(frozen=True)
class BlendedValue:
    """``exp(log_level) * (weight * P(spends) * spend + (1 - weight) * revenue)``, expected revenue.

    ``P(spends)`` corrects BTYD's probability of an order and ``spend`` its expected revenue of who orders (a hurdle model);
    ``revenue`` is ``exp(log_scale)`` times what Tweedie trees say, which start from nothing.

    Attributes
    ----------
    spends, spend, free : Boosted
    floor : float
        Least anchor of ``spend``, in currency.
    weight : float between 0 and 1
    misses : tuple of float
        Log of actual revenue over what the hurdle expected at each snapshot known.
    log_scale : float
        Under which both opinions had the same total.
    log_level : float
        What of the misses is no accident; 0 where hindsight has corrected the level before.
    """

    name: ClassVar[str] = "blended LightGBM"
    spends: Boosted
    spend: Boosted
    free: Boosted
    floor: float
    weight: float
    misses: tuple[float, ...]
    log_scale: float = 0.0
    log_level: float = 0.0

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """See ``ValueModel.boosters``."""
        return {"spends": self.spends, "spend": self.spend, "free": self.free}

    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """See ``ValueModel.expected_revenue``."""
        mixed = self.weight * self.hurdle(features) + (1 - self.weight) * np.exp(self.log_scale) * self.trees(features)
        return np.exp(self.log_level) * mixed

    def hurdle(self, features: pd.DataFrame) -> Floats:
        """The opinion that starts from BTYD, in currency."""
        spends = _spends_anchor(features) + self.spends.margin(features)
        return expit(spends) * np.exp(_spend_anchor(features, floor=self.floor) + _clipped(self.spend.margin(features)))

    def trees(self, features: pd.DataFrame) -> Floats:
        """The opinion that starts from nothing, as multiples of a mean."""
        return np.exp(_clipped(self.free.margin(features)))

    def state(self) -> dict[str, Any]:
        """See ``ValueModel.state``."""
        return {
            "floor": self.floor,
            "weight": self.weight,
            "misses": list(self.misses),
            "log_scale": self.log_scale,
            "log_level": self.log_level,
            "encoders": {part: boosted.encoder.state() for part, boosted in self.boosters.items()},
        }


@dataclass(frozen=True)
class ValueFit:
    """A blended model, and what it expected of each training row out of fold, at the level of its snapshot."""

    model: BlendedValue
    out_of_fold: Floats


def fit_blended_value(
    samples: Sequence[Sample], ahead: Snapshot, *, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> ValueFit:
    """Fit all boosters, learn how to mix them, and set the level.

    In training each snapshot is at its own level: trees learn who is worth more and not how good the season was. The weight
    is the one under which out-of-fold predictions have the lowest Tweedie deviance. The level of what lies ahead is the
    hurdle's, corrected by what it lacked at every training snapshot where no hindsight has corrected it before.

    Parameters
    ----------
    samples : sequence of Sample
        Training snapshots, each with revenue in its window.
    ahead : Snapshot
        The one the model is for; nothing but its features is known.
    columns : sequence of str
        Columns the trees may use.
    settings : mapping
        LightGBM settings that differ from the defaults.
    seed : int
    """
    given: dict[str, Any] = {"columns": columns, "settings": settings, "seed": seed}
    floor = _floor(samples)
    spends_task, spend_task, free_task = _tasks(samples, floor=floor, **given)
    spends, spend, free = (fit_boosted(task) for task in (spends_task, spend_task, free_task))
    spent = np.exp(spend_task.anchor + _clipped(spend.margin_out_of_fold))
    hurdle = expit(spends_task.anchor + spends.margin_out_of_fold) * spent
    trees = np.exp(free_task.anchor + _clipped(free.margin_out_of_fold))

    def mixed(weight: float) -> Floats:
        return weight * hurdle + (1 - weight) * trees

    weight = learn_weight(lambda share: tweedie_deviance(free_task.target, mixed(share)))
    misses = _misses(samples, spends, spend, floor=floor)
    model = BlendedValue(spends.boosted, spend.boosted, free.boosted, floor, weight, misses)
    return ValueFit(_levelled(model, ahead), mixed(weight))


def refit_blended_value(
    judged: BlendedValue,
    samples: Sequence[Sample],
    ahead: Snapshot,
    *,
    columns: Sequence[str],
    settings: Mapping[str, Any],
    seed: int,
) -> BlendedValue:
    """The judged recipe on other samples: rounds, weight and misses stay."""
    floor = _floor(samples)
    tasks = _tasks(samples, floor=floor, columns=columns, settings=settings, seed=seed)
    parts = zip(judged.boosters.values(), tasks, strict=True)
    spends, spend, free = (refit_boosted(task, rounds=boosted.rounds) for boosted, task in parts)
    return _levelled(BlendedValue(spends, spend, free, floor, judged.weight, judged.misses), ahead)


def value_seen_at(model: BlendedValue, test: Sample) -> BlendedValue:
    """The model, after what its level lacked at a snapshot that it was judged on has become known, too."""
    if test.has_hindsight or not test.revenue.sum() > 0:
        return model
    return replace(model, misses=(*model.misses, float(np.log(test.revenue.sum() / model.hurdle(test.features).sum()))))


def _misses(samples: Sequence[Sample], spends: BoostingFit, spend: BoostingFit, *, floor: float) -> tuple[float, ...]:
    """Log of actual revenue over the hurdle's out-of-fold expectation at BTYD's own level, for each snapshot."""
    found, start = [], 0
    for sample in samples:
        rows = slice(start, start + len(sample.revenue))
        p_spends = expit(_spends_anchor(sample.features) + spends.margin_out_of_fold[rows])
        log_spend = _spend_anchor(sample.features, floor=floor) + _clipped(spend.margin_out_of_fold[rows])
        found.append(float(np.log(sample.revenue.sum() / (p_spends * np.exp(log_spend)).sum())))
        start = rows.stop
    return tuple(found)


def _levelled(model: BlendedValue, ahead: Snapshot) -> BlendedValue:
    """The model at the level of its hurdle among the customers ahead, corrected by what that lacked."""
    if ahead.features.empty:
        return model
    log_scale = float(np.log(model.hurdle(ahead.features).sum() / model.trees(ahead.features).sum()))
    missed = 0.0 if ahead.has_hindsight else consistent_miss(np.array(model.misses))
    return replace(model, log_scale=log_scale, log_level=missed)


def value_from_state(name: str, state: Mapping[str, Any], trees: Mapping[str, str]) -> ValueModel:
    """The value model ``state`` was taken from; ``trees`` are the boosters' texts by part.

    Raises
    ------
    KeyError
        If the name is unknown, or trees are missing.
    """
    if name != BlendedValue.name:
        return value_baseline_from_state(name, state)
    parts = boosters_from_state(state["encoders"], trees)
    numbers: dict[str, Any] = {key: value for key, value in state.items() if key != "encoders"}
    numbers["misses"] = tuple(numbers["misses"])
    return BlendedValue(parts["spends"], parts["spend"], parts["free"], **numbers)


def value_task(samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int) -> Task:
    """What the free trees are fitted to: revenue, from the log of each snapshot's mean."""
    mean = np.concatenate([np.full(len(sample.revenue), np.log(sample.revenue.mean())) for sample in samples])
    revenue = np.concatenate([sample.revenue for sample in samples])
    rows = TrainingRows([sample.features for sample in samples], columns)
    return Task(rows, revenue, mean, _TWEEDIE, settings, seed)


def _tasks(
    samples: Sequence[Sample], *, floor: float, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> tuple[Task, Task, Task]:
    """What ``spends``, ``spend`` and ``free`` are fitted to, each snapshot at its own level."""
    free = value_task(samples, columns=columns, settings=settings, seed=seed)
    spent = free.target > 0
    spends_anchor = np.concatenate([_levelled_spends(sample) for sample in samples])
    spend_anchor = np.concatenate([_levelled_spend(sample, floor=floor) for sample in samples])
    return (
        replace(free, target=spent.astype(float), anchor=spends_anchor, objective={"objective": "binary"}),
        replace(free, anchor=spend_anchor, objective={"objective": "gamma"}, taught=spent),
        free,
    )


def _clipped(margin: Floats) -> Floats:
    return np.clip(margin, -_MAX_MARGIN, _MAX_MARGIN)


def _spends_anchor(features: pd.DataFrame) -> Floats:
    return -finite_logit(features["btyd_p_no_order"].to_numpy(float))


def _spend_anchor(features: pd.DataFrame, *, floor: float) -> Floats:
    return np.log(np.maximum(_revenue_of_who_orders(features), floor))


def _revenue_of_who_orders(features: pd.DataFrame) -> Floats:
    p_order = 1 - np.clip(features["btyd_p_no_order"].to_numpy(float), 0.0, 1 - 1e-6)
    return btyd_revenue(features) / p_order


def _floor(samples: Sequence[Sample]) -> float:
    return _FLOOR_SHARE * float(np.concatenate([_revenue_of_who_orders(sample.features) for sample in samples]).mean())


def _levelled_spends(sample: Sample) -> Floats:
    anchor = _spends_anchor(sample.features)
    return anchor + shift_to(anchor, float(within((sample.revenue > 0).mean())))


def _levelled_spend(sample: Sample, *, floor: float) -> Floats:
    anchor, spent = _spend_anchor(sample.features, floor=floor), sample.revenue > 0
    return anchor + np.log(sample.revenue[spent].sum() / np.exp(anchor[spent]).sum())
