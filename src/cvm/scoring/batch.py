"""The batch job: features of one ``as_of`` in, one Parquet file of scores out, a chunk of customers at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cvm.features.files import features_file
from cvm.models.bundle import Bundle
from cvm.scoring.chunks import EarlierSegments, feature_chunks, frame_of, highest, in_order
from cvm.scoring.files import CHUNK_ROWS, Origin, latest_earlier, origin_for, score_schema
from cvm.scoring.reasons import reasons
from cvm.scoring.schema import REASONS, SCORE_SCHEMA
from cvm.scoring.score import checked_columns, score_checked, with_reasons
from cvm.scoring.uplift import UPLIFT_SCHEMA, expected_uplift, uplift_table
from cvm.segments import Segmentation
from cvm.workspace import Workspace, parquet_files, removed, replaced_file, temporary_file

# Chunks that are worked on at once: LightGBM has threads of its own, the rest has none.
_AT_ONCE = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Scored:
    """What a run of the job wrote.

    Attributes
    ----------
    n_customers : int
    clv_total : float
        Of all of them.
    n_moved : int
        Customers with whom a contact pays, by the model alone.
    """

    n_customers: int = 0
    clv_total: float = 0.0
    n_moved: int = 0

    def with_chunk(self, scores: pa.Table) -> Scored:
        """The totals with those of more customers."""
        n_moved = scores.num_rows - scores["next_best_action"].null_count
        clv = float(scores["clv"].to_numpy().sum())
        return Scored(self.n_customers + scores.num_rows, self.clv_total + clv, self.n_moved + n_moved)


def score_batch(
    bundle: Bundle,
    workspace: Workspace,
    *,
    as_of: date,
    segmentation: Segmentation | None = None,
    reasons_share: float = 1.0,
    features: Path | None = None,
    origin: Origin | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Scored:
    """Score everybody known at ``as_of`` and replace the scores of that date, and the uplift by treatment where it is known.

    Parameters
    ----------
    bundle : Bundle
    workspace : Workspace
        Holds the features; receives the scores.
    as_of : date
    segmentation : Segmentation, optional
        Instead of the bundle's.
    reasons_share : float between 0 and 1
        Only this share of the customers, those of the highest ``p_churn``, get reasons.
    features : Path, optional
        File of features, by default that of ``as_of`` in the workspace.
    origin : mapping, optional
        What the file shall say of what made it, beside model and segmentation; plain JSON values.
    chunk_rows : int
        Customers in memory at once; scores do not depend on it.

    Raises
    ------
    MissingOutputError
        If the features or the earlier scores cannot be read.
    FeatureMismatchError
        If the features do not fit the bundle.
    """
    segmentation = segmentation or bundle.segmentation
    source = features or features_file(workspace.features, as_of)
    job = _Job(bundle, workspace, as_of, segmentation, source, chunk_rows, reasons_share)
    schema = score_schema(segmentation, origin_for(bundle, reasons_share=reasons_share) | dict(origin or {}))
    path = workspace.scores_file_of(as_of)
    next(job.chunks(), None)  # refuse before anything is written
    if workspace.uplift_of(as_of).is_dir():  # which Spark wrote
        removed(workspace.uplift_of(as_of))
    with ExitStack() as files:
        written = files.enter_context(replaced_file(path))
        writer = files.enter_context(pq.ParquetWriter(written, schema, compression="zstd"))
        effects = files.enter_context(replaced_file(workspace.uplift_of(as_of))) if bundle.uplift else None
        chunks = job.scored(effects)
        if 0 < reasons_share < 1:
            spool = files.enter_context(temporary_file(path.with_name("scores_without_reasons.parquet")))
            chunks = job.with_reasons_of_some(chunks, spool)
        found = Scored()
        for scores in chunks:
            found = found.with_chunk(scores)
            writer.write_table(scores.replace_schema_metadata(schema.metadata))
    if bundle.uplift is None:
        workspace.uplift_of(as_of).unlink(missing_ok=True)
    for part in parquet_files(path.parent):  # which Spark wrote
        removed(part)
    return found


@dataclass(frozen=True)
class _Job:
    """One run: everything that each chunk is scored by."""

    bundle: Bundle
    workspace: Workspace
    as_of: date
    segmentation: Segmentation
    features: Path
    chunk_rows: int
    reasons_share: float

    def chunks(self) -> Iterator[pa.RecordBatch]:
        """Features as they are on file."""
        command = f"cvm features --set windows.as_of={self.as_of}"
        return feature_chunks(self.features, rows=self.chunk_rows, command=command)

    def scored(self, effects: Path | None) -> Iterator[pa.Table]:
        """Scores chunk by chunk, with reasons where everybody gets them; effects of treatments are written beside."""
        with ExitStack() as files:
            table = files.enter_context(pq.ParquetWriter(effects, UPLIFT_SCHEMA, compression="zstd")) if effects else None
            for scores, uplift in in_order(self._scores, self._with_previous(), at_once=_AT_ONCE):
                if table is not None:
                    table.write_table(uplift)
                yield scores

    def with_reasons_of_some(self, scored: Iterator[pa.Table], spool: Path) -> Iterator[pa.Table]:
        """Scores, with reasons of those whose churn is likeliest; who that is, is known once all are scored."""
        p_churn = [np.empty(0)]
        with pq.ParquetWriter(spool, SCORE_SCHEMA, compression="lz4") as writer:
            for scores in scored:
                writer.write_table(scores)
                p_churn.append(scores["p_churn"].to_numpy().astype(float))
        ends = np.cumsum([len(part) for part in p_churn])[1:-1]
        chosen = np.split(highest(np.concatenate(p_churn), self.reasons_share), ends)
        with pq.ParquetFile(spool) as again:
            told = in_order(self._reasons, zip(self.chunks(), chosen, strict=False), at_once=_AT_ONCE)
            for number, of_chunk in enumerate(told):
                yield with_reasons(again.read_row_group(number), of_chunk)

    def _with_previous(self) -> Iterator[pa.RecordBatch]:
        earlier = latest_earlier(self.workspace, self.as_of)
        segments = EarlierSegments(earlier[1] if earlier else None, self.segmentation.rules)
        for batch in self.chunks():
            yield batch.append_column("previous_segment", segments.of(batch.column("customer_id")))

    def _scores(self, batch: pa.RecordBatch) -> tuple[pa.Table, pa.Table]:
        """Of one chunk: scores, and effects of treatments."""
        has_reasons = self.reasons_share == 1
        return scored_chunk(self.bundle, batch, as_of=self.as_of, segmentation=self.segmentation, has_reasons=has_reasons)

    def _reasons(self, asked: tuple[pa.RecordBatch, NDArray[np.bool_]]) -> pa.Array:
        """Of the wanted customers of a chunk; null for the others."""
        batch, wanted = asked
        if not wanted.any():
            return pa.nulls(len(wanted), REASONS)
        known = checked_columns(self.bundle, frame_of(batch.filter(pa.array(wanted))))
        place = pa.array(np.cumsum(wanted) - 1, mask=~wanted)
        return reasons(self.bundle, known, as_of=self.as_of).take(place)


def scored_chunk(
    bundle: Bundle, batch: pa.RecordBatch, *, as_of: date, segmentation: Segmentation, has_reasons: bool
) -> tuple[pa.Table, pa.Table]:
    """Scores of some customers, as ``feature_chunks`` has them with ``previous_segment``; and effects of treatments."""
    known = checked_columns(bundle, frame_of(batch))
    uplift = expected_uplift(bundle, known, as_of=as_of)
    scores = score_checked(bundle, known, uplift, as_of=as_of, segmentation=segmentation)
    if has_reasons:
        scores = with_reasons(scores, reasons(bundle, known, as_of=as_of))
    return scores, UPLIFT_SCHEMA.empty_table() if uplift is None else uplift_table(bundle, known, uplift)


def features_gone(bundle: Bundle, features: Path) -> list[str]:
    """Features that the bundle was trained with and that this file of features lacks; they count as missing."""
    found = set(pq.read_schema(parquet_files(features)[0]).names)
    return [feature.name for feature in bundle.features if feature.name not in found]
