from __future__ import annotations

import numpy as np
import pytest

from cvm.models.btyd.distinct import distinct


@pytest.fixture
def columns() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.integers(0, 4, 500).astype(float), rng.integers(0, 3, 500).astype(float)


def test_every_customer_finds_its_own_row_again(columns):
    groups = distinct(*columns)
    for column, values in zip(groups.columns, columns, strict=True):
        np.testing.assert_array_equal(column[groups.index], values)


def test_rows_are_distinct_in_order_and_weighted_by_their_customers(columns):
    groups = distinct(*columns)
    rows, counts = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    np.testing.assert_array_equal(np.column_stack(groups.columns), rows)
    np.testing.assert_array_equal(groups.weight, counts)


def test_no_customer_gives_no_row():
    groups = distinct(np.array([]), np.array([]))
    assert [len(column) for column in groups.columns] == [0, 0]
    assert len(groups.weight) == len(groups.index) == 0


def test_one_customer_is_one_row():
    groups = distinct(np.array([2.0]))
    assert groups.columns[0].tolist() == [2.0]
    assert groups.weight.tolist() == [1.0]
    assert groups.index.tolist() == [0]


def test_values_that_differ_in_the_last_bit_are_kept_apart():
    value = 0.1
    groups = distinct(np.array([value, np.nextafter(value, 1), value]))
    assert groups.weight.tolist() == [2.0, 1.0]


@pytest.mark.parametrize(
    "columns",
    [
        (np.arange(40.0) % 7 - 3, np.full(40, 0.25), np.arange(40.0) % 3 * 1e12),
        (np.arange(300.0) * 400, np.arange(300.0) % 5 * 90_000),
        (np.array([0.0, -0.0, 2.0, np.inf]), np.array([1.0, 1.0, 0.5, 0.0])),
    ],
    ids=["offset, constant, far apart", "too many cells for a table", "zeros of both signs, infinity"],
)
def test_rows_of_any_numbers_are_those_that_sorting_finds(columns):
    groups = distinct(*columns)
    rows, index, counts = np.unique(np.column_stack(columns), axis=0, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(np.column_stack(groups.columns), rows)
    np.testing.assert_array_equal(groups.weight, counts)
    np.testing.assert_array_equal(groups.index, index)
