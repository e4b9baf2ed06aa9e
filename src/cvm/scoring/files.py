"""Files of scores: how they are written and read, and what they say of what made them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.errors import MissingOutputError
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.segments import RuleSet, Segmentation
from cvm.workspace import Workspace, parquet_files, removed, replaced_file

if TYPE_CHECKING:
    from cvm.models.bundle import Bundle

# Customers that are scored at a time, and rows of a row group: all that is in memory at once.
CHUNK_ROWS = 50_000

# Keys of the metadata of a file of scores.
_MADE_BY = b"cvm.segmentation"
_ORIGIN = b"cvm.origin"

# Of a folder of files that Spark wrote; a name that readers of Parquet look over.
SCHEMA_FILE = "_common_metadata"

Origin = Mapping[str, Any]


def score_schema(segmentation: Segmentation, origin: Origin) -> pa.Schema:
    """``SCORE_SCHEMA`` with what made the scores: the segmentation, and whatever else tells two runs apart."""
    return SCORE_SCHEMA.with_metadata({_MADE_BY: _json(segmentation.state()), _ORIGIN: _json(dict(origin))})


def origin_for(bundle: Bundle, *, reasons_share: float) -> dict[str, Any]:
    """What every file of scores says of what made it."""
    return {
        "model_version": bundle.model_version,
        "trained_as_of": bundle.trained_as_of.isoformat(),
        "reasons_share": reasons_share,
    }


def is_on_file(path: Path, schema: pa.Schema) -> bool:
    """Whether the scores on file were made by just what ``schema``, a ``score_schema``, says."""
    try:
        found = schema_on_file(path).metadata or {}
    except (OSError, ValueError):  # Arrow's own errors are ValueErrors
        return False
    return all(found.get(key) == schema.metadata[key] for key in (_MADE_BY, _ORIGIN))


def replace_columns(path: Path, columns: pa.Table, *, segmentation: Segmentation | None = None) -> None:
    """Write scores on file again with other columns, a chunk at a time; whole or not at all.

    The file goes on to tell what made them, and by which segmentation if one is given.

    Parameters
    ----------
    path : Path
        The scores.
    columns : Table of shape (n_customers, n_columns)
        Columns that take the place of those of the same name, in the order of the file.
    segmentation : Segmentation, optional

    Raises
    ------
    MissingOutputError
        If the scores cannot be read.
    """
    at, schema = 0, _schema_again(_schema_of(path), segmentation)
    target = path / "scores.parquet" if path.is_dir() else path  # one file in the place of those that Spark wrote
    with replaced_file(target) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for part in _row_groups(path):
            now = columns.slice(at, part.num_rows)
            arrays = [(now if name in now.column_names else part)[name] for name in schema.names]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema).combine_chunks())
            at += part.num_rows
    for file in parquet_files(path) if target != path else ():
        removed(file)


def read_scores(path: Path, *, columns: list[str] | None = None) -> pa.Table:
    """Scores on file, all columns unless some are named.

    Raises
    ------
    MissingOutputError
        If there are none.
    """
    if not path.exists():
        raise MissingOutputError.from_stage(path, command="cvm score")
    with _readable(path):
        scores = pq.read_table(path, columns=columns, partitioning=None)
        if path.is_dir():  # Spark has other names for the parts of types, and says nothing of what made the scores
            known = schema_on_file(path)
            scores = scores.cast(pa.schema([known.field(name) for name in scores.column_names], metadata=known.metadata))
    return scores


def origin_of(path: Path) -> dict[str, Any] | None:
    """What a file of scores says of what made it; None where there is no such file, or it does not say."""
    try:
        text = (schema_on_file(path).metadata or {}).get(_ORIGIN)
        return dict(json.loads(text)) if text else None
    except (OSError, ValueError):  # Arrow's own errors are ValueErrors
        return None


def mark_of(origin: Origin | None) -> str:
    """A short mark of what made a file of scores, ``origin_of`` it: files of the same mark hold the same scores."""
    return hashlib.sha256(_json(dict(origin))).hexdigest()[:16] if origin else "unknown"


def foresaw(path: Path, as_of: date) -> bool:
    """Whether the model that made these scores of ``as_of`` had learned from what came later."""
    trained = (origin_of(path) or {}).get("trained_as_of")
    return trained is not None and date.fromisoformat(trained) > as_of


def were_made_by(rules: RuleSet, scores: pa.Schema | pa.Table) -> bool:
    """Whether scores read from file were segmented by these rules; not if nobody knows."""
    made_by = _made_by(scores)
    return made_by is not None and json.loads(made_by)["rules"] == rules.state()


def were_made_by_others(rules: RuleSet, scores: pa.Schema | pa.Table) -> bool:
    """Whether scores read from file are known to be segmented by other rules."""
    return _made_by(scores) is not None and not were_made_by(rules, scores)


def _schema_of(path: Path) -> pa.Schema:
    with _readable(path):
        return schema_on_file(path)


def write_schema(schema: pa.Schema, folder: Path) -> None:
    """Beside files that Spark wrote, what made them: ``schema`` is a ``score_schema``."""
    pq.write_metadata(schema, folder / SCHEMA_FILE)


def schema_on_file(path: Path) -> pa.Schema:
    """Schema of scores on file, with what made them."""
    return pq.read_schema(path / SCHEMA_FILE if path.is_dir() else path)


def _row_groups(path: Path) -> Iterator[pa.Table]:
    schema = _schema_of(path)
    for place in parquet_files(path):
        with _readable(path), pq.ParquetFile(place) as file:
            for number in range(file.num_row_groups):
                yield file.read_row_group(number).cast(schema)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:
        day = (path if path.is_dir() else path.parent).name.removeprefix("as_of=")
        raise MissingOutputError.from_damage(path, command=f"cvm score --as-of {day}") from error


def _schema_again(found: pa.Schema, segmentation: Segmentation | None) -> pa.Schema:
    """The plain schema, for one read back carries field ids, and the same scores must give the same bytes."""
    known = found.metadata or {}
    metadata = {key: known[key] for key in (_MADE_BY, _ORIGIN) if key in known}
    if segmentation:
        metadata[_MADE_BY] = _json(segmentation.state())
    return SCORE_SCHEMA.with_metadata(metadata or None)


def _made_by(scores: pa.Schema | pa.Table) -> bytes | None:
    schema = scores.schema if isinstance(scores, pa.Table) else scores
    return (schema.metadata or {}).get(_MADE_BY)


def latest_earlier(workspace: Workspace, as_of: date) -> tuple[date, Path] | None:
    """The latest scores on file of a date before ``as_of``: the date, and the file."""
    return max((found for found in workspace.score_files().items() if found[0] < as_of), default=None)


def _json(values: object) -> bytes:
    return json.dumps(values, sort_keys=True).encode()
