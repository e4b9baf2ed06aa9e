from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from cvm.errors import CvmError, InsufficientDataError, MissingColumnsError, SourceError
from cvm.features.supplied import Role
from cvm.models.labelled import labelled_table, read_flat_file

N = 400


def customers(**columns: Any) -> pd.DataFrame:
    """A hundred of four hundred left; ``charges`` is a number in text, blank for some."""
    rng = np.random.default_rng(2)
    left = np.arange(N) % 4 == 0
    charges = [" " if number % 50 == 7 else f"{value:.2f}" for number, value in enumerate(rng.gamma(2, 30, N))]
    base = {
        "customerID": [f"{number:04d}-X" for number in range(N)],
        "tenure": rng.integers(0, 72, N).astype(str),
        "charges": charges,
        "contract": rng.choice(["monthly", "yearly"], N),
        "since": pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, N), "D")).dt.strftime(
            "%Y-%m-%d"
        ),
        "left": np.where(left, "Yes", "No"),
    }
    return pd.DataFrame(base | columns)


def test_columns_are_read_as_what_their_values_are():
    table = labelled_table(customers(), label="left")
    assert table.roles == {
        "tenure": Role.NUMBER,
        "charges": Role.NUMBER,
        "contract": Role.CATEGORY,
        "since": Role.DATE,
    }
    assert table.notes == ("Columns left out: customerID (an id, contact data or consent).",)
    assert (table.positive, table.churned.sum()) == ("Yes", 100)
    assert table.features["charges"].isna().sum() == 8
    assert list(table.features.columns) == ["customer_id", *table.roles]
    assert table.features["customer_id"].tolist()[:2] == ["1", "2"]
    assert labelled_table(customers(), label="left", customer_id="customerID").features["customer_id"][0] == "0000-X"


@pytest.mark.parametrize("kind", ["frame", "polars", "csv", "parquet", "json"])
def test_any_frame_and_any_file_give_the_same_table(kind, tmp_path):
    frame = customers()
    if kind == "frame":
        given: object = frame
    elif kind == "polars":
        given = pl.from_pandas(frame)
    else:
        path = tmp_path / {"csv": "t.csv", "parquet": "t.parquet", "json": "t.jsonl"}[kind]
        {
            "csv": lambda: frame.to_csv(path, index=False, sep=";"),
            "parquet": lambda: frame.to_parquet(path),
            "json": lambda: frame.to_json(path, orient="records", lines=True),
        }[kind]()
        given = read_flat_file(path)
    expected, found = labelled_table(frame, label="left"), labelled_table(given, label="left")
    pd.testing.assert_frame_equal(found.features, expected.features, check_dtype=False)
    np.testing.assert_array_equal(found.churned, expected.churned)


@pytest.mark.parametrize(
    ("yes", "no", "positive"),
    [
        ("Yes", "No", "Yes"),
        ("churned", "retained", "churned"),
        (1, 0, "1"),
        (1.0, 0.0, "1"),
        (True, False, "true"),
        ("left ", "stayed", "left"),
    ],
)
def test_the_value_of_those_who_left_is_told_by_its_word(yes, no, positive):
    table = labelled_table(customers(left=np.where(np.arange(N) % 4 == 0, yes, no)), label="left")
    assert (table.positive, table.churned.sum()) == (positive, 100)


