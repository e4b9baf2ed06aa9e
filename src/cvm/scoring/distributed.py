"""The batch job on a cluster: executors score, each with the bundle in memory, and write; the driver sees counts alone.

What is done with a batch of customers is ``batch.scored_chunk``, so the scores are those of one machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from cvm.engines.spark import SparkEngine
from cvm.errors import FeatureMismatchError, MissingOutputError
from cvm.models.bundle import Bundle, read_bundle
from cvm.scoring.batch import Scored, scored_chunk
from cvm.scoring.chunks import frame_of
from cvm.scoring.files import Origin, latest_earlier, origin_for, schema_on_file, score_schema, were_made_by, write_schema
from cvm.scoring.reasons import reasons
from cvm.scoring.schema import REASONS, SCORE_SCHEMA
from cvm.scoring.score import checked_columns
from cvm.scoring.segmentation import segment_columns
from cvm.scoring.uplift import UPLIFT_SCHEMA, expected_uplift, uplift_table
from cvm.segments import NUMBER_COLUMNS, TEXT_COLUMNS, RuleSet, Segmentation
from cvm.workspace import Workspace, removed, replaced_directory

_SEGMENT_SCHEMA = pa.schema([("customer_id", pa.string()), ("segment", pa.string())])
_REASONS_SCHEMA = pa.schema([("customer_id", pa.string()), ("reasons", REASONS)])
# Where probabilities are cut to find the highest of them: a power of two, so that every bin is exact.
_BINS = 2**20

# Of an executor's process: the bundle it was sent, read once.
_bundles: dict[str, Bundle] = {}


@dataclass(frozen=True)
class Work:
    """What executors are sent.

    Attributes
    ----------
    files : mapping of str to bytes
        Of the bundle, by name.
    model_version : str
    as_of : date
    segmentation : Segmentation
    has_reasons : bool
        Whether everybody gets reasons.
    """

    files: Mapping[str, bytes]
    model_version: str
    as_of: date
    segmentation: Segmentation
    has_reasons: bool

    @classmethod
    def of(cls, bundle: Bundle, *, as_of: date, segmentation: Segmentation, has_reasons: bool) -> Work:
        """With the files of ``bundle``."""
        with tempfile.TemporaryDirectory(prefix="cvm-bundle-") as folder:
            bundle.write(Path(folder))
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
        return cls(files, bundle.model_version, as_of, segmentation, has_reasons)

    def bundle(self) -> Bundle:
        """The bundle, read the first time a process asks."""
        if self.model_version not in _bundles:
            with tempfile.TemporaryDirectory(prefix="cvm-bundle-") as folder:
                for name, content in self.files.items():
                    (Path(folder) / name).write_bytes(content)
                _bundles.clear()
                _bundles[self.model_version] = read_bundle(Path(folder))
        return _bundles[self.model_version]


def score_distributed(
    engine: SparkEngine,
    bundle: Bundle,
    workspace: Workspace,
    *,
    as_of: date,
    features: Path,
    segmentation: Segmentation | None = None,
    reasons_share: float = 1.0,
    origin: Origin | None = None,
) -> Scored:
    """Score everybody known at ``as_of`` and replace the scores of that date; arguments as of ``batch.score_batch``.

    Parameters
    ----------
    engine : SparkEngine
        Its executors must have cvm, and see the folders of ``workspace``.
    features : Path
        Folder of Parquet files.

    Raises
    ------
    MissingOutputError
        If there are no features.
    FeatureMismatchError
        If the features do not fit the bundle, an id is null or occurs twice, or a customer got lost.
    """
    if not features.exists():
        raise MissingOutputError.from_stage(features, command=f"cvm features --set windows.as_of={as_of}")
    segmentation = segmentation or bundle.segmentation
    engine.show_parquet("known", features)
    n_customers = _checked_count(engine, features)
    checked_columns(bundle, frame_of(_none_of(engine)))  # refuse before anything is computed
    work = Work.of(bundle, as_of=as_of, segmentation=segmentation, has_reasons=reasons_share == 1)
    previous = _with_previous(engine, workspace, as_of=as_of, rules=segmentation.rules)
    engine.map_batches("scored", previous, _scores, shared=work, schema=SCORE_SCHEMA)
    query = "SELECT * FROM scored"
    if 0 < reasons_share < 1:
        query = _with_reasons_of_some(engine, work, share=reasons_share)
    schema = score_schema(segmentation, origin_for(bundle, reasons_share=reasons_share) | dict(origin or {}))
    with ExitStack() as folders:
        target = folders.enter_context(replaced_directory(workspace.scores_file_of(as_of).parent))
        engine.write_parquet(f"{query} ORDER BY customer_id", target)
        write_schema(schema, target)
        found = scored_on_file(engine, target)
        if found.n_customers != n_customers:
            raise FeatureMismatchError(
                f"{n_customers:,} customers went to the executors, {found.n_customers:,} came back. Nothing was replaced. "
                "Run `cvm score` again; if it happens again, this is a fault of cvm: please report it."
            )
        if bundle.uplift is not None:
            effects = folders.enter_context(replaced_directory(workspace.uplift_of(as_of)))
            engine.map_batches("effects", "SELECT * FROM known", _effects, shared=work, schema=UPLIFT_SCHEMA)
            engine.write_parquet("SELECT * FROM effects ORDER BY customer_id, arm", effects)
    if bundle.uplift is None:
        removed(workspace.uplift_of(as_of))
    return found


def scored_on_file(engine: SparkEngine, path: Path) -> Scored:
    """What scores on file come to."""
    engine.show_parquet("on_file", path)
    row = engine.row("SELECT count(*) AS n, coalesce(sum(clv), 0.0) AS clv, count(next_best_action) AS n_moved FROM on_file")
    return Scored(row["n"], float(row["clv"]), row["n_moved"])


def _checked_count(engine: SparkEngine, features: Path) -> int:
    row = engine.row("SELECT count(*) AS n, count(DISTINCT customer_id) AS n_ids FROM known")
    if row["n"] != row["n_ids"]:
        raise FeatureMismatchError(
            f"customer_id is null or occurs twice in {row['n'] - row['n_ids']:,} rows of {features}; it must hold one row "
            "per customer. Run `cvm features` again."
        )
    return int(row["n"])


def _none_of(engine: SparkEngine) -> pa.RecordBatch:
    """The features of nobody, which have their columns and types."""
    empty = engine.table("SELECT * FROM known LIMIT 0")
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in empty.schema], schema=empty.schema)


def _with_previous(engine: SparkEngine, workspace: Workspace, *, as_of: date, rules: RuleSet) -> str:
    """A query of the features with the segment of the scores before, by today's rules."""
    earlier = latest_earlier(workspace, as_of)
    if earlier is None:
        return "SELECT *, CAST(NULL AS VARCHAR) AS previous_segment FROM known"
    engine.show_parquet("earlier", earlier[1])
    if not were_made_by(rules, schema_on_file(earlier[1])):
        columns = ", ".join(dict.fromkeys(["customer_id", *TEXT_COLUMNS, *NUMBER_COLUMNS]))
        query = f"SELECT {columns} FROM earlier"
        engine.map_batches("earlier", query, _segments, shared=rules, schema=_SEGMENT_SCHEMA)
    return "SELECT known.*, earlier.segment AS previous_segment FROM known LEFT JOIN earlier USING (customer_id)"


