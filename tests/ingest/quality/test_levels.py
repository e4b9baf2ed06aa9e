from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pytest

from cvm.ingest.quality.levels import Floats, level_breaks
from inspected import findings_of
from shop import order

YEAR = 365


def weekly(daily: Floats) -> Floats:
    return np.convolve(daily, np.ones(7), "valid")


def shop_days(n_years: int = 3, *, mean: float = 40.0, seed: int = 2) -> Floats:
    """Orders a day of a growing shop that doubles before Christmas, within five weeks, and falls back after it."""
    day = np.arange(n_years * YEAR)
    season = np.exp(np.log(2.2) * np.exp(-(((day % YEAR) - 345) ** 2) / (2 * 12.0**2)))
    return np.random.default_rng(seed).poisson(mean * (1 + day / YEAR / 4) * season).astype(float)


def breaks(daily: Floats) -> list[int]:
    return [each.day for each in level_breaks(weekly(daily), weekly(daily))]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mean", [2.0, 15.0, 200.0])
def test_growth_and_a_season_are_no_break(mean: float, seed: int) -> None:
    assert breaks(shop_days(mean=mean, seed=seed)) == []


@pytest.mark.parametrize("factor", [0.0, 0.3, 0.5, 2.0, 10.0])
@pytest.mark.parametrize("day", [200, 620, 1000])
def test_a_source_that_stops_or_doubles_is_a_break_on_its_day(factor: float, day: int) -> None:
    daily = shop_days()
    daily[day:] *= factor
    # With less than two years left, a Christmas is seen once and its end may be found, too.
    assert min(abs(found - day) for found in breaks(daily)) <= 3


def test_the_level_before_and_after_is_told() -> None:
    daily = np.full(300, 10.0)
    daily[150:] = 30
    (found,) = level_breaks(weekly(daily), weekly(daily))
    assert (found.day, found.before, found.after) == (150, 70, 210)


def test_a_fall_that_comes_every_year_is_a_season() -> None:
    daily = np.random.default_rng(1).poisson(40, 3 * YEAR).astype(float)
    summer = np.concatenate([np.arange(180, 260) + year * YEAR for year in range(3)])
    daily[summer] = daily[summer] // 3
    assert breaks(daily) == []
    assert breaks(daily[:YEAR]) != []


def test_a_peak_of_two_weeks_is_no_change_of_level() -> None:
    daily = shop_days(mean=100)
    daily[500:514] *= 3
    assert breaks(daily) == []


@pytest.mark.parametrize("daily", [np.zeros(7), np.ones(82), np.zeros(400)])
def test_too_little_shows_no_break(daily: Floats) -> None:
    assert breaks(daily) == []


def test_each_measure_has_its_own_finding() -> None:
    start = date(2023, 1, 2)
    rows = [
        order(f"c{k}", on=start + timedelta(days=day), amount=5.0 if day < 120 else 500.0)
        for day in range(240)
        for k in range(6)
    ]
    found = findings_of(transactions=rows)
    assert {name for name in found if name.startswith("sudden")} == {
        "sudden break in revenue per week",
        "sudden break in order value",
    }
    value = found["sudden break in order value"]
    assert (value.severity, value.examples) == ("warning", ("2023-05-02",))
    assert "rose from 5 to 500" in value.meaning


@pytest.mark.parametrize(
    ("start", "left", "severity"), [("12-27", 3, "info"), ("12-27", 1, "warning"), ("11-27", 3, "warning")]
)
def test_a_moderate_fall_after_christmas_may_be_the_season(start: str, left: int, severity: str) -> None:
    first, fall = date(2022, 9, 1), date.fromisoformat(f"2022-{start}")
    rows = [
        order(f"c{k}", on=first + timedelta(days=day), amount=5.0)
        for day in range(240)
        for k in range(7 if first + timedelta(days=day) < fall else left)
    ]
    found = findings_of(transactions=rows, now=datetime(2023, 6, 1))["sudden break in orders per week"]
    assert (found.severity, found.examples) == (severity, (str(fall),))
