from __future__ import annotations

import io
from datetime import date

import numpy as np
import pandas as pd
from rich.console import Console

from cvm.reports.segments import segmented_tables
from cvm.scoring.migrations import Migrations

SCORES = pd.DataFrame({"segment": ["vip", "vip", "[red]odd"], "clv": [200.0, 100.0, 10.0], "p_churn": [0.1, 0.2, np.nan]})
GROWTH = pd.DataFrame(
    {"kind": ["both", "upsell", "none"], "cross_sell_room": [5.0, 0.0, np.nan], "upsell_room": [3.0, 2.0, 0.0]}
)
MATRIX = pd.DataFrame(
    [
        ("vip", "vip", 1, 150.0, 200.0),
        ("[red]odd", "vip", 1, 40.0, 100.0),
        ("old", None, 2, 30.0, 0.0),
        (None, "[red]odd", 1, 0.0, 10.0),
    ],
    columns=["from_segment", "to_segment", "n_customers", "previous_clv", "clv"],
)
CLUSTERS = {
    "method": "k-means",
    "k": 2,
    "stability": 0.5,
    "note": "Not stable: look elsewhere.",
    "clusters": [
        {"name": "recent", "n": 2, "share": 2 / 3, "mean_clv": 150.0, "mean_p_churn": 0.15},
        {"name": "long silent", "n": 1, "share": 1 / 3, "mean_clv": 10.0, "mean_p_churn": None},
    ],
}


def shown(migrations=None, growth=GROWTH, clusters=CLUSTERS) -> str:
    console = Console(width=140, file=io.StringIO(), record=True)
    goals = {"vip": "keep", "[red]odd": "wonder"}
    console.print(*segmented_tables(SCORES, migrations, growth, clusters, goals=goals, currency="UAH"), sep="\n")
    return console.export_text()


def moved(matrix: pd.DataFrame = MATRIX) -> str:
    return shown(Migrations(date(2026, 1, 1), date(2026, 2, 1), matrix))


def line(text: str, start: str, *, after: str = "") -> list[str]:
    return next(row.split() for row in text[text.index(after) :].splitlines() if row.strip().startswith(start))


def test_the_matrix_reads_from_rows_to_columns():
    text = moved()
    after = "Moves from 2026-01-01 (rows) to"
    assert line(text, "from \\ to", after=after) == ["from", "\\", "to", "vip", "[red]odd", "old", "gone", "all", "stayed"]
    assert line(text, "vip", after=after) == ["vip", "1", "·", "·", "·", "1", "100%"]
    assert line(text, "[red]odd", after=after) == ["[red]odd", "1", "·", "·", "·", "1", "0%"]
    assert line(text, "old", after=after) == ["old", "·", "·", "·", "2", "2", "0%"]
    assert line(text, "joined", after=after) == ["joined", "·", "1", "·", "·", "1"]
    assert line(text, "all", after=after) == ["all", "2", "1", "0", "2", "5", "50%"]


def test_the_moves_tell_the_value_that_went_with_them():
    text = moved()
    assert line(text, "[red]odd", after="All moves, CLV in UAH")[:6] == ["[red]odd", "vip", "1", "40", "100", "+60"]
    assert (
        "CLV +90 UAH since 2026-01-01: +50 of 1 who stayed, +60 of 1 who moved, +10 of 1 who joined, -30 of 2 who are gone."
    ) in " ".join(text.split())


def test_a_first_run_says_that_there_is_nothing_to_compare():
    assert "No earlier scores to compare with" in shown()
    assert "rows" not in shown()


def test_nobody_moved_is_said():
    assert "Nobody moved." in moved(MATRIX.head(1))


def test_room_and_clusters_are_told_where_they_are_known():
    text = shown()
    assert "cross-sell 1 customers, 5 UAH a year; upsell 2 customers, 5 UAH a year" in text
    assert line(text, "long silent") == ["long", "silent", "1", "33.3%", "10.00", "-"]
    assert "Not stable: look elsewhere." in text
    nothing = GROWTH.assign(cross_sell_room=np.nan, upsell_room=np.nan)
    assert "no categories and no quantities" in shown(growth=nothing, clusters=None)
