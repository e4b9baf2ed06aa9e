"""Rows of a database on their way to the engine: Parquet files, so that no more than a batch is in memory.

A driver hands out Python values, and a column may be all null in one batch, whole in the next and text in a third.
Each batch keeps what it holds; the relation over all of them gives a column the one type it always had, else text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.engines import identifier
from cvm.engines.sql import parquet

_ARROW = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    date: pa.date32(),
}


class Spool:
    """Parquet files in a folder, one per run of batches with the same types; use as a context."""

    def __init__(self, folder: Path) -> None:
        self.n_rows = 0
        self._folder = folder
        self._files: list[tuple[Path, pa.Schema]] = []
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def append(self, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Write one batch of rows, whose columns have these names."""
        columns = [arrow_column(list(values)) for values in zip(*rows, strict=True)]
        batch = pa.table(columns, names=list(names))
        if self._writer is None or self._files[-1][1] != batch.schema:
            self._close()
            path = self._folder / f"{len(self._files):06d}.parquet"
            self._writer = pq.ParquetWriter(path, batch.schema, compression="zstd", compression_level=1)
            self._files.append((path, batch.schema))
        self._writer.write_table(batch)
        self.n_rows += batch.num_rows

    def relation(self) -> str:
        """SQL over all rows in their order; nothing can be appended afterwards."""
        self._close()
        kinds: dict[str, set[str]] = {}
        for _, schema in self._files:
            for field in schema:
                kinds.setdefault(field.name, set()).update(_kind(field.type))
        return f"({' UNION ALL '.join(_selection(path, schema, kinds) for path, schema in self._files)})"

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def arrow_column(values: Sequence[Any]) -> pa.Array:
    """Values of one column under the type they all have; as text where there is none."""
    # A NaN of PostgreSQL's numeric says nothing, as that of a float does.
    values = [None if isinstance(value, Decimal) and value.is_nan() else value for value in values]
    types = {type(value) for value in values if value is not None}
    if not types:
        return pa.nulls(len(values))
    try:
        if len(types) == 1:
            array = _typed(values, types.pop())
            if array is not None:
                return array
    except (pa.ArrowException, OverflowError, ValueError):  # wider than any type of Arrow
        pass
    return pa.array([None if value is None else _text(value) for value in values], pa.string())


def _typed(values: Sequence[Any], kind: type) -> pa.Array | None:
    if kind is datetime:
        zoned = {value.tzinfo is not None for value in values if value is not None}
        return None if len(zoned) > 1 else pa.array(values, pa.timestamp("us", "UTC" if zoned.pop() else None))
    if kind is Decimal:
        found = pa.array(values) if all(value is None or value.is_finite() for value in values) else None
        return found if found is not None and pa.types.is_decimal128(found.type) else None
    return pa.array(values, _ARROW[kind]) if kind in _ARROW else None


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return value.isoformat() if isinstance(value, date) else str(value)


def _kind(arrow_type: pa.DataType) -> set[str]:
    """What makes two types different; decimals of any width are one, and null is none."""
    if pa.types.is_null(arrow_type):
        return set()
    return {"decimal" if pa.types.is_decimal(arrow_type) else str(arrow_type)}


def _selection(path: Path, schema: pa.Schema, kinds: dict[str, set[str]]) -> str:
    columns = []
    for field in schema:
        name = identifier(field.name)
        if len(kinds[field.name]) != 1:
            columns.append(f"CAST({name} AS VARCHAR) AS {name}")
        else:
            columns.append(f"NULL AS {name}" if pa.types.is_null(field.type) else name)
    return f"SELECT {', '.join(columns)} FROM {parquet([path])}"
