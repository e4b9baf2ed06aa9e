from __future__ import annotations

from datetime import date
from io import StringIO

import pyarrow as pa
import pytest
from rich.console import Console

from cvm.kpis.files import write_kpi_files
from cvm.kpis.goals import GoalProgress, goal_table
from cvm.kpis.table import SCHEMA
from cvm.reports.kpis import figure, kpi_tables

MONTHS = [date(2023, 6, 1), date(2024, 5, 1), date(2024, 6, 1), date(2024, 7, 1)]
GOAL = GoalProgress(
    as_of=date(2024, 7, 15), goal="keep [vips]", metric="churn_rate", segment="vip", period="month", unit="share",
    deadline=date(2024, 12, 31), baseline=0.2, baseline_from=date(2024, 1, 1), target=0.17, value=0.185, lower=0.1,
    upper=0.3, progress=0.5, status="on_track",
)  # fmt: skip


def row(kpi, start, value, unit):
    return {
        "kpi": kpi, "period": "month", "period_start": start, "period_end": start, "group_by": "all", "value": value,
        "unit": unit, "currency": "EUR" if unit == "currency" else None,
    }  # fmt: skip


def shown(tmp_path, goals=()):
    values = {
        ("orders", "orders"): [100, 80, 120, None],
        ("revenue", "currency"): [1000.0, 0.0, 1500.0, None],
        ("churn_rate", "share"): [0.1, 0.12, 0.11, None],
        ("nps", "score"): [None, 10.0, 12.5, None],
        ("open_rate", "share"): [None, None, None, None],
    }
    rows = [
        row(kpi, start, value, unit)
        for (kpi, unit), told in values.items()
        for start, value in zip(MONTHS, told, strict=True)
    ]
    kpis = pa.Table.from_pylist(rows, schema=SCHEMA)
    write_kpi_files(tmp_path / "kpis", kpis=kpis, cohorts=kpis.slice(0, 0), goals=goal_table(goals))
    console = Console(width=160, record=True, file=StringIO())
    console.print(*kpi_tables(tmp_path / "kpis"), sep="\n")
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_the_last_month_that_is_over_is_set_against_the_one_before_and_a_year_ago(tmp_path):
    lines = shown(tmp_path)
    assert "Jun 2024 before year ago" in lines
    assert "orders 120 +50.0% +20.0%" in lines
    assert "revenue, EUR 1,500 - +50.0%" in lines  # nothing can be told of a change from 0
    assert "churn rate 11.0% -1.0 pp +1.0 pp" in lines
    assert "NPS 12.50 +2.5 -" in lines
    assert not [line for line in lines if line.startswith("open rate")]


def test_goals_are_shown_as_they_are_written_with_the_reason_of_those_not_measured(tmp_path):
    blind = GoalProgress(
        as_of=GOAL.as_of, goal="blind", metric="clv", segment=None, period="snapshot", unit="currency",
        deadline=GOAL.deadline, baseline=None, baseline_from=None, target=None, reason="needs scores, and there is none",
    )  # fmt: skip
    lines = shown(tmp_path, [GOAL, blind])
    assert "keep [vips] churn_rate vip 20.0% 18.5% 10.0% to 30.0% 17.0% 2024-12-31 50% on track" in lines
    assert "blind clv all - - - - 2024-12-31 - not measured" in lines
    assert "blind: needs scores, and there is none" in lines


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "share", "-"),
        (0.1234, "share", "12.3%"),
        (1234.4, "customers", "1,234"),
        (12.346, "ratio", "12.35"),
        (12345.6, "currency", "12,346"),
    ],
)
def test_a_figure_is_written_as_its_unit_is_read(value, unit, text):
    assert figure(value, unit) == text
