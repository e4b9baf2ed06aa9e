from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import cvm
from cvm.datasets.cdnow import cdnow_transactions
from cvm.errors import CvmError, HistoryError, MissingColumnsError, SourceError
from cvm.features.order_histories import order_histories

LINES = {
    "customer_id": ["b", "a", "a", "a", "a"],
    "occurred_at": [
        datetime(2024, 1, 11, 9),
        datetime(2024, 1, 1, 23, 30),
        datetime(2024, 1, 1, 8),
        datetime(2024, 1, 31, 12),
        datetime(2024, 2, 10),
    ],
    "amount": [5.0, 4.0, 6.0, 30.0, -10.0],
}
NAMES = ["customer_id", "n_orders", "recency_days", "tenure_days", "mean_order_value"]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "arrow"])
def test_lines_of_a_day_are_one_order_and_returns_reduce_it(make):
    found = order_histories(make(LINES))
    assert type(found) is type(make(LINES))
    # The latest row is of 2024-02-10; a's second order keeps 20 of its 30.
    assert pa.table(found).to_pylist() == [
        dict(zip(NAMES, row, strict=True)) for row in (("a", 2, 11, 41, 15.0), ("b", 1, 31, 31, 5.0))
    ]


def test_nothing_later_than_the_date_is_known():
    found = order_histories(pd.DataFrame(LINES), as_of=date(2024, 2, 1))
    assert found.to_dict("list") == {
        "customer_id": ["a", "b"],
        "n_orders": [2, 1],
        "recency_days": [1, 21],
        "tenure_days": [31, 21],
        "mean_order_value": [20.0, 5.0],
    }


def test_the_zone_cuts_days_and_an_order_id_tells_orders_of_a_day_apart():
    frame = pd.DataFrame({**LINES, "receipt": ["r1", "r2", "r3", "r4", "r4"]})
    assert order_histories(frame, order_id="receipt")["n_orders"].tolist() == [3, 1]
    aware = frame.assign(occurred_at=frame["occurred_at"].dt.tz_localize("UTC"))
    in_kyiv = order_histories(aware, timezone="Europe/Kyiv")  # half past eleven is the next day there
    assert in_kyiv["n_orders"].tolist() == [3, 1]


def test_names_are_the_users_and_ids_keep_their_type():
    frame = pd.DataFrame(LINES).set_axis(["client", "paid at", "total"], axis=1)
    frame["client"] = [7, 3, 3, 3, 3]
    frame["paid at"] = frame["paid at"].astype(str)
    found = order_histories(frame, customer_id="client", occurred_at="paid at", amount="total")
    assert list(found) == NAMES
    assert found["customer_id"].tolist() == [3, 7]


def test_cdnow_is_counted_as_its_authors_count():
    found = order_histories(cdnow_transactions(), as_of=date(1997, 10, 1)).to_pandas()
    # Fader and Hardie: 23,570 customers of the cohort; all of them bought in the first quarter of 1997.
    assert len(found) == 23_570
    assert found["tenure_days"].between(183, 274).all()


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"amount": "total"}, MissingColumnsError, r"lack the columns \['total'\]; they have \['customer_id'.* Name yours"),
        ({"occurred_at": "amount"}, HistoryError, "Column 'amount' is of type DOUBLE, which is no date"),
        ({"amount": "occurred_at"}, HistoryError, "Column 'occurred_at' is of type TIMESTAMP, which is no amount of money"),
        ({"timezone": "Mars/Base"}, HistoryError, "timezone == 'Mars/Base' is no zone"),
        ({"timezone": None}, HistoryError, "timezone == None is no zone; write for example 'Europe/Kyiv'"),
        ({"timezone": ""}, HistoryError, "timezone == '' is no zone"),
        ({"timezone": "localtime"}, HistoryError, "timezone == 'localtime' is no zone"),
        ({"as_of": "2024-01-31"}, CvmError, "as_of is of type str, must be a date"),
        ({"as_of": pd.NaT}, CvmError, "as_of is of type NaTType, must be a date"),
        (
            {"as_of": date(2020, 1, 1)},
            HistoryError,
            "Nobody has an order before as_of == 2020-01-01; the last .* 2024-02-10",
        ),
    ],
)
def test_what_cannot_be_counted_is_refused_in_a_sentence(change, error, says):
    with pytest.raises(error, match=says):
        order_histories(pd.DataFrame(LINES), **change)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"customer_id": ["b", None, " ", "a", "a"]}, "Of 5 transactions 2 lack a readable 'customer_id'"),
        ({"amount": ["5", "x@example.com", "6", "7", "8"]}, "1 lack a readable 'amount'. Mend them or leave them out"),
        ({"amount": [1.0, np.nan, np.inf, 1.0, 1.0]}, "2 lack a readable 'amount'"),
        ({"occurred_at": ["2024-01-31", "31/01/2024", "2024-01-31", "2024-01-31", None]}, "2 lack a readable 'occurred_at'"),
    ],
)
def test_rows_that_cannot_be_read_are_counted_and_not_shown(columns, says):
    with pytest.raises(HistoryError, match=says) as caught:
        order_histories(pd.DataFrame({**LINES, **columns}))
    assert "example.com" not in str(caught.value)


def test_no_frame_and_no_row_are_refused():
    with pytest.raises(SourceError, match="an object of type dict is no frame"):
        cvm.order_histories(LINES)
    with pytest.raises(HistoryError, match="The transactions have no rows"):
        order_histories(pd.DataFrame(LINES).head(0).astype({"customer_id": str}))


def test_the_date_is_told_where_nobody_has_an_order():
    with pytest.raises(HistoryError, match="before as_of == 2024-02-11; the last transaction is of 2024-02-10"):
        order_histories(pd.DataFrame({**LINES, "amount": -1.0}))


@pytest.mark.parametrize("column", [pd.Series, pl.Series, lambda values: pa.chunked_array([values])])
def test_one_column_is_no_frame(column):
    with pytest.raises(SourceError, match=r"Table 'transactions': an object of type .* is one column, no frame"):
        order_histories(column(LINES["amount"]))
