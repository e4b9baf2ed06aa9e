"""``params.yaml`` and the user's data: can they be read, and are the columns there."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cvm.datasets import cdnow_transactions
from cvm.doctor.line import Line, size
from cvm.engines import DuckDBEngine
from cvm.engines.database_url import database_url, shown
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.databases import check_database
from cvm.ingest.declared import declared_source
from cvm.ingest.origins import DatabaseSource, FileSource
from cvm.ingest.reading import column_origins
from cvm.ingest.sources import file_columns, source_files
from cvm.params import Params
from cvm.params_data import SourceParams
from cvm.publish.databases import URL_KEY, target
from cvm.stages.inputs import declared_zone_of, pseudonyms_of


def wanted_extras(params: Params) -> dict[str, str]:
    """Extras that params need, with the key that says so."""
    wanted = {}
    if params.engine == "spark":
        wanted["spark"] = "engine: spark"
    if params.identity.probabilistic:
        wanted["identity"] = "identity.probabilistic"
    urls = {f"data.{table}.url": section.url for table, section in params.data.tables.items()}
    if params.publish is not None:
        urls[URL_KEY] = params.publish.url
    for key, url in urls.items():
        if url is not None and _is_postgres(url.get_secret_value(), key):
            wanted["postgres"] = key
    return wanted


def secrets_lines(params: Params) -> Iterator[Line]:
    """Whether the environment holds what params look for there, and the database to publish to is one."""
    if params.privacy.pseudonym_key is not None:
        pseudonyms_of(params)
        yield Line("secrets", "ok", "privacy.pseudonym_key is set")
    if params.publish is not None:
        url = target(params.publish.url.get_secret_value(), folder=params.root)
        yield Line("publish", "ok", f"results go to {shown(url)}")


def dataset_line() -> Iterator[Line]:
    """The data set that comes with cvm."""
    rows = cdnow_transactions()
    newest = max(rows["occurred_at"].to_pylist())
    yield Line("cdnow", "ok", f"{rows.num_rows:,} rows up to {newest:%Y-%m-%d}, which come with lifetimes")


def table_lines(params: Params, table: str, section: SourceParams) -> Iterator[Line]:
    """Whether the origin of one table is there and has the columns it needs.

    Parameters
    ----------
    params : Params
    table : str
        Canonical table.
    section : SourceParams
        What params say of it.
    """
    if params.engine == "spark":
        yield _for_spark(params, table, section)
        return
    declared = section.model_dump(exclude_unset=True)
    source = declared_source(table, declared, folder=params.root, zone=declared_zone_of(params))
    if isinstance(source, FileSource):
        yield from _files_lines(table, source)
    elif isinstance(source, DatabaseSource) and isinstance(source.database, Path):
        there = source.database.is_file()
        found = size(source.database.stat().st_size) if there else f"there is no file {source.database}"
        yield Line(table, "ok" if there else "wrong", found, "" if there else f"Correct data.{table}.path.")
    elif isinstance(source, DatabaseSource):
        yield Line(table, "ok", f"{check_database(table, str(source.database))} answers")


def newest_change(params: Params) -> datetime | None:
    """When a file of the user's tables was last written, of those that can be found."""
    times = [path.stat().st_mtime for section in params.data.tables.values() for path in _matches(params, section)]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _files_lines(table: str, source: FileSource) -> Iterator[Line]:
    files = source_files(table, source.paths, folder=source.folder)
    unreadable = []
    for file in files:
        try:
            with file.open("rb") as opened:
                opened.read(1)
        except OSError as error:
            unreadable.append(f"{file}: {error.strerror}")
    if unreadable:
        found = f"{len(unreadable)} of {len(files)} files cannot be read: {unreadable[0]}"
        yield Line(table, "wrong", found, "Grant the right to read them.")
        return
    newest = max(files, key=lambda file: file.stat().st_mtime)
    with DuckDBEngine() as engine:
        columns = file_columns(engine, newest)
    origins = column_origins(CONTRACTS[table], source.reading, found=columns)
    n_used = len({name for origin in origins.values() for name in origin.columns})
    bytes_ = sum(file.stat().st_size for file in files)
    changed = datetime.fromtimestamp(newest.stat().st_mtime, UTC)
    noun = "file" if len(files) == 1 else "files"
    found = f"{len(files):,} {noun}, {size(bytes_)}, last changed {changed:%Y-%m-%d %H:%M} UTC"
    if not bytes_:
        yield Line(table, "wrong", found, "Export it again: there is nothing in it.")
        return
    yield Line(table, "ok", f"{found}; {n_used} of {len(columns)} columns are used")


def _for_spark(params: Params, table: str, section: SourceParams) -> Line:
    if not section.paths:
        return Line(table, "ok", "a table of Spark's catalog, which only Spark can be asked for")
    matched = _matches(params, section)
    if not matched:
        return Line(table, "wrong", f"nothing matches {section.paths}", f"Correct data.{table}.path.")
    return Line(table, "ok", f"{len(matched):,} paths match; only Spark can be asked what is in them")


def _matches(params: Params, section: SourceParams) -> list[Path]:
    patterns = [str(params.resolve(path)) for path in section.paths]
    return [Path(found) for pattern in patterns for found in glob.glob(pattern, recursive=True)]  # noqa: PTH207 - absolute ones, too


def _is_postgres(url: str, key: str) -> bool:
    return database_url(url, key=key).get_backend_name() == "postgresql"
