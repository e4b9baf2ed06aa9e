"""Spark, the engine of what one machine cannot hold: it runs the SQL of DuckDB after ``adapted``."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import pyarrow as pa
import sqlglot
from sqlglot import exp

from cvm.engines.dialects import adapted
from cvm.engines.error import QueryError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

Shared = TypeVar("Shared")
BatchWork = Callable[[Iterator[pa.RecordBatch], Shared], Iterator[pa.RecordBatch]]

# What the numbers depend on; a session of the user's own is left as it is, see ``SparkEngine``.
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",  # times of the warehouse are UTC and carry no zone
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.ansi.enabled": "false",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # else money of 38 digits is rounded
    "spark.sql.caseSensitive": "false",  # names as DuckDB tells them apart
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Text from data stands in literals: its backslashes are escaped, and ``${...}`` in it is no variable of the cluster.
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.variable.substitute": "false",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",  # store_id=007 of a folder is not 7
}
# What matches one sign of a path alone, as ``glob.escape`` writes it; and signs that only Hadoop takes for a pattern.
_SIGN = re.compile(r"\[([*?\[])\]|([{}\\])")
# What ends a traceback that a Python worker sent.
_PYTHON_FAULT = re.compile(
    r"Traceback \(most recent call last\).*?^((?:\w+\.)*\w*(?:Error|Exception): [^\n]+)", re.DOTALL | re.MULTILINE
)
_TYPES = {
    "string": "VARCHAR",
    "boolean": "BOOLEAN",
    "tinyint": "TINYINT",
    "smallint": "SMALLINT",
    "int": "INTEGER",
    "bigint": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
    "void": '"NULL"',
}


class SparkEngine:
    """Tables that Spark reads, under the names of the warehouse; use as a context.

    Parameters
    ----------
    session : SparkSession
        Taken as it is but for the settings that numbers depend on: the engine works in a session of its own that shares
        catalog and executors.
    scratch : Path
        Folder that all executors can write to. Temporary tables live in a folder within, which goes with the engine.
    tables : mapping of str to Path or str, optional
        What is there at the start, by name: a folder of Parquet files, or the name of a table of the catalog.
    """

    is_distributed = True

    def __init__(self, session: SparkSession, *, scratch: Path, tables: Mapping[str, Path | str] | None = None) -> None:
        self._session = session.newSession()
        for key, value in _SETTINGS.items():
            self._session.conf.set(key, value)
        scratch.mkdir(parents=True, exist_ok=True)
        self._scratch = Path(tempfile.mkdtemp(prefix="spark-", dir=scratch))
        self._names: set[str] = set()
        self._held: dict[str, Path] = {}  # files of the temporary tables, by the name in lower case
        self._views: dict[tuple[str, ...], str] = {}
        self._n_written = 0
        for name, place in (tables or {}).items():
            self.show(name, self._files([hadoop_path(place)]) if isinstance(place, Path) else self._session.table(place))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def session(self) -> SparkSession:
        """The session that the engine works in."""
        return self._session

    def execute(self, statement: str) -> None:
        """Run statements for their effect: those that create, fill and drop tables."""
        for tree in sqlglot.parse(statement, read="duckdb"):
            if isinstance(tree, exp.Create) and tree.kind == "TABLE" and tree.expression is not None:
                name = tree.this.name
                self._hold(name, self._frame(tree.expression))
            elif isinstance(tree, exp.Drop):
                for table in tree.args["tables"]:
                    self._drop(table.name)
            elif isinstance(tree, exp.Set):
                self._set_variable(tree.expressions[0].this)
            elif tree is not None:
                raise QueryError(f"Spark runs no such statement: {tree.sql(dialect='duckdb')[:80]}")

    def frame(self, query: str) -> DataFrame:
        """Result of ``query`` as a frame of Spark, not computed yet."""
        return self._frame(sqlglot.parse_one(query, read="duckdb"))

    def table(self, query: str) -> pa.Table:
        """Result of ``query`` as an Arrow table of this process: for what is small."""
        with refusals():
            return _plain(self.frame(query).toArrow())

    def row(self, query: str) -> dict[str, Any]:
        """The single row of ``query``."""
        rows: list[dict[str, Any]] = self.table(query).to_pylist()
        if len(rows) != 1:
            raise AssertionError(f"expected one row, got {len(rows)}")
        return rows[0]

    def register(self, name: str, table: pa.Table) -> None:
        """Make a small Arrow table readable as ``name``."""
        self.show(name, self._session.createDataFrame(table))

    def show_parquet(self, name: str, path: Path) -> None:
        """Make Parquet readable as ``name``: a file, or a folder of files."""
        with refusals():
            self.show(name, self._files([hadoop_path(path)]))

    def checksum(self, table: str) -> tuple[int, int]:
        """Number of rows, and a hash of them, whatever their order."""
        with refusals():
            frame = self._session.table(f"`{table}`")
            found = frame.selectExpr("count(*) AS n", "sum(CAST(xxhash64(*) AS DECIMAL(38, 0))) AS h").collect()[0]
        return int(found["n"]), int(found["h"] or 0) % 2**64

    def map_batches(self, name: str, query: str, work: BatchWork[Shared], *, shared: Shared, schema: pa.Schema) -> None:
        """Make ``name`` hold what ``work`` makes of the rows of ``query``, on the executors, a batch at a time.

        Parameters
        ----------
        name : str
        query : str
        work : callable
            Given batches and ``shared``, yields batches of ``schema``. A function of a module that executors can import.
            A batch may come again where an executor was lost; it must then give the same.
        shared : object
            Sent once to every executor.
        schema : pyarrow.Schema
        """
        from pyspark.sql.pandas.types import from_arrow_schema

        sent = self._session.sparkContext.broadcast(shared)

        def mapped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return work(batches, sent.value)

        try:
            with refusals():
                self._hold(name, self.frame(query).mapInArrow(mapped, from_arrow_schema(schema)))
        finally:
            sent.unpersist()

    def save_partition(self, query: str, table: str, *, by: str, value: date, form: Literal["parquet", "delta"]) -> None:
        """Make the rows of ``query`` those of one value of ``by``, its last column, in a table of the catalog.

        The table is made where there is none. Other values keep their rows.

        Raises
        ------
        QueryError
            If the table has other columns, whatever their order, or the catalog refuses.
        """
        rows = self.frame(query)
        with refusals():
            if not self._session.catalog.tableExists(table):
                rows.write.format(form).partitionBy(by).saveAsTable(table)
                return
            rows = _aligned(rows, table, self._session.table(table).columns)
            if form == "delta":
                which = f"`{by}` = DATE '{value.isoformat()}'"
                rows.write.format(form).mode("overwrite").option("replaceWhere", which).saveAsTable(table)
            else:
                self._session.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")
                rows.write.mode("overwrite").insertInto(table)

    def columns(self, relation: str) -> dict[str, str]:
        """Column names and types, as DuckDB calls them, of a table or of ``(query)``."""
        schema = self.frame(f"SELECT * FROM {relation}").schema
        return {field.name: _type(field.dataType.simpleString()) for field in schema}

    def tables(self) -> set[str]:
        """Names of the tables."""
        return set(self._names)

    def write_parquet(self, query: str, path: Path) -> None:
        """Write the rows of ``query``, in its order, to a folder of Parquet files."""
        with refusals():
            self.frame(query).write.mode("overwrite").option("compression", "zstd").parquet(str(path))

    def replace_table(self, name: str, query: str) -> None:
        """Make ``name`` hold the rows of ``query``."""
        self._hold(name, self.frame(query))

    def show(self, name: str, frame: DataFrame) -> None:
        """Make a frame of the engine's session readable as ``name``; it is computed whenever it is read."""
        frame.createOrReplaceTempView(f"`{name}`")
        self._names.add(name)

    def _set_variable(self, assignment: exp.Expr) -> None:
        """Keep a value, such as a key, in memory alone; see ``getvariable`` in ``spark_values``."""
        with refusals():
            rows = self._frame(assignment.expression.unnest()).toDF("value").toArrow()
            self._session.createDataFrame(rows).createOrReplaceTempView(f"`{assignment.this.name}`")

    def _frame(self, tree: exp.Expr) -> DataFrame:
        with refusals():
            return self._session.sql(adapted(self._with_files(tree), "spark").sql(dialect="spark"))

    def _with_files(self, tree: exp.Expr) -> exp.Expr:
        """``read_parquet([...])`` as a view of those files."""
        for table in tree.find_all(exp.Table):
            if isinstance(table.this, exp.ReadParquet):
                patterns = tuple(_SIGN.sub(r"\\\1\2", path.name) for path in table.this.expressions[0].find_all(exp.Literal))
                name = self._views.setdefault(patterns, f"parquet_{len(self._views)}")
                self._files(patterns).createOrReplaceTempView(name)
                table.set("this", exp.to_identifier(name))
        return tree

    def _files(self, patterns: Iterable[str]) -> DataFrame:
        """Parquet files, whole folders of them; names of folders add no column."""
        return self._session.read.option("recursiveFileLookup", "true").parquet(*patterns)

    def _hold(self, name: str, frame: DataFrame) -> None:
        """Compute once, as a temporary table of DuckDB: files, since what executors hold goes with them.

        The files of a table that is replaced go last, since the query may read them.
        """
        path = self._scratch / f"{name}-{self._n_written}"
        self._n_written += 1
        with refusals():
            frame = frame.to(_typed(frame.schema))
            frame.write.parquet(str(path))
            self.show(name, self._session.read.schema(frame.schema).parquet(hadoop_path(path)))
        self._let_go(self._held.get(name.lower()))
        self._held[name.lower()] = path

    def _drop(self, name: str) -> None:
        self._session.catalog.dropTempView(name)
        self._names.discard(name)
        self._let_go(self._held.pop(name.lower(), None))

    def _let_go(self, files: Path | None) -> None:
        if files is not None:
            shutil.rmtree(files, ignore_errors=True)


