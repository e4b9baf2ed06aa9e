"""The clean tables, opened with the engine that params name: every stage asks here, and most do not care which it gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cvm.engines import DuckDBEngine, Engine, QueryError
from cvm.errors import CvmError, MissingOutputError
from cvm.features.files import SAMPLE_FILE
from cvm.ingest.contracts import CONTRACTS
from cvm.params import Params
from cvm.stages.context import workspace_of
from cvm.workspace import Workspace, temporary_file

if TYPE_CHECKING:
    from cvm.engines.spark import SparkEngine
    from cvm.engines.spark_session import SparkSession

# What of the loop Spark does; the rest reads what it wrote, or is for one machine.
ON_SPARK = ("ingest", "features", "train", "promote", "score", "kpis", "evaluate", "report")

# What a query on the warehouse may hold in memory before it goes on with files; the whole process then stays below 8 GiB.
_MEMORY_GIB = 5.0


class EngineError(CvmError):
    """A step that the engine of params cannot do."""

    @classmethod
    def from_step(cls, step: str) -> EngineError:
        """Of a command or setting that needs DuckDB."""
        return cls(
            f"{step} does not run with engine: spark, which does {', '.join(ON_SPARK)}. Run it with engine: duckdb, on a "
            "base or an extract that one machine holds, and with outputs of its own (docs/spark.md)."
        )


def warehouse_path(params: Params) -> Path:
    """Where the clean tables lie that the engine of params writes: a file, or a folder of Spark."""
    workspace = workspace_of(params)
    return workspace.lake if params.engine == "spark" else workspace.warehouse


def open_warehouse(params: Params) -> AbstractContextManager[Engine]:
    """The clean tables, to be read only, with whichever engine params name.

    Raises
    ------
    CvmError
        If there are none yet, another program holds them, or Spark does not start.
    """
    return open_spark(params) if params.engine == "spark" else _open_duckdb(params)


def open_duckdb(params: Params, *, step: str) -> DuckDBEngine:
    """The same for what DuckDB alone can do; ``step`` is what is refused otherwise, such as ``cvm plan``.

    Raises
    ------
    EngineError
        If params name another engine.
    CvmError
        As ``open_warehouse``.
    """
    check_duckdb(params, step=step)
    return _open_duckdb(params)


def learned_features(params: Params) -> Path:
    """Folder of the features that models learn from and are judged on: of everybody, with Spark a sample of them.

    Raises
    ------
    EngineError
        If they are a sample that Spark drew, and params name another engine by now.
    """
    workspace = workspace_of(params)
    if params.engine == "duckdb" and (workspace.features / SAMPLE_FILE).is_file():
        raise EngineError(
            f"The features in {workspace.features} are a sample of the customers, drawn for training by engine: spark. Set "
            "engine: spark, or run `cvm features` with engine: duckdb, which computes those of everybody."
        )
    return workspace.features


def check_duckdb(params: Params, *, step: str) -> None:
    """Refuse what DuckDB alone can do.

    Raises
    ------
    EngineError
        If params name another engine.
    """
    if params.engine != "duckdb":
        raise EngineError.from_step(step)


@contextmanager
def open_spark(params: Params, *, is_empty: bool = False) -> Iterator[SparkEngine]:
    """Spark on the clean tables: folders of ``outputs/warehouse``, or tables of ``spark.in_schema``.

    Parameters
    ----------
    params : Params
    is_empty : bool
        Without the clean tables: they are still to be made.

    Raises
    ------
    CvmError
        If there are no clean transactions.
    SparkMissingError
        If Spark does not start.
    """
    from cvm.engines.spark import SparkEngine
    from cvm.engines.spark_session import spark_session

    workspace = workspace_of(params)
    tables = {} if is_empty or params.spark.in_schema else _lake_tables(workspace)
    session = spark_session(master=params.spark.master, settings=params.spark.options)
    if params.spark.in_schema and not is_empty:
        tables = _catalog_tables(session, params.spark.in_schema)
    with (
        temporary_file(workspace.outputs / "spark") as scratch,
        SparkEngine(session, scratch=scratch, tables=tables) as engine,
    ):
        yield engine


def _lake_tables(workspace: Workspace) -> Mapping[str, Path | str]:
    folders = {name: workspace.lake / name for name in CONTRACTS}
    if not folders["transactions"].is_dir():
        raise MissingOutputError.from_stage(folders["transactions"], command="cvm ingest")
    return {name: folder for name, folder in folders.items() if folder.is_dir()}


def _catalog_tables(session: SparkSession, schema: str) -> Mapping[str, Path | str]:
    from cvm.engines.spark_session import tables_of_schema

    tables: Mapping[str, Path | str] = {**tables_of_schema(session, schema, CONTRACTS)}
    if "transactions" not in tables:
        raise CvmError(
            f"spark.in_schema == {schema!r} has no table transactions; it should hold the clean tables (docs/lake.md). "
            "Name another schema, or leave it out to read what `cvm ingest` wrote."
        )
    return tables


def _open_duckdb(params: Params) -> DuckDBEngine:
    warehouse = workspace_of(params).warehouse
    if not warehouse.is_file():
        raise MissingOutputError.from_stage(warehouse, command="cvm ingest")
    try:
        return DuckDBEngine(warehouse, read_only=True, memory_gib=_MEMORY_GIB)
    except QueryError as error:
        raise CvmError(
            f"The warehouse {warehouse} cannot be opened: {error}. Close the program that holds it, or run `cvm ingest`."
        ) from None
