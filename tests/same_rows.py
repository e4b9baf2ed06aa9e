"""Two engines, one answer: tables compared column by column."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pyarrow as pa

TOLERANCE = 1e-9


def assert_same_rows(found: pa.Table, expected: pa.Table, *, key: Sequence[str] = ()) -> None:
    """The same columns, and the same rows in the order of ``key`` (as they come without one); numbers within 1e-9."""
    assert found.column_names == expected.column_names
    assert found.num_rows == expected.num_rows
    if key:
        order = [(name, "ascending") for name in key]
        found, expected = found.sort_by(order), expected.sort_by(order)
    wrong = [name for name in expected.column_names if not _same(found.column(name), expected.column(name))]
    assert not wrong, {name: _examples(found.column(name), expected.column(name)) for name in wrong[:5]}


def _same(found: pa.ChunkedArray, expected: pa.ChunkedArray) -> bool:
    one, other = found.to_pylist(), expected.to_pylist()
    if not any(_is_number(value) for value in other):
        return bool(one == other)
    if [value is None for value in one] != [value is None for value in other]:
        return False
    numbers = [np.array([float(value) for value in values if value is not None]) for values in (one, other)]
    return bool(np.allclose(*numbers, rtol=TOLERANCE, atol=0, equal_nan=True))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _examples(found: pa.ChunkedArray, expected: pa.ChunkedArray) -> list[tuple[object, object]]:
    pairs = zip(found.to_pylist(), expected.to_pylist(), strict=True)
    return [(one, other) for one, other in pairs if one != other][:3]
