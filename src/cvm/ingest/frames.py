"""Frames handed over from Python: whatever speaks Arrow becomes an Arrow table."""

from __future__ import annotations

import re

import pyarrow as pa

from cvm.errors import SourceError

# How pandas writes an index that has no name; a named one is a column as the others.
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def arrow_table(table: str, frame: object) -> pa.Table:
    """``frame`` as an Arrow table.

    Parameters
    ----------
    table : str
        Canonical table it is given for.
    frame : pandas or Polars frame, Arrow table, or anything else with ``__arrow_c_stream__``

    Raises
    ------
    SourceError
        If it is no frame, or holds columns that Arrow has no type for.
    """
    if not hasattr(frame, "__arrow_c_stream__"):
        hint = "call .collect() first" if hasattr(frame, "collect") else "pass a pandas, Polars or Arrow table"
        raise SourceError(f"Table {table!r}: an object of type {type(frame).__name__} is no frame; {hint}.")
    try:
        found = pa.table(frame)
    except (pa.ArrowException, ValueError, TypeError) as error:
        # The last argument names the column; those before it may quote values of customers.
        reason = str(error.args[-1]) if len(error.args) > 1 or "olumn" in str(error) else "its columns mix types"
        raise SourceError(
            f"Table {table!r}: the frame cannot be read: {reason}. Give each column one type and a name of its own."
        ) from None
    return found.drop_columns([name for name in found.column_names if _UNNAMED_INDEX.fullmatch(name)])
