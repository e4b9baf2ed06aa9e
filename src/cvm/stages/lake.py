"""What the stages do otherwise with ``engine: spark``: where it reads, and what is not for one machine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvm.engines.sql import literal
from cvm.errors import ParamsError
from cvm.features.sample import write_sample
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.declared import declared_reading
from cvm.params import Params
from cvm.stages.context import Progress, workspace_of
from cvm.stages.inputs import declared_zone_of, rules_of, segmentation_of
from cvm.stages.warehouse import EngineError, open_spark

if TYPE_CHECKING:
    from cvm.engines.spark import SparkEngine
    from cvm.features.sample import Sampled
    from cvm.features.snapshots import SnapshotPlan
    from cvm.ingest.lake import LakeSource
    from cvm.ingest.protection import Protection
    from cvm.ingest.stage import Ingested
    from cvm.models.bundle import Bundle
    from cvm.scoring.batch import Scored

# What works on Spark is imported where it is opened: the stages of DuckDB ask this module, too, and it takes long.


def ingest_on_spark(params: Params, frames: Mapping[str, object], protection: Protection, *, now: datetime) -> Ingested:
    """Sources of params to clean tables, by executors; frames of Python are refused."""
    from cvm.ingest.lake import ingest_lake

    if frames:
        raise EngineError.from_step("tables= of Python")
    with open_spark(params, is_empty=True) as engine:
        return ingest_lake(
            engine,
            lake_sources_of(params),
            workspace_of(params),
            rules_of(params),
            now=now,
            protection=protection,
            schema=params.spark.in_schema,
        )


def lake_sources_of(params: Params) -> dict[str, LakeSource]:
    """Files and tables of the catalog that params name.

    Raises
    ------
    EngineError
        If an origin is for one machine: a named data set, a database.
    ParamsError
        If a table has no origin, or its preset is none for it.
    """
    from cvm.ingest.lake import LakeSource

    if params.data.dataset is not None:
        raise EngineError.from_step(f"data.dataset: {params.data.dataset}")
    zone = declared_zone_of(params)
    sources = {}
    for table, section in params.data.tables.items():
        if section.url is not None or section.query is not None or (section.paths and section.table is not None):
            raise EngineError.from_step(f"data.{table} of a database")
        if not section.paths and section.table is None:
            raise ParamsError(
                f"data.{table} has no origin that engine: spark can read. Set path, or table: the name of a table of its "
                "catalog."
            )
        reading = declared_reading(table, section.model_dump(exclude_unset=True), zone)
        paths = [params.resolve(path) for path in section.paths] or None
        sources[table] = LakeSource(paths, section.table, reading)
    return {table: sources[table] for table in CONTRACTS if table in sources}


def draw_sample(params: Params, plan: SnapshotPlan, *, progress: Progress) -> Sampled:
    """The snapshots that training reads, out of those of everybody."""
    workspace = workspace_of(params)
    with open_spark(params) as engine:
        return write_sample(
            engine, workspace.all_features, workspace.features, plan, size=params.spark.sample_customers, progress=progress
        )


def score_on_spark(
    params: Params, model: Bundle, as_of: date, features: Path, *, origin: Mapping[str, Any] | None = None
) -> Scored:
    """Features to scores, by executors; into ``spark.scores_table``, too, where it is set."""
    from cvm.scoring.distributed import score_distributed

    with open_spark(params) as engine:
        found = score_distributed(
            engine,
            model,
            workspace_of(params),
            as_of=as_of,
            features=features,
            segmentation=segmentation_of(params),
            reasons_share=params.scoring.reasons_share,
            origin=origin,
        )
        _save_in_catalog(engine, params, as_of)
    return found


def found_on_spark(params: Params, as_of: date) -> Scored:
    """What the scores on file come to; they go into ``spark.scores_table``, which an earlier run may have missed."""
    from cvm.scoring.distributed import scored_on_file

    with open_spark(params) as engine:
        _save_in_catalog(engine, params, as_of)
        return scored_on_file(engine, workspace_of(params).scores_of(as_of))


def _save_in_catalog(engine: SparkEngine, params: Params, as_of: date) -> None:
    """The scores on file as those of their date in ``spark.scores_table``, where it is set."""
    spark = params.spark
    if spark.scores_table is not None:
        engine.show_parquet("on_file", workspace_of(params).scores_of(as_of))
        rows = f"SELECT *, {literal(as_of)} AS as_of FROM on_file"
        engine.save_partition(rows, spark.scores_table, by="as_of", value=as_of, form=spark.table_format)
