"""Whether customers still buy as the model expects: a control chart of orders, month by month.

The history up to today is cut into windows of 30 days. At the start of each the model in use says, from what was known then,
how many orders the customers of that day will place; the log of what they placed over that is the miss of the window. Misses
of windows that the model knew when it was trained show how far a window may be off although nothing has changed, and which
way the model leans; a later window is out of control where it lies further off than they allow (Shewhart's chart of single
values, with limits of Student's t because the spread is estimated; Montgomery, Introduction to Statistical Quality Control).

Scores foretell a longer window, so waiting for their outcome takes months; a month of orders is enough for this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
from scipy.stats import t

from cvm.engines import DuckDBEngine
from cvm.features.histories import histories_query, later_orders_query
from cvm.features.query import Schema
from cvm.models.btyd import Btyd

WINDOW_DAYS = 30
# A year of windows shows every season once.
MOST_KNOWN = 12
LEAST_KNOWN = 4
# Typical miss of a month, and for how many windows it counts beside those seen.
_TYPICAL, _TYPICAL_WINDOWS = 0.06, 4.0
# What few orders leave to chance; customers who order in bursts make it more than the root of their number.
_BURSTS = 1.2


@dataclass(frozen=True)
class Month:
    """One window of the chart.

    Attributes
    ----------
    start, end : date
        ``[start, end)``.
    n_expected : float
        Orders expected of the customers known at ``start``.
    n_orders : int
        Orders they placed.
    is_known : bool
        Whether the model knew the window when it was trained.
    """

    start: date
    end: date
    n_expected: float
    n_orders: int
    is_known: bool

    @property
    def miss(self) -> float:
        """Log of orders over expected; half an order keeps it finite."""
        return float(np.log((self.n_orders + 0.5) / (self.n_expected + 0.5)))


@dataclass(frozen=True)
class Signal:
    """What one or several months after training say together.

    Attributes
    ----------
    months : tuple of Month
    change : float
        Of the purchase rate against the windows known, -0.2 = a fifth fewer orders.
    lower, upper : float
        What is usual: outside it a window lies once in ``1 / alpha`` times although nothing has changed.
    p_value : float
    """

    months: tuple[Month, ...]
    change: float
    lower: float
    upper: float
    p_value: float


def months_until(
    engine: DuckDBEngine, btyd: Btyd, *, as_of: date, trained_as_of: date, first_day: date, timezone: str
) -> list[Month]:
    """The windows of 30 days before ``as_of``, oldest first: those after training, and up to a year before it.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    btyd : Btyd
        Of the bundle in use.
    as_of : date
    trained_as_of : date
        Windows that end later were not known.
    first_day : date
        Of the data; the first ``WINDOW_DAYS`` teach nothing of repeat orders.
    timezone : str
        Zone that cuts days.
    """
    n_later = -(-max((as_of - trained_as_of).days, 0) // WINDOW_DAYS)
    n_possible = ((as_of - first_day).days - WINDOW_DAYS) // WINDOW_DAYS
    step = timedelta(days=WINDOW_DAYS)
    starts = [as_of - step * (k + 1) for k in range(max(min(n_later + MOST_KNOWN, n_possible), 0))][::-1]
    if not starts:
        return []
    schema = Schema.of(engine)
    histories = engine.table(histories_query(schema, starts, timezone=timezone)).to_pandas()
    placed = engine.table(later_orders_query(schema, as_of, days=WINDOW_DAYS, timezone=timezone)).to_pandas()
    n_orders = dict(zip(placed["windows_ago"].tolist(), placed["n_orders"].tolist(), strict=True))
    by_day = dict(list(histories.groupby(pd.to_datetime(histories["as_of"]).dt.date)))
    return [
        Month(
            start,
            start + step,
            _expected(btyd, by_day[start], start) if start in by_day else 0.0,
            int(n_orders.get((as_of - start).days // WINDOW_DAYS - 1, 0)),
            is_known=start + step <= trained_as_of,
        )
        for start in starts
    ]


def _expected(btyd: Btyd, histories: pd.DataFrame, as_of: date) -> float:
    """Orders in the window, by distinct histories; what an order is worth does not matter here."""
    known = histories.reset_index(drop=True).assign(mean_order_value=1.0)
    orders = btyd.predict(known, horizon_days=WINDOW_DAYS, as_of=as_of)["btyd_expected_orders"]
    return float((orders * known["n_customers"]).sum())


def signals(months: Sequence[Month], *, alpha: float = 0.002) -> list[Signal]:
    """What the months after training say: the last alone, and the last two together; nothing where too few are known.

    Parameters
    ----------
    months : sequence of Month
        Oldest first.
    alpha : float
        False alarms per signal.
    """
    known = [month for month in months if month.is_known][-MOST_KNOWN:]
    later = [month for month in months if not month.is_known]
    if len(known) < LEAST_KNOWN:
        return []
    misses = np.array([month.miss for month in known])
    chance = np.array([_BURSTS**2 / max(month.n_orders, 1) for month in known])
    lean, freedom = float(misses.mean()), len(known) - 1 + _TYPICAL_WINDOWS
    seen = float(np.sum((misses - lean) ** 2))
    # What windows differ by beside chance, which depends on how many orders there are.
    between = max((_TYPICAL_WINDOWS * _TYPICAL**2 + seen - float(chance.sum()) * (1 - 1 / len(known))) / freedom, 0.0)
    return [
        _signal(later[-n:], lean=lean, between=between, n_known=len(known), freedom=freedom, alpha=alpha)
        for n in (1, 2)
        if len(later) >= n
    ]


def _signal(months: Sequence[Month], *, lean: float, between: float, n_known: int, freedom: float, alpha: float) -> Signal:
    off = float(np.mean([month.miss for month in months])) - lean
    chance = float(np.mean([_BURSTS**2 / max(month.n_expected, 1.0) for month in months]))
    spread = float(np.sqrt((between + chance) / len(months) + (between + chance) / n_known))
    reach = float(t.ppf(1 - alpha / 2, freedom)) * spread
    p_value = float(2 * t.sf(abs(off) / spread, freedom))
    return Signal(tuple(months), float(np.expm1(off)), float(np.expm1(-reach)), float(np.expm1(reach)), p_value)
