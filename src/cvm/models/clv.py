"""Value: revenue expected in the outcome window. What every model of it can say, and the baselines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.boosting import Boosted, WithoutTrees
from cvm.models.btyd import btyd_revenue

Floats = NDArray[np.float64]


class ValueModel(Protocol):
    """A way to turn features into expected revenue of the outcome window."""

    name: ClassVar[str]

    @property
    def boosters(self) -> Mapping[str, Boosted]:
        """The trees by their part in the model; none where it has none."""
        ...

    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """Revenue expected in the outcome window, for customers with at least one order."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything but the trees, as JSON values."""
        ...


class ValueBaseline(WithoutTrees, ABC):
    """A baseline: a formula that learns nothing from outcomes; ``state`` holds its constructor's values."""

    name: ClassVar[str]

    @classmethod
    @abstractmethod
    def over(cls, horizon_days: int) -> Self:
        """The baseline for an outcome window of so many days."""

    @abstractmethod
    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """See ``ValueModel.expected_revenue``."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """See ``ValueModel.state``."""


@dataclass(frozen=True)
class NaiveRate(ValueBaseline):
    """Everybody goes on as before: orders per day so far, times the window, times the mean order value."""

    name: ClassVar[str] = "naive rate"
    horizon_days: int

    @classmethod
    def over(cls, horizon_days: int) -> Self:
        """See ``ValueBaseline.over``."""
        return cls(horizon_days)

    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """See ``ValueModel.expected_revenue``."""
        per_day = features["n_orders"].to_numpy(float) / features["tenure_days"].to_numpy(float)
        return per_day * self.horizon_days * features["mean_order_value"].to_numpy(float)

    def state(self) -> dict[str, Any]:
        """See ``ValueModel.state``."""
        return {"horizon_days": self.horizon_days}


@dataclass(frozen=True)
class BtydValue(ValueBaseline):
    """BTYD's expected orders times its expected order value, which are of the window already."""

    name: ClassVar[str] = "BTYD"

    @classmethod
    def over(cls, horizon_days: int) -> Self:  # noqa: ARG003 - BTYD's columns are of this window
        """See ``ValueBaseline.over``."""
        return cls()

    def expected_revenue(self, features: pd.DataFrame) -> Floats:
        """See ``ValueModel.expected_revenue``."""
        return btyd_revenue(features)

    def state(self) -> dict[str, Any]:
        """See ``ValueModel.state``."""
        return {}


# Adding a baseline is adding its class here.
VALUE_BASELINES: Mapping[str, type[ValueBaseline]] = {one.name: one for one in (NaiveRate, BtydValue)}


def value_baseline_from_state(name: str, state: Mapping[str, Any]) -> ValueModel:
    """The baseline ``state`` was taken from.

    Raises
    ------
    KeyError
        If no baseline has this name.
    """
    read: Callable[..., ValueModel] = VALUE_BASELINES[name]
    return read(**state)