def hadoop_path(path: Path) -> str:
    """A path as Hadoop reads it: as a pattern."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", str(path))


def _aligned(rows: DataFrame, table: str, names: Sequence[str]) -> DataFrame:
    """Rows in the order of a table's columns, by which Spark would put them into it whatever their names."""
    there = {name.lower(): name for name in rows.columns}
    theirs = {name.lower(): name for name in names}
    if there.keys() != theirs.keys():
        missing, extra = (
            sorted(one[key] for key in one.keys() - other) for one, other in ((theirs, there), (there, theirs))
        )
        raise QueryError(
            f"Table {table!r} has other columns than the rows that are to go into it: the rows lack {missing} and have "
            f"{extra} beside. Alter the table, or name another."
        )
    return rows.select(*(f"`{there[key]}`" for key in theirs))


def _typed(schema: StructType) -> StructType:
    """Columns of nothing but null are integers to DuckDB; files hold none without a type."""
    from pyspark.sql.types import IntegerType, NullType, StructField, StructType

    return StructType(
        [StructField(field.name, IntegerType()) if isinstance(field.dataType, NullType) else field for field in schema]
    )


@contextmanager
def refusals() -> Iterator[None]:
    """What Spark refuses in the block is refused as by any engine."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except PySparkException as error:
        raise QueryError(_gist(str(error))) from error
    except Py4JJavaError as error:  # of a job that failed on its way
        raise QueryError(_gist(str(error.java_exception))) from error


def _gist(message: str) -> str:
    """First line of what Spark says that says anything; of a fault in Python the line that names it."""
    fault = _PYTHON_FAULT.search(message)
    if fault:
        return fault[1].rstrip(".: ")
    lines = (line.strip() for line in message.splitlines())
    return next((line for line in lines if line), "Spark gave up without a word").rstrip(".: ")


def _type(name: str) -> str:
    """A type of Spark as DuckDB calls it."""
    return _TYPES.get(name, name.upper() if name.startswith("decimal") else "STRUCT")


def _plain(table: pa.Table) -> pa.Table:
    """Moments without the zone, as DuckDB hands them out."""
    for position, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            table = table.set_column(position, field.name, table.column(position).cast(pa.timestamp("us")))
    return table
