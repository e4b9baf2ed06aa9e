"""Columns that a user supplies beside the canonical ones: which of them a model can use, and how each is read.

What is a number, a date or a category is told by the values, not by the file: a text column of numbers with blanks is one of
numbers. What no model can use is left out with its reason, and nobody has to prepare the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cvm.engines import Engine, identifier, literal
from cvm.engines.sql import literals
from cvm.features.attributes import is_never_a_feature
from cvm.ingest.column_types import is_number, is_time
from cvm.ingest.values import given

# Neither 007 nor a number of 16 digits, which are ids, nor 1e5, which may be one; programs write exponents with a sign.
_NUMBER = r"[+-]?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)([eE][+-]\d{1,3})?"
_DAY = r"\d{4}-\d{2}-\d{2}([T ].*)?"
# What stands between numbers where there is none.
_NO_NUMBER = ("na", "n/a", "#n/a", "nan", "null", "none", "-", "?")
# Text of more values than this, most of them borne by one customer, is an id or free text.
_MAX_VALUES = 50
_ID_SHARE = 0.5


class Role(StrEnum):
    """How a model reads a column: a number, a date as the number of its day, or one of several values."""

    NUMBER = "number"
    DATE = "date"
    CATEGORY = "category"


@dataclass(frozen=True)
class Supplied:
    """What was found in the columns of a user.

    Attributes
    ----------
    roles : dict of str to Role
        Columns that a model can use.
    left_out : dict of str to str
        The others, and why.
    """

    roles: dict[str, Role]
    left_out: dict[str, str]

    @property
    def left_out_note(self) -> str:
        """The columns left out in one line; empty if there are none."""
        return ", ".join(f"{name} ({reason})" for name, reason in self.left_out.items())


def supplied_columns(engine: Engine, relation: str, types: Mapping[str, str], *, customer: str) -> Supplied:
    """Look at the values of some columns.

    Parameters
    ----------
    engine : Engine
    relation : str
        SQL of the table they stand in.
    types : mapping of str to str
        The columns to look at, and their types.
    customer : str
        SQL of what tells rows of one customer from those of another.
    """
    left_out = {name: "an id, contact data or consent" for name in types if is_never_a_feature(name, types[name])}
    asked = {name: kind for name, kind in types.items() if name not in left_out}
    roles = _roles(engine, relation, asked)
    for name, reason in _useless(engine, relation, asked, roles, customer):
        left_out[name] = reason
    return Supplied({name: role for name, role in roles.items() if name not in left_out}, left_out)


def column_value(name: str, found_type: str, role: Role) -> str:
    """SQL for a value as a model reads it: a double, the day number of a date, or text; null where it says nothing.

    Parameters
    ----------
    name, found_type : str
        Of the column as it is there now, which need not be the type in which it was first seen.
    role : Role
    """
    raw, text = identifier(name), given(name, found_type)
    if role is Role.CATEGORY:
        return text
    if role is Role.DATE:
        if found_type != "VARCHAR":
            moment = f"TRY_CAST({raw} AS TIMESTAMP)" if is_time(found_type) else "CAST(NULL AS TIMESTAMP)"
            return f"CASE WHEN isfinite({moment}) THEN CAST(epoch_us({moment}) // 86400000000 AS DOUBLE) END"
        day = f"CASE WHEN regexp_full_match({text}, {literal(_DAY)}) THEN TRY_CAST(left({text}, 10) AS DATE) END"
        return f"CAST({day} - DATE '1970-01-01' AS DOUBLE)"
    if found_type == "VARCHAR":
        number = f"CASE WHEN {_is_number(text)} THEN TRY_CAST({text} AS DOUBLE) END"
    elif is_number(found_type) or found_type == "BOOLEAN":
        number = f"CAST({raw} AS DOUBLE)"
    else:
        number = "CAST(NULL AS DOUBLE)"
    return f"CASE WHEN isfinite({number}) THEN {number} END"


def _roles(engine: Engine, relation: str, types: Mapping[str, str]) -> dict[str, Role]:
    texts = [name for name, kind in types.items() if not (is_number(kind) or kind == "BOOLEAN" or is_time(kind))]
    tests = []
    for place, name in enumerate(texts):
        text = given(name, types[name])
        says = f"NOT coalesce(lower({text}) IN ({literals(_NO_NUMBER)}), true)"
        day = column_value(name, "VARCHAR", Role.DATE)
        tests.append(f"coalesce(bool_and({_is_number(text)}) FILTER ({says}), false) AS number_{place}")
        tests.append(f"coalesce(bool_and({day} IS NOT NULL) FILTER ({text} IS NOT NULL), false) AS date_{place}")
    row = engine.row(f"SELECT {', '.join(tests)} FROM {relation}") if tests else {}
    roles = {}
    for name, kind in types.items():
        if name in texts:
            place = texts.index(name)
            found = (Role.NUMBER, row[f"number_{place}"]), (Role.DATE, row[f"date_{place}"]), (Role.CATEGORY, True)
            roles[name] = next(role for role, is_so in found if is_so)
        else:
            roles[name] = Role.DATE if is_time(kind) else Role.NUMBER
    return roles


def _is_number(text: str) -> str:
    return f"regexp_full_match({text}, {literal(_NUMBER)})"


def _useless(
    engine: Engine, relation: str, types: Mapping[str, str], roles: Mapping[str, Role], customer: str
) -> Iterator[tuple[str, str]]:
    """Columns that tell customers apart not at all, or each from all others, and which of both."""
    values = {name: column_value(name, types[name], role) for name, role in roles.items()}
    if not values:
        return
    counts = [
        f"count({value}) AS filled_{place}, min({value}) = max({value}) AS is_one_{place}, "
        f"approx_count_distinct({value}) AS values_{place}"
        for place, value in enumerate(values.values())
    ]
    row = engine.row(f"SELECT count(*) AS n, {', '.join(counts)} FROM {relation}")
    for place, (name, role) in enumerate(roles.items()):
        if row[f"filled_{place}"] == 0:
            yield name, "empty"
        elif row[f"is_one_{place}"] and row[f"filled_{place}"] == row["n"]:  # where rows lack it, one value tells them apart
            yield name, "the same in every row"
        elif role is Role.CATEGORY and row[f"values_{place}"] > _MAX_VALUES / 2:  # of an estimate
            yield from _as_id(engine, relation, name, values[name], customer)


def _as_id(engine: Engine, relation: str, name: str, value: str, customer: str) -> Iterator[tuple[str, str]]:
    row = engine.row(
        f"SELECT count(DISTINCT {value}) AS n_values, count(DISTINCT {customer}) AS n_customers "
        f"FROM {relation} WHERE {value} IS NOT NULL"
    )
    if row["n_values"] > max(_MAX_VALUES, _ID_SHARE * row["n_customers"]):
        found = f"text of {row['n_values']:,} values among {row['n_customers']:,} customers"
        yield name, f"{found}: an id, free text, or numbers with a decimal comma"


def roles_state(roles: Mapping[str, Role]) -> list[list[str]]:
    """Roles as JSON values; pairs, because their order is that of the columns."""
    return [[name, role.value] for name, role in roles.items()]


def roles_from_state(state: Any) -> dict[str, Role]:
    """The roles ``state`` was taken from."""
    return {str(name): Role(role) for name, role in state}
