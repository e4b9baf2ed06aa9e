"""What a competitor hands in, and how it is kept for another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class UnavailableError(Exception):
    """A competitor cannot take part; the message says why."""


@dataclass(frozen=True)
class Forecast:
    """Predictions for the customers of the test snapshot, in their order.

    Attributes
    ----------
    revenue, p_churn : array of shape (n_customers,), or None
        ``None`` where the competitor does not predict it.
    note : str
        What had to be done to get them.
    """

    revenue: Floats | None = None
    p_churn: Floats | None = None
    note: str = ""


def write_forecasts(path: Path, forecasts: Mapping[str, Forecast], missing: Mapping[str, str]) -> None:
    """Keep forecasts, and why others are missing."""
    columns = {
        f"{name}|{what}": values
        for name, forecast in forecasts.items()
        for what, values in (("revenue", forecast.revenue), ("p_churn", forecast.p_churn))
        if values is not None
    }
    frame = pd.DataFrame(columns)
    frame.attrs = {"notes": {name: forecast.note for name, forecast in forecasts.items()}, "missing": dict(missing)}
    frame.to_parquet(path)


def read_forecasts(path: Path) -> tuple[dict[str, Forecast], dict[str, str]]:
    """What ``write_forecasts`` kept."""
    frame = pd.read_parquet(path)
    held = {name: values.to_numpy(float) for name, values in frame.items()}
    notes = frame.attrs["notes"]
    forecasts = {name: Forecast(held.get(f"{name}|revenue"), held.get(f"{name}|p_churn"), notes[name]) for name in notes}
    return forecasts, frame.attrs["missing"]
