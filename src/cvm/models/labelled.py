"""A flat table that tells of every customer whether they left: made ready to learn from, or refused with the cause."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.errors import CvmError, InsufficientDataError, MissingColumnsError
from cvm.features.supplied import Role, Supplied, column_value, supplied_columns
from cvm.frames import arrow_table
from cvm.ingest.reading import is_ignored
from cvm.ingest.sources import FILE_NAME, ROW_NUMBER, load_flat_file
from cvm.ingest.values import given
from cvm.models.separation import separating_columns

Floats = NDArray[np.float64]

# Fewer customers of either kind than this teach and judge nothing but noise.
MIN_PER_CLASS = 50
# Of two values, the one that says that somebody left.
_LEFT = ("1", "yes", "y", "true", "t", "churn", "churned", "left", "lost", "gone", "cancelled", "canceled", "exited")
_MAX_SHOWN = 8
_ROW = "cvm:row"
_LABEL = "cvm:label"
_TABLE = "labelled"


@dataclass(frozen=True)
class LabelledTable:
    """Customers whose outcome is known.

    Attributes
    ----------
    features : DataFrame of shape (n_customers, 1 + n_columns)
        ``customer_id`` (the row's number where no column tells it) and the columns of ``roles`` as models read them.
    churned : array of shape (n_customers,)
        1 for those who left.
    label, positive : str
        Column that tells it, and its value of those who left.
    roles : dict of str to Role
    notes : tuple of str
        What a reader should know of rows and columns that were left out.
    """

    features: pd.DataFrame
    churned: Floats
    label: str
    positive: str
    roles: dict[str, Role]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class NumberedRows:
    """A frame in an engine of its own, whose rows know their order.

    Attributes
    ----------
    engine : DuckDBEngine
    relation : str
        SQL of the rows.
    types : mapping of str to str
        Columns to look at, and their types.
    """

    engine: DuckDBEngine
    relation: str
    types: Mapping[str, str]


def read_flat_file(file: Path) -> pa.Table:
    """The rows of a CSV, Parquet or JSON lines file, in its order; text formats are read as text.

    Raises
    ------
    SourceError
        If there is no such file, it does not parse or is of no known format, or has no row.
    """
    with DuckDBEngine() as engine:
        load_flat_file(engine, _TABLE, file)
        own = f"{identifier(FILE_NAME)}, {identifier(ROW_NUMBER)}"
        return engine.table(f"SELECT * EXCLUDE ({own}) FROM raw_{_TABLE} ORDER BY {identifier(ROW_NUMBER)}")


def labelled_table(
    frame: object,
    *,
    label: str,
    positive: str | None = None,
    customer_id: str | None = None,
    ignore: Sequence[str] = (),
) -> LabelledTable:
    """Check a labelled table and find out which of its columns a model can use.

    Parameters
    ----------
    frame : pandas or Polars frame, Arrow table, or anything else with ``__arrow_c_stream__``
    label : str
        Column that tells who left. Rows that leave it empty are left out.
    positive : str, optional
        Its value of those who left; needed unless there are two values and one of them says so (yes, true, 1, churned).
    customer_id : str, optional
        Column that tells rows of one customer from those of another.
    ignore : sequence of str
        Columns that are no features, as names or patterns such as ``*date*``; case aside.

    Raises
    ------
    SourceError
        If ``frame`` is none.
    MissingColumnsError
        If a column that was named is not there.
    InsufficientDataError
        If the label is constant or has no clear value of those who left, one kind is too rare, or no column can be used.
    CvmError
        If a column alone separates the two kinds almost perfectly: it was as a rule written down after the outcome.
    """
    with numbered_rows(_TABLE, frame) as rows:
        engine, types = rows.engine, rows.types
        _check_names(types, [label, *([customer_id] if customer_id else [])], ignore)
        text = f"regexp_replace({given(label, types[label])}, '^(\\d+)\\.0+$', '\\1')"  # frames with gaps make 1.0 of 1
        engine.execute(f"CREATE TEMP TABLE {_TABLE} AS SELECT *, {text} AS {identifier(_LABEL)} FROM {rows.relation}")
        counts = _label_counts(engine)
        positive = _positive(label, counts, positive)
        asked = {
            name: kind for name, kind in types.items() if name not in (label, customer_id) and not is_ignored(name, ignore)
        }
        rows = replace(rows, relation=f"(SELECT * FROM {_TABLE} WHERE {identifier(_LABEL)} IS NOT NULL)", types=asked)
        supplied = usable_columns("The table", rows, customer_id=customer_id or _ROW)
        features = read_roles(rows, supplied.roles)
        known = engine.table(
            f"SELECT CAST({identifier(customer_id or _ROW)} AS VARCHAR) AS customer_id, "
            f"{identifier(_LABEL)} = {literal(positive)} AS churned FROM {rows.relation} ORDER BY {identifier(_ROW)}"
        ).to_pandas()
    churned, who = known["churned"].to_numpy(float), _without_nulls(known["customer_id"])
    _check_enough(who, churned, f"{label} = {positive}")
    _check_leaks(features, churned)
    features.insert(0, "customer_id", who)
    n_unknown = counts.get(None, 0)
    notes = [f"{n_unknown:,} rows leave {label} empty and were left out."] if n_unknown else []
    notes += [f"Columns left out: {supplied.left_out_note}."] if supplied.left_out else []
    return LabelledTable(features, churned, label, positive, supplied.roles, tuple(notes))


@contextmanager
def numbered_rows(table: str, frame: object) -> Iterator[NumberedRows]:
    """The rows of a frame, numbered in its order.

    Parameters
    ----------
    table, frame
        As in ``arrow_table``.

    Raises
    ------
    SourceError
        If ``frame`` is none.
    """
    with DuckDBEngine() as engine:
        engine.register("given_frame", arrow_table(table, frame))
        relation = f"(SELECT *, row_number() OVER () AS {identifier(_ROW)} FROM given_frame)"
        yield NumberedRows(engine, relation, engine.columns("given_frame"))


def usable_columns(table: str, rows: NumberedRows, *, customer_id: str = _ROW) -> Supplied:
    """Which columns a model can use.

    Parameters
    ----------
    table : str
        As messages name it.
    rows : NumberedRows
    customer_id : str, optional
        Column that tells rows of one customer from those of another; by default each row is a customer.

    Raises
    ------
    InsufficientDataError
        If it can use none.
    """
    supplied = supplied_columns(rows.engine, rows.relation, rows.types, customer=identifier(customer_id))
    if not supplied.roles:
        raise InsufficientDataError(
            f"{table} has no column that a model can use; left out are {supplied.left_out_note or 'all by request'}. "
            "Add columns of numbers, dates or categories that differ between customers."
        )
    return supplied


def read_roles(rows: NumberedRows, roles: Mapping[str, Role]) -> pd.DataFrame:
    """Columns as models read them, in the order of the rows; those that are not there are missing throughout."""
    values = [
        f"{column_value(name, rows.types[name], role) if name in rows.types else _nothing(role)} AS {identifier(name)}"
        for name, role in roles.items()
    ]
    query = f"SELECT {', '.join(values)} FROM {rows.relation} ORDER BY {identifier(_ROW)}"
    frame: pd.DataFrame = rows.engine.table(query).to_pandas()
    return frame.astype({name: float for name, role in roles.items() if role is not Role.CATEGORY})


def _nothing(role: Role) -> str:
    return f"CAST(NULL AS {'VARCHAR' if role is Role.CATEGORY else 'DOUBLE'})"


def _check_names(found: Collection[str], named: Sequence[str], ignore: Sequence[str]) -> None:
    patterns = [pattern for pattern in ignore if not any(is_ignored(name, [pattern]) for name in found)]
    missing = [name for name in named if name not in found] + patterns
    if missing:
        near = {name: get_close_matches(name, list(found), n=1) for name in missing}
        hints = "".join(f" Did you mean {match[0]!r} by {name!r}?" for name, match in near.items() if match)
        raise MissingColumnsError(f"The table has no column {', '.join(map(repr, missing))}; it has {list(found)}.{hints}")


def _label_counts(engine: DuckDBEngine) -> dict[str | None, int]:
    query = f"SELECT {identifier(_LABEL)} AS value, count(*) AS n FROM {_TABLE} GROUP BY 1 ORDER BY n DESC, 1"
    return {row["value"]: row["n"] for row in engine.table(query).to_pylist()}


def _positive(label: str, counts: Mapping[str | None, int], positive: str | None) -> str:
    """The value of those who left."""
    known = {value: n for value, n in counts.items() if value is not None}
    if len(known) < 2:
        held = f"the same in all {sum(known.values()):,} rows" if known else "nothing"
        raise InsufficientDataError(f"Column {label!r} says {held}, so there is nothing to tell apart.")
    shown = _shown(known)
    if positive is None:
        saying = [value for value in known if value.lower() in _LEFT]
        if len(known) > 2 or len(saying) != 1:
            raise InsufficientDataError(
                f"Column {label!r} says {shown}. Say which value means that a customer left: --positive VALUE."
            )
        positive = saying[0]
    if positive not in known:
        raise InsufficientDataError(f"Column {label!r} never says {positive!r}; it says {shown}. Correct --positive.")
    return positive


def _shown(known: Mapping[str, int]) -> str:
    """The values that so many rows bear that they could be learned; others may be ids, which no message shows."""
    often = [f"{value!r} {n:,} times" for value, n in known.items() if n >= MIN_PER_CLASS][:_MAX_SHOWN]
    others = f"{len(known) - len(often):,} {'other' if often else 'different'} values"
    return ", ".join([*often, others] if len(often) < len(known) else often)


def _check_enough(customer_id: pd.Series, churned: Floats, told: str) -> None:
    """Refuse too few customers, however many rows each of them has."""
    n_left, n_stayed = (int(customer_id[churned == kind].nunique()) for kind in (1.0, 0.0))
    if min(n_left, n_stayed) < MIN_PER_CLASS:
        raise InsufficientDataError(
            f"{n_left:,} customers left ({told}) and {n_stayed:,} did not; to train and to judge takes {MIN_PER_CLASS} of "
            "either kind."
        )


def _check_leaks(features: pd.DataFrame, churned: Floats) -> None:
    found = separating_columns(features, churned)
    if found:
        named = ", ".join(f"{name} (AUC {area:.3f})" for name, area in found)
        ignored = " ".join(f"--ignore {name!r}" for name, _ in found)
        raise CvmError(
            f"Columns that alone separate who left from who stayed: {named}. As a rule such a column was written down after "
            f"the outcome and will not be known when customers are scored. Leave it out: {ignored}."
        )


def _without_nulls(customer_id: pd.Series) -> pd.Series:
    """Rows without an id are each a customer of their own, not all the same one."""
    return customer_id.where(customer_id.notna(), "row " + (pd.Series(range(len(customer_id))) + 1).astype(str))
