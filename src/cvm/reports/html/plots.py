"""Plots as plain values for Plotly. Colours are names of the theme, so that light and dark share one plot.

Plotly takes some HTML in its texts, so whatever is not ours, such as a segment's name, is escaped here. In texts handed in,
a line ends with a line feed.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import Any

Numbers = Sequence[float | None]
Plot = dict[str, Any]

_HEIGHT = 360

# Characters of a name beside an axis, also on a phone; the pointer shows all of it, in lines of so many.
_LONG, _LONG_ON_PHONES = 28, 19
_LINE = 72


def plot(traces: Sequence[Plot], **layout: Any) -> Plot:
    """Traces and layout, and the ``height`` in pixels out of it."""
    height = layout.pop("height", _HEIGHT)
    data = list(traces)
    for letter in ("x", "y"):
        along = layout.get(f"{letter}axis", {})
        if data and along.get("type") == "category" and not _are_plain(data[0][letter]):
            layout[f"{letter}axis"] = {**along, **_ticks(data[0][letter])}
            data = [{**trace, letter: list(range(len(trace[letter])))} for trace in data]
    return {"data": data, "layout": layout, "height": height}


def _are_plain(names: Sequence[str]) -> bool:
    """Whether names can stand as they are: short, each another, and nothing in them that Plotly would read."""
    return len(set(names)) == len(names) and all(len(name) <= _LONG_ON_PHONES and escaped(name) == name for name in names)


def _ticks(names: Sequence[str]) -> Plot:
    """Places by number, so that two names which look the same stay two; ``shorttext`` is for the page, on a phone."""
    ticks = {
        "ticktext": [_shortened(name, _LONG) for name in names],
        "shorttext": [_shortened(name, _LONG_ON_PHONES) for name in names],
    }
    return {"tickmode": "array", "tickvals": list(range(len(names))), **ticks}


def _shortened(name: str, most: int) -> str:
    """Start and end of a long name, which often tells it from others."""
    tail = most // 2
    return escaped(name if len(name) <= most else f"{name[: most - tail - 1]}…{name[-tail:]}")


def escaped(text: str) -> str:
    """Text that Plotly shows as it is; a line feed is a new line."""
    return escape(text, quote=False).replace("\n", "<br>")


def _hovers(texts: Sequence[str]) -> list[str]:
    """Texts beside the pointer, in lines that fit."""
    return ["<br>".join(escaped(part) for line in text.split("\n") for part in wrap(line, _LINE) or [""]) for text in texts]


def axis(title: str = "", **rest: Any) -> Plot:
    """An axis with a title."""
    return {"title": {"text": escaped(title)}, **rest}


def share_axis(title: str, **rest: Any) -> Plot:
    """An axis of shares."""
    return axis(title, tickformat=".0%", **rest)


def heatmap(
    values: Sequence[Numbers],
    *,
    columns: Sequence[str],
    rows: Sequence[str],
    texts: Sequence[Sequence[str]],
    hover: Sequence[Sequence[str]],
) -> Plot:
    """A grid of colours, first row on top; ``texts`` stand in the cells, ``hover`` beside the pointer."""
    return {
        "type": "heatmap",
        "z": [list(row) for row in values],
        "x": list(columns),
        "y": list(rows),
        "text": [[escaped(text) for text in row] for row in texts],
        "customdata": [_hovers(row) for row in hover],
        "texttemplate": "%{text}",
        "textfont": {"color": "@ink"},
        "hovertemplate": "%{customdata}<extra></extra>",
        "colorscale": [[0, "@scale0"], [0.5, "@scale1"], [1, "@scale2"]],
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }


def grid_layout(n_rows: int, *, x: str, y: str) -> Plot:
    """Layout of a heatmap: categories on both axes, read from the top."""
    return {
        "xaxis": axis(x, type="category", ticks="", showgrid=False),
        "yaxis": axis(y, type="category", ticks="", autorange="reversed", showgrid=False),
        "height": max(260, 110 + 34 * n_rows),
    }


def bars(
    names: Sequence[str], values: Numbers, *, label: str = "", hover: Sequence[str] = (),
    colour: str | Sequence[str] = "@accent", across: bool = False,
) -> Plot:  # fmt: skip
    """Bars; ``across`` lays them down, for long names; ``colour`` of all, or of each."""
    return {
        "type": "bar",
        "x": list(values) if across else list(names),
        "y": list(names) if across else list(values),
        "orientation": "h" if across else "v",
        "name": escaped(label),
        "customdata": _hovers(hover),
        "hovertemplate": "%{customdata}<extra></extra>" if hover else "%{x}, %{y}<extra></extra>",
        "marker": {"color": colour if isinstance(colour, str) else list(colour)},
    }


def line(
    x: Sequence[Any], y: Numbers, *, label: str = "", hover: Sequence[str] = (), colour: str = "@accent",
    dash: str = "solid",
) -> Plot:  # fmt: skip
    """A line."""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": list(x),
        "y": list(y),
        "name": escaped(label),
        "customdata": _hovers(hover),
        "hovertemplate": "%{customdata}<extra></extra>" if hover else None,
        "hoverinfo": None if hover else "skip",
        "line": {"color": colour, "dash": dash, "width": 2.4 if dash == "solid" else 1.2},
    }


def intervals(
    x: Sequence[Any], y: Sequence[Any], lower: Numbers, upper: Numbers, *, across: bool = False,
    label: str = "", hover: Sequence[str] = (), colour: str | Sequence[str] = "@accent",
) -> Plot:  # fmt: skip
    """Points with intervals; ``across``: along x, one name per line."""
    middle = x if across else y
    error = {
        "type": "data",
        "symmetric": False,
        "array": [_distance(high, value) for high, value in zip(upper, middle, strict=True)],
        "arrayminus": [_distance(value, low) for low, value in zip(lower, middle, strict=True)],
        "color": colour if isinstance(colour, str) else "@muted",
        "thickness": 1.6,
        "width": 0,
    }
    return {
        "type": "scatter",
        "mode": "markers",
        "x": list(x),
        "y": list(y),
        "error_x" if across else "error_y": error,
        "name": escaped(label),
        "customdata": _hovers(hover),
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"color": colour if isinstance(colour, str) else list(colour), "size": 9},
    }


def guide(*, x0: float, y0: float, x1: float, y1: float, yref: str = "y") -> Plot:
    """A dotted line behind the data, such as that of perfection."""
    return {
        "type": "line", "x0": x0, "y0": y0, "x1": x1, "y1": y1, "xref": "x", "yref": yref, "layer": "below",
        "line": {"color": "@muted", "width": 1.2, "dash": "dot"},
    }  # fmt: skip


def _distance(high: float | None, low: float | None) -> float | None:
    return None if high is None or low is None else max(high - low, 0.0)
