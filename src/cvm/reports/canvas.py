"""What all figures share: an empty canvas, colours, and labels beside lines instead of a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# The winner speaks, the rest is context. Hues of Okabe and Ito, apart from each other for every kind of colour vision.
WINNER, OTHERS, INK, FAINT = "#0b6e75", ("#d55e00", "#56a0d3", "#9a7fb8", "#8a8fa3"), "#3a3f51", "#b8bcc9"
# Lines of text must lie so far apart, in shares of the height of the axes.
_LABEL_HEIGHT = 0.055


def canvas(title: str) -> tuple[Figure, Axes]:
    """One pair of axes under a title."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    dressed(axes)
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
    return figure, axes


def dressed(axes: Axes) -> None:
    """Without a frame, the grid behind everything."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#eceef3")
    axes.set_axisbelow(True)


def styled(series: Mapping[str, Floats], winner: str) -> list[tuple[str, str, float]]:
    """Name, colour and line width of each series, the winner last, so that it is drawn on top."""
    others = [name for name in series if name != winner]
    found = [(name, OTHERS[min(i, len(OTHERS) - 1)], 1.2) for i, name in enumerate(reversed(others))]
    return [*reversed(found), (winner, WINNER, 2.4)] if winner in series else found


def label_lines(axes: Axes, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write each line's name right of the axes, at the height where it ends, moved apart where names would overlap.

    Parameters
    ----------
    axes : Axes
        With their final limits.
    ends : sequence of (y, name, colour)
    """
    low, high = axes.get_ylim()
    ends = sorted(ends)
    wanted = np.array([(y - low) / (high - low) for y, _, _ in ends])
    steps = _LABEL_HEIGHT * np.arange(len(ends))
    # Pushed up by the name below, then all together down again by half of what that took.
    heights = np.maximum.accumulate(wanted - steps) + steps
    heights = np.minimum(heights - (heights - wanted).mean(), 1.0 - steps[::-1])
    for height, (_, name, colour) in zip(heights, ends, strict=True):
        axes.annotate(
            name,
            (1.0, float(height)),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            fontweight="bold" if colour == WINNER else "normal",
            fontsize=9,
            annotation_clip=False,
        )
