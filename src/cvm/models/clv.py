"""Value: revenue expected in the outcome window. Baselines and the anchored booster, one interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.boosting import Boosted, Encoder, Task, fit_boosted, refit_boosted
from cvm.models.samples import Sample

Floats = NDArray[np.float64]

_TWEEDIE_POWER = 1.5
# Of the mean expectation. Chosen on a snapshot of Complete Journey earlier than its test: deviance 27.9 without, 9.7 with.
_FLOOR_SHARE = 1e-3


class ValueModel(Protocol):
    """A way to turn features into expected revenue of the outcome window."""

    name: ClassVar[str]

    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """Revenue expected in the outcome window, for customers with at least one order."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything but the trees, as JSON values."""
        ...


@dataclass(frozen=True)
class NaiveRate:
    """Everybody goes on as before: orders per day so far, times the window, times the mean order value."""

    name: ClassVar[str] = "naive rate"
    horizon_days: int

    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """See ``ValueModel.expected_revenue``."""
        per_day = features["n_orders"].to_numpy(float) / features["tenure_days"].to_numpy(float)
        return per_day * self.horizon_days * features["mean_order_value"].to_numpy(float)

    def state(self) -> dict[str, Any]:
        """See ``ValueModel.state``."""
        return {"horizon_days": self.horizon_days}


@dataclass(frozen=True)
class BtydValue:
    """BTYD's expected orders times its expected order value."""

    name: ClassVar[str] = "BTYD"

    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """See ``ValueModel.expected_revenue``."""
        return _btyd_revenue(features)

    def state(self) -> dict[str, Any]:
        """See ``ValueModel.state``."""
        return {}


@dataclass(frozen=True)
class AnchoredValue:
    """BTYD's expectation times what trees add: BTYD gives the level, boosting the ranking.

    No anchor lies below ``floor``, in currency: BTYD is sure that a frequent buyer who pauses is gone, and a factor cannot
    bring back what starts at nothing.
    """

    name: ClassVar[str] = "anchored LightGBM"
    boosted: Boosted
    floor: float

    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """See ``ValueModel.expected_revenue``."""
        # Trees seldom add more than a factor of 20; beyond that they extrapolate.
        return _anchor(features, floor=self.floor) * np.exp(np.clip(self.boosted.margin(features), -3.0, 3.0))

    def state(self) -> dict[str, Any]:
        """See ``ValueModel.state``."""
        return {"floor": self.floor, "encoder": self.boosted.encoder.state()}


def fit_anchored_value(
    samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> AnchoredValue:
    """Fit trees (Tweedie) to what BTYD misses.

    The anchor of every snapshot is first scaled to that snapshot's own revenue, so that trees learn who is worth more than
    BTYD thinks and not how good the season was. At prediction BTYD's level stands.

    Parameters
    ----------
    samples : sequence of Sample
        Training snapshots, each with revenue in its window.
    columns : sequence of str
        Columns the trees may use.
    settings : mapping
        LightGBM settings that differ from the defaults.
    seed : int
    """
    floor = _floor(samples)
    task = _task(samples, floor=floor, columns=columns, settings=settings, seed=seed)
    return AnchoredValue(fit_boosted(task).boosted, floor)


def refit_anchored_value(
    judged: AnchoredValue, samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> AnchoredValue:
    """The judged recipe on other samples: its rounds stay."""
    floor = _floor(samples)
    task = _task(samples, floor=floor, columns=columns, settings=settings, seed=seed)
    return AnchoredValue(refit_boosted(task, rounds=judged.boosted.rounds), floor)


def value_task(samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int) -> Task:
    """What trees are fitted to: revenue, from the log of BTYD's expectation at each snapshot's own level."""
    return _task(samples, floor=_floor(samples), columns=columns, settings=settings, seed=seed)


def _task(
    samples: Sequence[Sample], *, floor: float, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> Task:
    return Task(
        samples,
        target=np.concatenate([sample.revenue for sample in samples]),
        anchor=np.concatenate([_levelled_anchor(sample, floor=floor) for sample in samples]),
        columns=columns,
        objective={"objective": "tweedie", "tweedie_variance_power": _TWEEDIE_POWER},
        settings=settings,
        seed=seed,
    )


def value_from_state(name: str, state: Mapping[str, Any], trees: str | None) -> ValueModel:
    """The value model ``state`` was taken from; ``trees`` is the booster's text, where there is one.

    Raises
    ------
    KeyError
        If the name is unknown.
    """
    if name == AnchoredValue.name and trees is not None:
        return AnchoredValue(Boosted(Encoder.from_state(state["encoder"]), trees), state["floor"])
    rules: dict[str, ValueModel] = {BtydValue.name: BtydValue()}
    if name == NaiveRate.name:
        rules[name] = NaiveRate(**state)
    return rules[name]


def _btyd_revenue(features: pd.DataFrame) -> Floats:
    return (features["btyd_expected_orders"] * features["btyd_expected_order_value"]).to_numpy(float)


def _anchor(features: pd.DataFrame, *, floor: float) -> Floats:
    return np.maximum(_btyd_revenue(features), floor)


def _floor(samples: Sequence[Sample]) -> float:
    expected = np.concatenate([_btyd_revenue(sample.features) for sample in samples])
    return _FLOOR_SHARE * float(expected.mean())


def _levelled_anchor(sample: Sample, *, floor: float) -> Floats:
    expected = _anchor(sample.features, floor=floor)
    return np.log(expected) + np.log(sample.revenue.sum() / expected.sum())
