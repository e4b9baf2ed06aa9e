from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cvm.features.supplied import Role, Supplied, column_value, roles_from_state, roles_state, supplied_columns
from memory import Memory


def looked_at(**columns: Any) -> Supplied:
    n = len(next(iter(columns.values())))
    with Memory() as engine:
        engine.register("given", pa.table({"customer_id": [f"c{number}" for number in range(n)], **columns}))
        types = engine.columns("given")
        types.pop("customer_id")
        return supplied_columns(engine, "given", types, customer="customer_id")


def values(column: list[Any], role: Role, kind: pa.DataType | None = None) -> list[Any]:
    with Memory() as engine:
        engine.register("given", pa.table({"x": pa.array(column, type=kind)}))
        return (
            engine.table(f"SELECT {column_value('x', engine.columns('given')['x'], role)} FROM given").column(0).to_pylist()
        )


@pytest.mark.parametrize(
    ("column", "role"),
    [
        ([1, 2], Role.NUMBER),
        ([True, False], Role.NUMBER),
        (["1.5", " 2 "], Role.NUMBER),
        (["29.85", " ", "", None, "NaN", "n/a"], Role.NUMBER),  # blanks among numbers, as in exports
        (["1e-05", "2.5E+10", "-.5", "+3."], Role.NUMBER),
        (["007", "12"], Role.CATEGORY),  # ids
        (["1e5", "2e7"], Role.CATEGORY),
        (["E5", "E6"], Role.CATEGORY),
        (["1234567890123456", "2"], Role.CATEGORY),
        (["nan", "null"], Role.CATEGORY),
        (["1,5", "2,5"], Role.CATEGORY),
        (["a", "1"], Role.CATEGORY),
        (["2024-01-31", "2024-02-29 10:00:00", ""], Role.DATE),
        (["2024-01-31", "2024-02-30"], Role.CATEGORY),
        ([date(2024, 1, 1), None], Role.DATE),
        ([datetime(2024, 1, 1), datetime(2024, 1, 2)], Role.DATE),
    ],
)
def test_the_values_tell_the_role(column: list[Any], role: Role) -> None:
    assert looked_at(x=column) == Supplied({"x": role}, {})


def test_columns_no_model_can_use_are_left_out_with_their_reason() -> None:
    found = looked_at(
        empty=pa.nulls(200),
        blank=[" "] * 200,
        one=[1] * 200,
        sometimes=[1, None] * 100,
        id_=[f"id {number}" for number in range(200)],
        towns=[f"town {number % 60}" for number in range(200)],
        email=["a", "b"] * 100,
    )
    assert list(found.roles) == ["sometimes", "towns"]
    assert found.left_out == {
        "email": "an id, contact data or consent",
        "empty": "empty",
        "blank": "empty",
        "one": "the same in every row",
        "id_": "text of 200 values among 200 customers: an id, free text, or numbers with a decimal comma",
    }
    assert found.left_out_note.startswith("email (an id, contact data or consent), empty (empty), ")


def test_values_are_read_by_their_role_whatever_type_they_come_in() -> None:
    assert values(["1.5", " ", "x", "1e999", "NaN"], Role.NUMBER) == [1.5, None, None, None, None]
    assert values([np.inf, np.nan, -2.0], Role.NUMBER) == [None, None, -2.0]
    assert values([True, None], Role.NUMBER) == [1.0, None]
    assert values([date(2024, 1, 1)], Role.NUMBER) == [None]
    assert values(["1970-01-03", "1970-01-02T23:59:59", "soon"], Role.DATE) == [2.0, 1.0, None]
    assert values([datetime(1970, 1, 2, 23), None], Role.DATE, pa.timestamp("us")) == [1.0, None]
    assert values([date(1969, 12, 31)], Role.DATE) == [-1.0]
    assert values([5], Role.DATE) == [None]
    assert values([" a ", "", None], Role.CATEGORY) == ["a", None, None]
    assert values([1, 2], Role.CATEGORY) == ["1", "2"]


def test_names_of_any_kind_are_quoted() -> None:
    assert looked_at(**{'say "hi"; DROP TABLE given': [1, 2], "місто": ["a", "b"]}).left_out == {}


def test_roles_survive_being_written() -> None:
    roles = {"b": Role.DATE, "a": Role.NUMBER}
    assert list(roles_from_state(roles_state(roles)).items()) == list(roles.items())
