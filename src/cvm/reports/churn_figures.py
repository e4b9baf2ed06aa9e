"""Figures of churn probabilities: do they mean what they say, whom do they find, and what is it worth to act on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, StrMethodFormatter
from numpy.typing import NDArray

from cvm.evaluation import ContactDecision, cumulative_gains, lift_by_group, reliability, wilson_interval
from cvm.reports.canvas import FAINT, INK, OTHERS, WINNER, canvas, dressed, label_lines, styled

Floats = NDArray[np.float64]

_TITLE = {"loc": "left", "fontsize": 11, "fontweight": "bold", "color": INK}


def reliability_figure(churned: Floats, p_churn: Mapping[str, Floats], *, winner: str) -> Figure:
    """Predicted against observed churn in ten equal groups, with 95 % intervals, above the spread of the predictions.

    Parameters
    ----------
    churned : array of shape (n_customers,)
    p_churn : mapping of str to array of shape (n_customers,)
        Probabilities of every candidate.
    winner : str
        Name of the model to bring out; the intervals and the spread are its own.
    """
    figure = Figure(figsize=(7.5, 6), layout="constrained")
    axes, spread = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    for part in (axes, spread):
        dressed(part)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=":")
    ends = []
    for name, colour, width in styled(p_churn, winner):
        groups = reliability(churned, p_churn[name])
        if name == winner:
            low, high = wilson_interval(groups.happened, groups.n_customers)
            axes.vlines(groups.predicted, low, high, color=colour, linewidth=5, alpha=0.25)
        axes.plot(groups.predicted, groups.happened, "o-", color=colour, linewidth=width, markersize=4, clip_on=False)
        ends.append((float(groups.happened[-1]), name, colour))
    axes.set(ylabel="observed churn", xlim=(0, 1), ylim=(0, 1))
    label_lines(axes, ends)
    axes.set_title("Does the churn probability mean what it says?", **_TITLE)
    axes.text(
        0.99, 0.03, "dotted: perfect; bars: 95 % intervals", transform=axes.transAxes, ha="right", color=INK, fontsize=8
    )
    if winner in p_churn:
        spread.hist(p_churn[winner], bins=np.linspace(0, 1, 41), color=WINNER)
    spread.set(xlabel="predicted churn", ylabel="customers")
    spread.grid(visible=False, axis="x")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    spread.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return figure


def lift_figure(churned: Floats, p_churn: Mapping[str, Floats], *, winner: str) -> Figure:
    """Which share of those who left the likeliest hold, and how much likelier than the average each tenth is.

    Parameters
    ----------
    churned : array of shape (n_customers,)
        Not all 0.
    p_churn : mapping of str to array of shape (n_customers,)
    winner : str
        Name of the model to bring out.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    gains, lift = figure.subplots(1, 2)
    for part in (gains, lift):
        dressed(part)
    rate = float(churned.mean())
    gains.plot([0, rate, 1], [0, 1, 1], color=FAINT, linewidth=1)
    gains.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=":")
    ends = []
    for name, colour, width in styled(p_churn, winner):
        gains.plot(*cumulative_gains(churned, p_churn[name]), color=colour, linewidth=width)
        tenths = lift_by_group(churned, p_churn[name]).lift[::-1]
        lift.plot(np.arange(1, len(tenths) + 1), tenths, "o-", color=colour, linewidth=width, markersize=4, clip_on=False)
        ends.append((float(tenths[-1]), name, colour))
    gains.set(
        xlabel="share of customers, likeliest to leave first", ylabel="share of those who left", xlim=(0, 1), ylim=(0, 1)
    )
    gains.set_title("Whom does the ranking find?", **_TITLE)
    gains.text(
        0.98, 0.04, "grey: perfect ranking; dotted: none", transform=gains.transAxes, ha="right", color=INK, fontsize=8
    )
    lift.axhline(1, color=FAINT, linewidth=1, linestyle=":")
    lift.set(xlabel="tenth of the customers, likeliest to leave last", ylabel="churn over that of all", ylim=(0, None))
    lift.set_xticks(range(1, 11))
    label_lines(lift, ends)
    lift.set_title(f"How much likelier is each tenth? All: {rate:.0%}", **_TITLE)
    for axis in (gains.xaxis, gains.yaxis):
        axis.set_major_formatter(PercentFormatter(1))
    return figure


def profit_figure(decision: ContactDecision, *, currency: str) -> Figure:
    """Profit of a retention contact by the share of customers contacted, by risk and by expected gain."""
    terms = decision.terms
    figure, axes = canvas("What is it worth to contact the likeliest to leave?")
    axes.axhline(0, color=FAINT, linewidth=1)
    axes.plot(decision.share, decision.profit_by_risk, color=OTHERS[0], linewidth=1.6)
    axes.plot(decision.share, decision.profit_by_gain, color=WINNER, linewidth=2.4)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.15 * (high - low))
    risk, gain = decision.by_threshold, decision.by_customer
    if decision.threshold is not None:
        _mark(
            axes, risk.n_contacted / decision.n_customers, risk.profit, f"churn ≥ {decision.threshold:.0%}", OTHERS[0], -28
        )
    _mark(axes, gain.n_contacted / decision.n_customers, gain.profit, "own expected profit > 0", WINNER, 10)
    top = float(axes.get_ylim()[1])
    axes.text(0.01, top, "by expected profit", color=WINNER, fontsize=9, fontweight="bold", va="top")
    axes.text(0.01, top, "\nby churn probability", color=OTHERS[0], fontsize=9, va="top")
    axes.set(
        xlabel=f"share contacted; a contact costs {terms.cost:,.2f} {currency}, keeps {terms.save_rate:.0%} of leavers",
        ylabel=f"profit on the test snapshot, {currency}",
        xlim=(0, 1),
    )
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    return figure


def _mark(axes: Axes, x: float, y: float, text: str, colour: str, offset: float) -> None:
    axes.plot([x], [y], "o", color=colour, markersize=6)
    right = x > 0.7
    axes.annotate(
        f"{text}: {y:,.0f}",
        (x, y),
        xytext=(-6 if right else 6, offset),
        textcoords="offset points",
        ha="right" if right else "left",
        color=colour,
        fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
    )
