from __future__ import annotations

from datetime import date

import pytest

from cvm.kpis.periods import Period, Span, calendar_periods, unfinished

MARCH = Period("month", date(2024, 3, 1), date(2024, 4, 1))


@pytest.mark.parametrize(
    ("kind", "starts"),
    [
        ("month", ["2023-11-01", "2023-12-01", "2024-01-01", "2024-02-01"]),
        ("quarter", ["2023-10-01", "2024-01-01"]),
        ("year", ["2023-01-01", "2024-01-01"]),
    ],
)
def test_periods_hold_every_day_and_follow_each_other(kind, starts):
    periods = calendar_periods([kind], first=date(2023, 11, 20), end=date(2024, 2, 2))
    assert [period.start.isoformat() for period in periods] == starts
    assert [period.end for period in periods[:-1]] == [period.start for period in periods[1:]]


def test_a_period_that_begins_when_the_data_end_is_none():
    assert calendar_periods(["month"], first=date(2024, 1, 5), end=date(2024, 2, 1)) == [
        Period("month", date(2024, 1, 1), date(2024, 2, 1))
    ]


def test_three_days_may_pass_without_a_sale_in_february_too():
    february = Period("month", date(2023, 2, 1), date(2023, 3, 1))
    assert Span(date(2022, 1, 1), date(2023, 2, 26)).gap(february, what="orders") is None
    assert Span(date(2022, 1, 1), date(2023, 2, 25)).gap(february, what="orders") == "orders end before 2023-02-25"


@pytest.mark.parametrize(
    ("first", "end", "reason"),
    [
        ("2024-03-01", "2024-04-01", None),
        ("2024-03-04", "2024-03-29", None),  # three days may pass without a sale
        ("2024-03-05", "2024-04-01", "orders begin on 2024-03-05"),
        ("2024-03-01", "2024-03-28", "orders end before 2024-03-28"),
    ],
)
def test_a_period_is_told_of_but_for_a_tenth(first, end, reason):
    assert Span(date.fromisoformat(first), date.fromisoformat(end)).gap(MARCH, what="orders") == reason


def test_a_period_is_over_on_the_day_after_it():
    assert unfinished(MARCH, as_of=date(2024, 4, 1)) is None
    assert unfinished(MARCH, as_of=date(2024, 3, 31)) == "the month is not over: the data end before 2024-03-31"