def _with_reasons_of_some(engine: SparkEngine, work: Work, *, share: float) -> str:
    """A query of the scores with reasons of the ``share`` whose churn is likeliest; the same as ``chunks.highest``."""
    place = f"CAST(floor(p_churn * {_BINS}) AS BIGINT)"
    bins = engine.table(f"SELECT {place} AS bin, count(*) AS n FROM scored WHERE p_churn IS NOT NULL GROUP BY 1")
    order = np.argsort(-bins["bin"].to_numpy())
    above, n = bins["bin"].to_numpy()[order], np.cumsum(bins["n"].to_numpy()[order])
    wanted = round(share * int(n[-1])) if len(n) else 0
    if not wanted:
        return "SELECT * FROM scored"
    last = int(np.searchsorted(n, wanted))  # in this bin lies the lowest of the highest
    left = wanted - (int(n[last - 1]) if last else 0)
    engine.replace_table(
        "told",
        f"SELECT customer_id FROM scored WHERE {place} > {int(above[last])} UNION ALL "
        "SELECT customer_id FROM (SELECT customer_id, row_number() OVER (ORDER BY p_churn DESC, customer_id) AS place "
        f"FROM scored WHERE {place} = {int(above[last])}) AS edge WHERE place <= {left}",
    )
    query = "SELECT known.* FROM known WHERE customer_id IN (SELECT customer_id FROM told)"
    engine.map_batches("reasoned", query, _reasons, shared=work, schema=_REASONS_SCHEMA)
    columns = ", ".join(f"scored.{name}" if name != "reasons" else "reasoned.reasons" for name in SCORE_SCHEMA.names)
    return f"SELECT {columns} FROM scored LEFT JOIN reasoned ON scored.customer_id = reasoned.customer_id"


def _scores(batches: Iterator[pa.RecordBatch], work: Work) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        scores, _ = scored_chunk(
            work.bundle(),
            _with_dictionaries(batch),
            as_of=work.as_of,
            segmentation=work.segmentation,
            has_reasons=work.has_reasons,
        )
        yield from scores.to_batches()


def _reasons(batches: Iterator[pa.RecordBatch], work: Work) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        known = checked_columns(work.bundle(), frame_of(_with_dictionaries(batch)))
        told = reasons(work.bundle(), known, as_of=work.as_of)
        yield pa.RecordBatch.from_arrays([batch.column("customer_id"), told], schema=_REASONS_SCHEMA)


def _effects(batches: Iterator[pa.RecordBatch], work: Work) -> Iterator[pa.RecordBatch]:
    bundle = work.bundle()
    for batch in batches:
        known = checked_columns(bundle, frame_of(_with_dictionaries(batch)))
        uplift = expected_uplift(bundle, known, as_of=work.as_of)
        if uplift is not None:
            yield from uplift_table(bundle, known, uplift).to_batches()


def _segments(batches: Iterator[pa.RecordBatch], rules: RuleSet) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        segment = rules.segment(segment_columns(pa.Table.from_batches([batch])), n=batch.num_rows)
        yield pa.RecordBatch.from_arrays(
            [batch.column("customer_id"), pa.array(segment, pa.string())], schema=_SEGMENT_SCHEMA
        )


def _with_dictionaries(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Texts as one machine reads them from file: as dictionaries."""
    arrays = [
        column.dictionary_encode() if pa.types.is_string(column.type) and name != "customer_id" else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
