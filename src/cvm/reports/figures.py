"""Figures of a judgement, as matplotlib figures without a window."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cvm.evaluation import reliability

Floats = NDArray[np.float64]

# One colour per rank of importance: the winner speaks, the rest is context.
_WINNER, _OTHERS, _IDEAL = "#0b6e75", ("#c77d2e", "#8a8fa3", "#b8bcc9", "#d8dbe3"), "#3a3f51"


def reliability_figure(churned: Floats, p_churn: Mapping[str, Floats], *, winner: str) -> Figure:
    """Predicted against observed churn in ten equal groups, for every model.

    Parameters
    ----------
    churned : array of shape (n_customers,)
    p_churn : mapping of str to array of shape (n_customers,)
    winner : str
        Name of the model to bring out.
    """
    figure, axes = _canvas("Does the churn probability mean what it says?")
    axes.plot([0, 1], [0, 1], color=_IDEAL, linewidth=1, linestyle=":", label="perfect")
    for name, colour, width in _styled(p_churn, winner):
        groups = reliability(churned, p_churn[name])
        axes.plot(groups.predicted, groups.happened, "o-", color=colour, linewidth=width, markersize=4, label=name)
    axes.set(xlabel="predicted churn", ylabel="observed churn", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)
    return figure


def gains_figure(revenue: Floats, predicted: Mapping[str, Floats], *, winner: str) -> Figure:
    """Share of all revenue held by the top customers of each model."""
    figure, axes = _canvas("How much of the revenue do the best customers hold?")
    share = np.linspace(0, 1, 101)
    axes.plot([0, 1], [0, 1], color=_IDEAL, linewidth=1, linestyle=":", label="no model")
    for name, colour, width in _styled(predicted, winner):
        held = np.append(0.0, np.cumsum(revenue[np.argsort(-predicted[name], kind="stable")]) / revenue.sum())
        axes.plot(share, np.interp(share, np.linspace(0, 1, len(held)), held), color=colour, linewidth=width, label=name)
    axes.set(xlabel="share of customers, best first", ylabel="share of revenue", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False, loc="lower right")
    return figure


def value_calibration_figure(revenue: Floats, predicted: Mapping[str, Floats], *, winner: str) -> Figure:
    """Predicted against actual mean revenue in ten equal groups, both over the overall mean."""
    figure, axes = _canvas("Is the predicted value on the right level?")
    mean = revenue.mean()
    for name, colour, width in _styled(predicted, winner):
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
    axes.plot([0, top], [0, top], color=_IDEAL, linewidth=1, linestyle=":", label="perfect", zorder=0)
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
    figure, axes = _canvas(title)
    top = list(sizes.items())[:15][::-1]
    axes.barh([name for name, _ in top], [size for _, size in top], color=_WINNER)
    axes.set(xlabel=xlabel)
    axes.grid(visible=False, axis="y")
    return figure


def _canvas(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=_IDEAL)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#eceef3")
    axes.set_axisbelow(True)
    return figure, axes


def _styled(series: Mapping[str, Floats], winner: str) -> list[tuple[str, str, float]]:
    others = [name for name in series if name != winner]
    styled = [(name, _OTHERS[min(i, len(_OTHERS) - 1)], 1.2) for i, name in enumerate(reversed(others))]
    return [*reversed(styled), (winner, _WINNER, 2.4)] if winner in series else styled
