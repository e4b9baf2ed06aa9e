"""Months, quarters and years of the calendar, and which of them the data tells all about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS: dict[str, int] = {"month": 1, "quarter": 3, "year": 12}
# Days without any row at the edge of a table that may be missing by chance, as a share of the period.
_EDGE = 0.1
# And at least so many, in months of any length.
_EDGE_DAYS = 3


@dataclass(frozen=True)
class Period:
    """Days ``[start, end)`` in the business time zone; a ``snapshot`` starts and ends at its ``as_of``."""

    kind: str
    start: date
    end: date

    @property
    def label(self) -> str:
        """As a reader would call it: 2024, Q2 2024, Feb 2024.

        >>> Period("quarter", date(2024, 4, 1), date(2024, 7, 1)).label
        'Q2 2024'
        """
        if self.kind == "year":
            return str(self.start.year)
        if self.kind == "quarter":
            return f"Q{(self.start.month + 2) // 3} {self.start.year}"
        return f"{self.start:%b %Y}" if self.kind == "month" else self.start.isoformat()


@dataclass(frozen=True)
class Span:
    """First day that a table tells of, and the first it does not."""

    first: date
    end: date

    def gap(self, period: Period, *, what: str) -> str | None:
        """Why the rows of a period are not all there; ``None`` where they are.

        A tenth of the period, and three days, may pass without a row at either edge: a shop has days without a sale.
        """
        slack = timedelta(days=max(_EDGE_DAYS, int((period.end - period.start).days * _EDGE)))
        if self.first > period.start + slack:
            return f"{what} begin on {self.first}"
        if self.end < period.end - slack:
            return f"{what} end before {self.end}"
        return None


def later(month: date, *, months: int) -> date:
    """First day of a month so many months on, or back where there are fewer than 0.

    >>> later(date(2023, 11, 1), months=3)
    datetime.date(2024, 2, 1)
    """
    number = month.year * 12 + month.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def calendar_periods(kinds: Iterable[str], *, first: date, end: date) -> list[Period]:
    """All periods that hold a day of ``[first, end)``, by kind and time.

    Parameters
    ----------
    kinds : iterable of {"month", "quarter", "year"}
    first, end : date
    """
    found = []
    for kind in kinds:
        months = MONTHS[kind]
        start = date(first.year, (first.month - 1) // months * months + 1, 1)
        while start < end:
            following = later(start, months=months)
            found.append(Period(kind, start, following))
            start = following
    return found


def unfinished(period: Period, *, as_of: date) -> str | None:
    """Why a period has no figures yet; ``None`` once it is over."""
    return f"the {period.kind} is not over: the data end before {as_of}" if period.end > as_of else None
