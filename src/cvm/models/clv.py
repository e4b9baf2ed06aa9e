"""Value: revenue expected in the outcome window. Baselines and the anchored booster, one interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.boosting import Boosted, BoostingFit, Encoder, fit_boosted
from cvm.models.samples import Sample

Floats = NDArray[np.float64]

_TWEEDIE_POWER = 1.5


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
    """BTYD's expectation times what trees add: BTYD gives the level, boosting the ranking."""

    name: ClassVar[str] = "anchored LightGBM"
    boosted: Boosted

    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """See ``ValueModel.expected_revenue``."""
        # Trees seldom add more than a factor of 20; beyond that they extrapolate.
        return _btyd_revenue(features) * np.exp(np.clip(self.boosted.margin(features), -3.0, 3.0))

    def state(self) -> dict[str, Any]:
        """See ``ValueModel.state``."""
        return {"encoder": self.boosted.encoder.state()}


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
    _, fitted = _fit_trees(samples, columns=columns, settings=settings, seed=seed)
    return AnchoredValue(fitted.boosted)


def out_of_fold_revenue(
    samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> tuple[Floats, Floats]:
    """Outcome and out-of-fold expectation of every training row: what tuning compares settings by."""
    anchor, fitted = _fit_trees(samples, columns=columns, settings=settings, seed=seed)
    return np.concatenate([sample.revenue for sample in samples]), np.exp(anchor + fitted.margin_out_of_fold)


def _fit_trees(
    samples: Sequence[Sample], *, columns: Sequence[str], settings: Mapping[str, Any], seed: int
) -> tuple[Floats, BoostingFit]:
    anchor = np.concatenate([_levelled_anchor(sample) for sample in samples])
    fitted = fit_boosted(
        samples,
        np.concatenate([sample.revenue for sample in samples]),
        anchor,
        columns=columns,
        objective={"objective": "tweedie", "tweedie_variance_power": _TWEEDIE_POWER},
        settings=settings,
        seed=seed,
    )
    return anchor, fitted


def value_from_state(name: str, state: Mapping[str, Any], trees: str | None) -> ValueModel:
    """The value model ``state`` was taken from; ``trees`` is the booster's text, where there is one.

    Raises
    ------
    KeyError
        If the name is unknown.
    """
    if name == AnchoredValue.name and trees is not None:
        return AnchoredValue(Boosted(Encoder.from_state(state["encoder"]), trees))
    rules: dict[str, ValueModel] = {BtydValue.name: BtydValue()}
    if name == NaiveRate.name:
        rules[name] = NaiveRate(**state)
    return rules[name]


def _btyd_revenue(features: pd.DataFrame) -> Floats:
    return (features["btyd_expected_orders"] * features["btyd_expected_order_value"]).to_numpy(float)


def _levelled_anchor(sample: Sample) -> Floats:
    expected = _btyd_revenue(sample.features)
    floor = 1e-6 * expected.mean()
    return np.log(np.maximum(expected, floor)) + np.log(sample.revenue.sum() / expected.sum())
