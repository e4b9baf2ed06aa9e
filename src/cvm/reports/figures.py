"""Figures of value predictions and of importance, as matplotlib figures without a window."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cvm.evaluation import reliability
from cvm.reports.canvas import INK, WINNER, canvas, styled

Floats = NDArray[np.float64]


def gains_figure(revenue: Floats, predicted: Mapping[str, Floats], *, winner: str) -> Figure:
    """Share of all revenue held by the top customers of each model."""
    figure, axes = canvas("How much of the revenue do the best customers hold?")
    share = np.linspace(0, 1, 101)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=":", label="no model")
    for name, colour, width in styled(predicted, winner):
        held = np.append(0.0, np.cumsum(revenue[np.argsort(-predicted[name], kind="stable")]) / revenue.sum())
        axes.plot(share, np.interp(share, np.linspace(0, 1, len(held)), held), color=colour, linewidth=width, label=name)
    axes.set(xlabel="share of customers, best first", ylabel="share of revenue", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, loc="lower right")
    return figure


def value_calibration_figure(revenue: Floats, predicted: Mapping[str, Floats], *, winner: str) -> Figure:
    """Predicted against actual mean revenue in ten equal groups, both over the overall mean."""
    figure, axes = canvas("Is the predicted value on the right level?")
    mean = revenue.mean()
    for name, colour, width in styled(predicted, winner):
        groups = reliability(revenue, predicted[name])
        axes.plot(
            groups.predicted / mean,
            groups.happened / mean,
            "o-",
            color=colour,
            linewidth=width,
            markersize=4,
            label=name,
        )
    top = float(max(axes.get_xlim()[1], axes.get_ylim()[1]))
    axes.plot([0, top], [0, top], color=INK, linewidth=1, linestyle=":", label="perfect", zorder=0)
    axes.set(xlabel="predicted revenue (1 = average customer)", ylabel="actual revenue", xlim=(0, top), ylim=(0, top))
    axes.legend(frameon=False, loc="lower right")
    return figure


def importance_figure(importance: Mapping[str, float], *, title: str) -> Figure:
    """The fifteen columns whose trees gained most."""
    return _bars(importance, title=title, xlabel="share of gain")


def drivers_figure(drivers: Mapping[str, float]) -> Figure:
    """The fifteen themes that move the churn probability most, the anchor included.

    Parameters
    ----------
    drivers : mapping of str to float
        Theme to its mean absolute contribution to the logit, largest first.
    """
    return _bars(drivers, title="What drives churn?", xlabel="mean contribution to the logit, whatever its sign")


def _bars(sizes: Mapping[str, float], *, title: str, xlabel: str) -> Figure:
    figure, axes = canvas(title)
    top = list(sizes.items())[:15][::-1]
    axes.barh([name for name, _ in top], [size for _, size in top], color=WINNER)
    axes.set(xlabel=xlabel)
    axes.grid(visible=False, axis="y")
    return figure
