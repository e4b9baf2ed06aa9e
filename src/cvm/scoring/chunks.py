"""Features and earlier segments read along, a chunk at a time: memory does not grow with the base.

Both files are in the order of ``customer_id``, so that the segment of each customer is found by reading them side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cvm.errors import FeatureMismatchError, MissingOutputError
from cvm.scoring.files import CHUNK_ROWS, schema_on_file, were_made_by
from cvm.scoring.segmentation import segment_columns
from cvm.segments import NUMBER_COLUMNS, TEXT_COLUMNS, RuleSet
from cvm.workspace import parquet_files

Item = TypeVar("Item")
Result = TypeVar("Result")


def feature_chunks(path: Path, *, rows: int = CHUNK_ROWS, command: str = "cvm features") -> Iterator[pa.RecordBatch]:
    """Features of a snapshot, so many customers at a time, texts as dictionaries.

    Raises
    ------
    MissingOutputError
        If there are none; ``command`` is what writes them.
    FeatureMismatchError
        If an id is null, occurs twice or is out of order.
    """
    if not path.is_file():
        raise MissingOutputError.from_stage(path, command=command)
    last: str | None = None
    for batch in _batches(path, rows=rows, command=command):
        ids = batch.column("customer_id") if "customer_id" in batch.schema.names else pa.nulls(0)
        _check_order(ids, last, path, command)
        last = ids[-1].as_py() if len(ids) else last
        yield batch


def frame_of(batch: pa.RecordBatch) -> pd.DataFrame:
    """A chunk of features as pandas: all numbers as float64, in one block; texts of a dictionary as a category."""
    numbers = [pa.types.is_integer(field.type) or pa.types.is_float32(field.type) for field in batch.schema]
    columns = [
        column.cast(pa.float64()) if is_number else column for column, is_number in zip(batch.columns, numbers, strict=True)
    ]
    frame: pd.DataFrame = pa.Table.from_arrays(columns, names=batch.schema.names).to_pandas()
    return frame


def _batches(path: Path, *, rows: int, command: str) -> Iterator[pa.RecordBatch]:
    try:
        schema = pq.read_schema(path)
        texts = [field.name for field in schema if pa.types.is_string(field.type) and field.name != "customer_id"]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            yield from file.iter_batches(batch_size=rows)
    except (OSError, pa.ArrowInvalid) as error:
        raise MissingOutputError.from_damage(path, command=command) from error


def _check_order(ids: pa.Array, last: str | None, path: Path, command: str) -> None:
    before = pa.concat_arrays([pa.array([last], ids.type), ids[:-1]]) if len(ids) else ids
    rises = pc.greater(ids, before)
    n_faulty = len(ids) - (pc.sum(rises).as_py() or 0) - (1 if last is None and len(ids) and ids[0].is_valid else 0)
    if n_faulty:
        raise FeatureMismatchError(
            f"customer_id is null, occurs twice or is out of order in {n_faulty:,} rows of {path}; it must hold one row per "
            f"customer, in the order of their ids. Run `{command}` again."
        )


class EarlierSegments:
    """Segments, by today's rules, of the scores before; asked of customers in the order of their ids.

    Parameters
    ----------
    path : Path or None
        Earlier scores; None where there are none, so that nobody had a segment.
    rules : RuleSet

    Raises
    ------
    MissingOutputError
        If the file cannot be read, or is not in the order of ``customer_id``.
    """

    def __init__(self, path: Path | None, rules: RuleSet) -> None:
        self._parts = _segments(path, rules) if path else iter(())
        self._ids, self._segment = pa.array([], pa.string()), pa.array([], pa.string())

    def of(self, ids: pa.Array) -> pa.Array:
        """Segments of these customers, whose ids are above those asked before; null where there is none."""
        if not len(ids):
            return pa.nulls(0, pa.string())
        last = ids[-1].as_py()
        while not len(self._ids) or self._ids[-1].as_py() < last:
            part = next(self._parts, None)
            if part is None:
                break
            self._ids = pa.concat_arrays([self._ids, part[0]])
            self._segment = pa.concat_arrays([self._segment, part[1]])
        found = self._segment.take(pc.index_in(ids, value_set=self._ids))
        left = pc.greater(self._ids, last)
        self._ids, self._segment = self._ids.filter(left), self._segment.filter(left)
        return found


def _segments(path: Path, rules: RuleSet) -> Iterator[tuple[pa.Array, pa.Array]]:
    """Ids and segments of scores on file, as these rules segment them."""
    command = "cvm score"
    last: str | None = None
    try:
        same = were_made_by(rules, schema_on_file(path))
        columns = ["customer_id", *(["segment"] if same else dict.fromkeys([*TEXT_COLUMNS, *NUMBER_COLUMNS]))]
        for place in parquet_files(path):
            with pq.ParquetFile(place) as file:
                for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=columns):
                    part = pa.Table.from_batches([batch])
                    ids = batch.column("customer_id")
                    _check_order(ids, last, path, command)
                    last = ids[-1].as_py() if len(ids) else last
                    segment = None if same else rules.segment(segment_columns(part), n=len(ids))
                    yield ids, batch.column("segment") if segment is None else pa.array(segment, pa.string())
    except (OSError, pa.ArrowInvalid) as error:
        raise MissingOutputError.from_damage(path, command=command) from error


def in_order(function: Callable[[Item], Result], items: Iterable[Item], *, at_once: int) -> Iterator[Result]:
    """``function`` of each item, in their order; so many are worked on at once, and no more are read ahead."""
    with ThreadPoolExecutor(at_once) as pool:
        waiting = deque[Future[Result]]()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def highest(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], share: float
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which values are among the highest ``share`` of those known, rounded; of equal ones the first.

    >>> highest(np.array([0.2, np.nan, 0.9, 0.9, 0.1]), 0.5).tolist()
    [False, False, True, True, False]
    """
    known = np.flatnonzero(~np.isnan(values))
    wanted = round(share * len(known))
    chosen = np.zeros(len(values), dtype=bool)
    if wanted:
        cut = np.partition(values[known], len(known) - wanted)[len(known) - wanted]
        chosen[known] = values[known] > cut
        equal = np.flatnonzero(values == cut)
        chosen[equal[: wanted - int(chosen.sum())]] = True
    return chosen