def test_another_value_can_be_the_one_that_counts():
    states = np.array(["gone", "paused", "active", "active"] * (N // 4))
    table = labelled_table(customers(left=states), label="left", positive="paused")
    assert (table.positive, table.churned.sum()) == ("paused", 100)


def test_rows_without_a_label_are_left_out_and_counted():
    left = np.array([None, "Yes", "No", " "] * (N // 4), dtype=object)
    table = labelled_table(customers(left=left), label="left")
    assert table.notes[0] == "200 rows leave left empty and were left out."
    assert (len(table.churned), table.churned.sum()) == (200, 100)


def test_ignored_columns_are_no_features():
    table = labelled_table(customers(), label="left", ignore=["TENURE", "*char*", "since"])
    assert list(table.roles) == ["contract"]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {"label": "lefft"}, "no column 'lefft'; it has .* Did you mean 'left' by 'lefft'"),
        ({}, {"label": "left", "customer_id": "id"}, "no column 'id'"),
        ({}, {"label": "left", "ignore": ["date*"]}, r"no column 'date\*'"),
    ],
)
def test_columns_that_are_not_there_are_named(columns, options, message):
    with pytest.raises(MissingColumnsError, match=message):
        labelled_table(customers(**columns), **options)


@pytest.mark.parametrize(
    ("left", "options", "message"),
    [
        (["No"] * N, {}, "Column 'left' says the same in all 400 rows, so"),
        ([None] * N, {}, "Column 'left' says nothing, so"),
        (["a", "b", "c", "d"] * 100, {}, "says 'a' 100 times, .* 'd' 100 times. Say which .* --positive VALUE"),
        (["a", "b"] * 200, {}, "says 'a' 200 times, 'b' 200 times. Say which"),
        (["yes", "left"] * 200, {}, "Say which"),
        ([f"v{number}" for number in range(N)], {}, "'left' says 400 different values. Say"),
        ([*["a", "b"] * 199, "anna@shop.com", "c2"], {}, "says 'a' 199 times, 'b' 199 times, 2 other values. Say"),
        (["a", "b"] * 200, {"positive": "c"}, "never says 'c'; it says 'a' 200 times"),
        (["Yes"] * 49 + ["No"] * 351, {}, "49 customers left .left = Yes. and 351 did not; .* 50 of either kind"),
    ],
)
def test_a_label_that_cannot_be_learned_is_refused(left, options, message):
    with pytest.raises(InsufficientDataError, match=message):
        labelled_table(customers(left=left), label="left", **options)


def test_many_rows_of_few_customers_are_few_customers():
    who = ["same" if number % 4 == 0 else str(number) for number in range(N)]
    with pytest.raises(InsufficientDataError, match="1 customers left"):
        labelled_table(customers(customerID=who), label="left", customer_id="customerID")


def test_columns_that_tell_the_outcome_are_refused_by_name():
    left = np.arange(N) % 4 == 0
    reason = np.where(left, "moved away", None)
    with pytest.raises(
        CvmError, match=r"closed_at \(AUC 1.000\), reason \(AUC 1.000\).* --ignore 'closed_at' --ignore 'rea"
    ):
        labelled_table(customers(reason=reason, closed_at=np.where(left, 5.0, np.nan)), label="left")
    assert labelled_table(customers(reason=reason), label="left", ignore=["reason"]).roles


def test_a_table_without_a_usable_column_is_refused():
    with pytest.raises(InsufficientDataError, match=r"no column that a model can use; left out are customerID"):
        labelled_table(customers()[["customerID", "left"]], label="left")
    with pytest.raises(InsufficientDataError, match="left out are all by request"):
        labelled_table(customers(), label="left", ignore=["*"])


def test_rows_without_an_id_are_customers_of_their_own():
    ids = [None if number % 2 else f"c{number}" for number in range(N)]
    table = labelled_table(customers(who=ids), label="left", customer_id="who")
    assert table.features["customer_id"].nunique() == N


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.csv", None, "There is no file '.*gone.csv'. Correct the path."),
        ("empty.csv", "a,b\n", "empty.csv' has no rows"),
        ("table.xlsx", "x", "'table.xlsx' is of no known format"),
        ("torn.parquet", "x", "torn.parquet' cannot be read: .* Export it again."),
    ],
)
def test_files_that_cannot_be_read_are_refused(tmp_path, name, content, message):
    path: Path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(SourceError, match=message):
        read_flat_file(path)


def test_what_is_no_frame_is_refused():
    with pytest.raises(SourceError, match="an object of type list is no frame"):
        labelled_table([1, 2], label="left")
