from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from cvm.ingest.quality.calendar import Floats, gap_findings, stale_findings, usual_counts
from inspected import NOW, findings_of
from shop import event, order

FIRST = date(2023, 1, 2)  # a Monday


def counts(mean: float, n_days: int = 364, *, seed: int = 3, closed: int | None = None) -> Floats:
    days = np.random.default_rng(seed).poisson(mean, n_days).astype(float)
    if closed is not None:
        days[closed::7] = 0
    return days


@pytest.mark.parametrize("mean", [0.1, 1.0, 5.0, 20.0, 300.0])
def test_a_business_without_an_outage_has_no_gap(mean: float) -> None:
    assert gap_findings("transactions", FIRST, counts(mean)) == []


@pytest.mark.parametrize("n_days", [1, 2, 5, 12, 80])
def test_an_outage_is_a_gap_however_long(n_days: int) -> None:
    days = counts(50)
    days[100 : 100 + n_days] = 0
    (finding,) = gap_findings("transactions", FIRST, days)
    assert (finding.n, finding.unit) == (n_days, "days")
    assert finding.severity == ("warning" if n_days > 2 else "info")
    start, end = FIRST + timedelta(days=100), FIRST + timedelta(days=99 + n_days)
    assert finding.examples == (str(start) if n_days == 1 else f"{start} to {end}",)


def test_a_weekday_on_which_the_shop_is_closed_is_no_gap() -> None:
    days = counts(50, closed=6)
    assert gap_findings("transactions", FIRST, days) == []
    days[12:15] = 0
    (finding,) = gap_findings("transactions", FIRST, days)
    assert (finding.n, finding.examples) == (2, ("2023-01-14 to 2023-01-16",))


def test_an_empty_day_of_a_small_shop_is_chance() -> None:
    days = counts(4)
    days[50] = 0
    assert gap_findings("transactions", FIRST, days) == []


def test_an_erratic_business_has_empty_days() -> None:
    rng = np.random.default_rng(8)
    days = rng.negative_binomial(0.8, 0.8 / (0.8 + 30), 364).astype(float)
    assert (days == 0).sum() > 10
    assert gap_findings("transactions", FIRST, days) == []


def test_the_days_between_the_years_are_information() -> None:
    days = counts(50, 400)
    days[355:366] = 0
    (finding,) = gap_findings("transactions", FIRST, days)
    assert (finding.severity, finding.examples) == ("info", ("2023-12-23 to 2024-01-02",))
    days[350:366] = 0
    assert gap_findings("transactions", FIRST, days)[0].severity == "warning"


def test_what_is_usual_is_of_the_weekday_and_of_the_season() -> None:
    days = np.concatenate([np.tile([10.0, 20, 30, 40, 50, 60, 0], 20), np.tile([100.0, 200, 300, 400, 500, 600, 0], 20)])
    usual = usual_counts(days)
    assert usual[:7].tolist() == [10, 20, 30, 40, 50, 60, 0]
    assert usual[-7:].tolist() == [100, 200, 300, 400, 500, 600, 0]


def test_a_table_that_ends_before_the_others_is_told() -> None:
    days = {"transactions": (FIRST, counts(50, 365)), "events": (FIRST, counts(50, 350))}
    (finding,) = stale_findings(days, today=FIRST + timedelta(days=366))
    assert (finding.table, finding.check, finding.n, finding.severity) == ("events", "ends early", 15, "warning")


def test_a_rare_event_may_end_before_the_others() -> None:
    rare = np.zeros(350)
    rare[::20] = 1
    rare[-1] = 1
    days = {"transactions": (FIRST, counts(50, 365)), "events": (FIRST, rare)}
    assert stale_findings(days, today=FIRST + timedelta(days=366)) == []


@pytest.mark.parametrize(("age", "severity"), [(31, None), (32, "warning"), (365, "warning"), (366, "info"), (9000, "info")])
def test_data_that_ends_long_ago_is_stale_until_it_is_an_archive(age: int, severity: str | None) -> None:
    last = FIRST + timedelta(days=363)
    findings = stale_findings({"transactions": (FIRST, counts(50))}, today=last + timedelta(days=age))
    assert [finding.severity for finding in findings] == ([severity] if severity else [])
    assert all(finding.n == age and finding.share <= 1 for finding in findings)


def arrivals(*, until: int, n_days: int = 200) -> list[dict[str, Any]]:
    """A newcomer each day until ``until``; someone of them buys again each day."""
    start = NOW.date() - timedelta(days=n_days)
    new = [order(f"c{k}", on=start + timedelta(days=k), amount=5.0) for k in range(until)]
    return new + [order(f"c{k % 50}", on=start + timedelta(days=k), amount=6.0) for k in range(50, n_days)]


def test_customers_who_stop_arriving_are_told() -> None:
    found = findings_of(transactions=arrivals(until=60))["new customers stop"]
    assert (found.severity, found.n) == ("warning", 140)
    assert "2023-08-22" in found.meaning


def test_customers_who_keep_arriving_are_not() -> None:
    assert "new customers stop" not in findings_of(transactions=arrivals(until=190))


def test_times_that_are_all_midnight_have_no_clock() -> None:
    def bought(at: datetime) -> dict[str, Any]:
        return {"customer_id": "a", "occurred_at": at, "amount": 5.0}

    # Midnight in Kyiv is 21 h UTC in summer and 22 h in winter.
    rows = [bought(datetime(2023, 7, 1, 21)), bought(datetime(2023, 12, 1, 22))]
    found = findings_of(timezone="Europe/Kyiv", transactions=rows)["no clock"]
    assert (found.n, found.severity) == (2, "info")
    assert "no clock" not in findings_of(transactions=rows)
    almost = [*rows, bought(datetime(2023, 12, 1, 22, 0, 1))]
    assert "no clock" not in findings_of(timezone="Europe/Kyiv", transactions=almost)


def test_events_have_a_calendar_of_their_own() -> None:
    days = [NOW.date() - timedelta(days=k) for k in range(1, 120) if not 40 <= k < 50]
    visits = [event(f"c{k}", "visit", on=day) for day in days for k in range(20)]
    found = findings_of(transactions=[order("a", on="2024-01-05", amount=1.0)], events=visits)["gap in the calendar"]
    assert (found.table, found.n, found.severity) == ("events", 10, "warning")


def test_a_channel_that_falls_silent_is_named() -> None:
    days = [NOW.date() - timedelta(days=k) for k in range(120, 0, -1)]
    web = [order(f"w{k}", on=day, amount=5.0, channel="web") for k, day in enumerate(days)]
    shop = [order(f"s{k}", on=day, amount=5.0, channel="shop") for k, day in enumerate(days[:60]) if k % 2 == 0]
    found = findings_of(transactions=web + shop)["channel falls silent"]
    assert (found.n, found.share, found.examples, found.severity) == (30, 0.2, ("shop",), "warning")
    assert "shop after 2023-11-09" in found.meaning


def test_a_channel_that_sells_now_and_then_is_not_silent() -> None:
    days = [NOW.date() - timedelta(days=k) for k in range(120, 0, -1)]
    web = [order(f"w{k}", on=day, amount=5.0, channel="web") for k, day in enumerate(days)]
    fair = [order(f"f{k}", on=days[k], amount=5.0, channel="fair") for k in range(0, 90, 14)]
    assert "channel falls silent" not in findings_of(transactions=web + fair)
