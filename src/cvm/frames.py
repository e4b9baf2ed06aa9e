"""Frames in and out: what speaks Arrow comes in, and results go back as what was given.

Arrow is in the middle. pandas and Polars are found among the modules already loaded: who has a frame of theirs has loaded
them, nobody else waits for the one or has to have the other.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Protocol, TypeGuard, TypeVar, cast

import pyarrow as pa

from cvm.errors import SourceError

if TYPE_CHECKING:
    import pandas as pd


class ArrowStream(Protocol):
    """What a type checker takes for a frame: pandas, Polars and Arrow tables can all be read as a stream of Arrow."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The stream."""
        ...


# What comes back is of the kind that was given.
Frame = TypeVar("Frame", bound=ArrowStream)

# How pandas writes an index that has no name; a named one is a column as the others.
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def arrow_table(table: str, frame: object) -> pa.Table:
    """``frame`` as an Arrow table.

    Parameters
    ----------
    table : str
        What it is given for, as messages name it.
    frame : pandas or Polars frame, Arrow table, or anything else with ``__arrow_c_stream__``

    Raises
    ------
    SourceError
        If it is no frame, or holds columns that Arrow has no type for, or whose names are equal but for case.
    """
    if not hasattr(frame, "__arrow_c_stream__"):
        hint = "call .collect() first" if hasattr(frame, "collect") else "pass a pandas, Polars or Arrow table"
        raise SourceError(f"Table {table!r}: an object of type {type(frame).__name__} is no frame; {hint}.")
    if hasattr(type(frame), "dtype") or isinstance(frame, pa.ChunkedArray):
        raise SourceError(
            f"Table {table!r}: an object of type {type(frame).__name__} is one column, no frame; "
            "pass a pandas, Polars or Arrow table."
        )
    try:
        with warnings.catch_warnings():
            # Of pandas 3.1 about what pyarrow itself does with moments that carry a zone.
            warnings.filterwarnings("ignore", message="Series.values returning", category=DeprecationWarning)
            found = pa.table(frame)
    except (pa.ArrowException, ValueError, TypeError) as error:
        # The last argument names the column; those before it may quote values of customers.
        reason = str(error.args[-1]) if len(error.args) > 1 or "olumn" in str(error) else "its columns mix types"
        raise SourceError(
            f"Table {table!r}: the frame cannot be read: {reason}. Give each column one type and a name of its own."
        ) from None
    found = found.drop_columns([name for name in found.column_names if _UNNAMED_INDEX.fullmatch(name)])
    n_times = Counter(name.lower() for name in found.column_names)
    alike = [name for name in found.column_names if n_times[name.lower()] > 1]
    if alike:
        raise SourceError(
            f"Table {table!r}: the names {alike} are equal but for case, which SQL does not heed. "
            "Give each column a name of its own."
        )
    return found


def pandas_frame(table: str, frame: object) -> pd.DataFrame:
    """``frame`` in pandas: itself, index and all, where it is of pandas already; else with decimals as float64.

    Parameters
    ----------
    table, frame
        As in ``arrow_table``.

    Raises
    ------
    SourceError
        If it is no frame, or two of its columns have one name.
    """
    if not _is_of_pandas(frame):
        found = arrow_table(table, frame)
        kinds = [pa.float64() if pa.types.is_decimal(kind) else kind for kind in found.schema.types]
        return found.cast(pa.schema(list(zip(found.column_names, kinds, strict=True)))).to_pandas()
    twice = frame.columns[frame.columns.duplicated()].unique()
    if len(twice):
        raise SourceError(f"Table {table!r}: {[*twice]} are names of several columns. Give each column a name of its own.")
    return frame


def like(given: Frame, result: pa.Table) -> Frame:
    """``result`` as a frame of the kind of ``given``.

    Parameters
    ----------
    given : pandas or Polars frame, Arrow table, or anything else that ``arrow_table`` takes
        What the caller handed over. pandas and Polars get their own kind back, all others an Arrow table.
    result : pyarrow.Table
    """
    found: object = result
    if _is_of_pandas(given):
        found = result.to_pandas()
    elif type(given).__module__.partition(".")[0] == "polars":
        found = sys.modules["polars"].from_arrow(result)
    return cast(Frame, found)


def like_rows(given: Frame, result: pa.Table) -> Frame:
    """``like``, where each row of ``result`` is about the row of ``given`` in its place: an index of pandas is kept.

    Parameters
    ----------
    given, result
        As in ``like``, of one length.
    """
    found = like(given, result)
    if _is_of_pandas(given):
        found = cast(Frame, cast("pd.DataFrame", found).set_axis(given.index))
    return found


def _is_of_pandas(frame: object) -> TypeGuard[pd.DataFrame]:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(frame, pandas.DataFrame)
