from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

import simulated
from cvm.errors import FeatureMismatchError
from cvm.scoring.request import MAX_DATES, checked_request, checked_rows, rows_by_date

BUNDLE = simulated.bundle()


def rows(*ids: object, **columns: object) -> pd.DataFrame:
    return pd.DataFrame({"customer_id": list(ids), "as_of": "2024-06-01", **columns})


def test_ids_become_text_and_dates_dates():
    found = checked_rows(rows("a", "b").assign(as_of=["2024-06-01", "2024-06-02T00:00:00"]).set_axis([3, 3]))
    assert found["customer_id"].tolist() == ["a", "b"]
    assert found["as_of"].tolist() == [date(2024, 6, 1), date(2024, 6, 2)]
    assert checked_rows(rows(1, 17850))["customer_id"].tolist() == ["1", "17850"]


def test_rows_come_by_date_in_the_order_asked():
    found = checked_rows(rows("a", "b", "c").assign(as_of=["2024-06-02", "2024-06-01", "2024-06-02"]))
    assert [(day.day, part.index.tolist()) for day, part in rows_by_date(found)] == [(2, [0, 2]), (1, [1])]


@pytest.mark.parametrize("value", [None, "", 1.5, True, ["a"], {"a": 1}, np.nan, "\ud800"])
def test_what_is_no_id_is_refused(value):
    with pytest.raises(FeatureMismatchError, match="customer_id is null or neither text nor a whole number in 1 rows"):
        checked_rows(rows("a", "b").assign(customer_id=pd.Series(["a", value], dtype=object)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "as_of is null in some rows"),
        ("soon", "as_of == 'soon' is no ISO date"),
        (5, "as_of == '5' is no ISO date"),
        ([1], "is no ISO date"),
        ("0001-01-01", "must lie between 1901-01-01 and 2199-12-31"),
        ("9999-12-31", "must lie between"),
    ],
)
def test_what_is_no_date_is_refused(value, message):
    with pytest.raises(FeatureMismatchError, match=message):
        checked_rows(rows("a").assign(as_of=pd.Series([value], dtype=object)))


def test_too_many_dates_are_refused():
    days = [str(day.date()) for day in pd.date_range("2024-01-01", periods=MAX_DATES + 1)]
    with pytest.raises(FeatureMismatchError, match=r"as_of holds 101 dates; send at most 100"):
        checked_rows(pd.DataFrame({"customer_id": [str(number) for number in range(len(days))], "as_of": days}))


def test_a_customer_or_a_column_twice_is_refused():
    with pytest.raises(FeatureMismatchError, match="occurs twice in 1 rows"):
        checked_rows(rows("a", "a"))
    assert len(checked_rows(rows("a", "a").assign(as_of=["2024-06-01", "2024-06-02"]))) == 2
    with pytest.raises(FeatureMismatchError, match=r"The columns \['as_of'\] occur twice"):
        checked_rows(pd.concat([rows("a"), rows("a")[["as_of"]]], axis=1))


@pytest.mark.parametrize(("name", "value"), [("colour", 5), ("colour", ["red"]), ("previous_segment", True)])
def test_text_must_be_text(name, value):
    with pytest.raises(FeatureMismatchError, match=rf"\['{name}'\] must be text or null; in 1 rows"):
        checked_request(BUNDLE, rows("a", "b").assign(**{name: pd.Series([value, None], dtype=object)}))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e16])
def test_no_number_is_infinite_or_as_large(value):
    with pytest.raises(FeatureMismatchError, match=r"\['spend'\] must lie between -1e\+15 and 1e\+15; in 1 rows"):
        checked_request(BUNDLE, rows("a", "b", spend=[value, np.nan]))
