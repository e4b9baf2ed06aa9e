from __future__ import annotations

import pandas as pd

from cvm.segments import border_crossers, matched, migration_matrix


def run(rows: list[tuple[str, str, float]]) -> pd.DataFrame:
    ids, segments, clv = zip(*rows, strict=True)
    return pd.DataFrame({"customer_id": ids, "segment": segments, "clv": clv, "p_churn": 0.5})


BEFORE = run([("a", "vip", 100.0), ("b", "vip", 80.0), ("c", "core", 50.0), ("d", "lost", 1.0)])
NOW = run([("c", "vip", 90.0), ("b", "core", 30.0), ("a", "vip", 110.0), ("e", "new", 20.0)])
BOTH = matched(BEFORE, NOW)


def test_the_matrix_counts_customers_and_the_value_that_moved_with_them():
    found = migration_matrix(BOTH).astype(object)
    rows = found.where(found.notna(), None).to_numpy().tolist()
    assert sorted(rows, key=str) == sorted(
        [
            ["vip", "vip", 1, 100.0, 110.0],
            ["vip", "core", 1, 80.0, 30.0],
            ["core", "vip", 1, 50.0, 90.0],
            ["lost", None, 1, 1.0, 0.0],
            [None, "new", 1, 0.0, 20.0],
        ],
        key=str,
    )


def test_who_crossed_a_border_comes_by_the_change_of_value():
    found = border_crossers(BOTH)
    assert found["customer_id"].tolist() == ["b", "c"]  # neither who stayed, nor who joined or went
    assert found.columns.tolist() == [
        "customer_id",
        "from_segment",
        "to_segment",
        "previous_clv",
        "clv",
        "previous_p_churn",
        "p_churn",
    ]


def test_equal_changes_come_by_id():
    before, now = run([("b", "x", 1.0), ("a", "x", 2.0)]), run([("b", "y", 2.0), ("a", "y", 1.0)])
    assert border_crossers(matched(before, now))["customer_id"].tolist() == ["a", "b"]


def test_nobody_moved():
    assert border_crossers(matched(BEFORE, BEFORE)).empty
    assert len(migration_matrix(matched(BEFORE, BEFORE))) == 3
