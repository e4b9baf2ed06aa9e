from __future__ import annotations

from datetime import date

import pytest

from cvm.errors import ParamsError
from cvm.scoring.dates import Every, dates_between


@pytest.mark.parametrize(
    ("first", "last", "every", "expected"),
    [
        ("2025-01-01", "2025-12-31", "month", [f"2025-{month:02d}-01" for month in range(1, 13)]),
        ("2024-01-31", "2024-05-30", "month", ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]),
        ("2024-11-15", "2025-01-15", "month", ["2024-11-15", "2024-12-15", "2025-01-15"]),
        ("2025-12-22", "2026-01-05", "week", ["2025-12-22", "2025-12-29", "2026-01-05"]),
        ("2025-12-31", "2026-01-02", "day", ["2025-12-31", "2026-01-01", "2026-01-02"]),
        ("2025-12-31", "2025-12-31", "week", ["2025-12-31"]),
    ],
)
def test_a_backfill_goes_from_the_first_date_to_the_last_at_most(first, last, every, expected):
    found = dates_between(date.fromisoformat(first), date.fromisoformat(last), every=Every(every))
    assert [str(day) for day in found] == expected


def test_dates_the_wrong_way_round_are_refused():
    with pytest.raises(ParamsError, match=r"--from 2025-02-01 --to 2025-01-01 holds no date"):
        dates_between(date(2025, 2, 1), date(2025, 1, 1), every=Every.DAY)
