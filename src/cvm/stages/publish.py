"""Results in the user's own database, where ``publish`` of params names one, and people who are to leave it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from cvm.actions.files import ACTIONS
from cvm.engines.database_url import database_url
from cvm.kpis.files import COHORTS, GOALS, KPIS
from cvm.monitoring.history import FILE as HISTORY
from cvm.params import Params
from cvm.publish.databases import URL_KEY, Database, PublishError, target, transaction
from cvm.publish.people import Counted, count_people, remove_before, remove_people
from cvm.publish.tables import remove_rows_of, replace_rows_of, replace_table
from cvm.stages.context import Progress, silent, utc_now, workspace_of
from cvm.stages.warehouse import check_duckdb

# A table, the file it is made of, and the date whose rows are replaced; without one all rows are.
_Made = tuple[str, Path, date | None]


def check_publish(params: Params) -> None:
    """Refuse before any work is done where tables cannot go where ``publish`` says.

    Raises
    ------
    PublishError
        If the database is none of those known, or is the warehouse.
    DatabaseUrlError
        If the URL is none, or the variable that holds it is not set.
    """
    if params.publish is None:
        return
    check_duckdb(params, step="publish: (tables in a database)")
    url = params.publish.url.get_secret_value()
    target(url, folder=params.root)
    file = _database_file(params, url)
    if file is not None and file.resolve() == workspace_of(params).warehouse.resolve():
        raise PublishError(f"{URL_KEY} is the warehouse itself, which `cvm ingest` replaces. Name a file of its own.")


def publish_scores(params: Params, as_of: date, *, progress: Progress = silent) -> None:
    """Tables ``scores``, ``uplift`` and ``actions``: what is on file of one date.

    Raises
    ------
    PublishError
        If the database cannot be brought up to date.
    """
    workspace = workspace_of(params)
    scores, uplift = workspace.scores_of(as_of), workspace.uplift_of(as_of)
    actions = workspace.actions_of(as_of) / ACTIONS
    _publish(params, [("scores", scores, as_of), ("uplift", uplift, as_of), ("actions", actions, as_of)], progress=progress)


def publish_kpis(params: Params, as_of: date, *, progress: Progress = silent) -> None:
    """Tables ``kpis`` and ``cohorts`` as they are today, and ``goals`` of every date they were looked at.

    Raises
    ------
    PublishError
        If the database cannot be brought up to date.
    """
    days = {KPIS: None, COHORTS: None, GOALS: as_of}
    folder = workspace_of(params).kpis
    _publish(params, [(name, folder / f"{name}.parquet", day) for name, day in days.items()], progress=progress)


def publish_monitoring(params: Params, as_of: date, *, progress: Progress = silent) -> None:
    """Table ``monitoring_history``: what monitoring found at one date.

    Raises
    ------
    PublishError
        If the database cannot be brought up to date.
    """
    _publish(params, [("monitoring_history", workspace_of(params).monitoring / HISTORY, as_of)], progress=progress)


def count_published(params: Params, ids: Collection[str]) -> list[Counted]:
    """Published tables with customers, and how many rows there are of some people; none where nothing is published.

    Raises
    ------
    PublishError
        If the database cannot be asked.
    """
    if params.publish is None or not _is_made(params, params.publish.url.get_secret_value()):
        return []
    with _opened(params, params.publish.url.get_secret_value()) as database:
        return count_people(database, ids, in_schema=params.publish.in_schema)


def unpublish(params: Params, ids: Collection[str]) -> None:
    """Take people out of all published tables at once.

    Raises
    ------
    PublishError
        If the database cannot be brought up to date; nothing is changed then.
    """
    if params.publish is not None and _is_made(params, params.publish.url.get_secret_value()):
        with _opened(params, params.publish.url.get_secret_value()) as database:
            remove_people(database, ids, in_schema=params.publish.in_schema)


def unpublish_expired(params: Params) -> int:
    """Take rows past ``privacy.keep_days`` out of published tables, and say how many.

    Raises
    ------
    PublishError
        If the database cannot be brought up to date; nothing is changed then.
    """
    first_days = _first_days(params)
    if params.publish is None or not first_days or not _is_made(params, params.publish.url.get_secret_value()):
        return 0
    with _opened(params, params.publish.url.get_secret_value()) as database:
        return remove_before(database, first_days, in_schema=params.publish.in_schema)


def _publish(params: Params, made: Collection[_Made], *, progress: Progress) -> None:
    """Make tables say what files say, all of them or none; what has no file any more has no rows, either."""
    if params.publish is None:
        return
    in_schema = params.publish.in_schema
    with _opened(params, params.publish.url.get_secret_value()) as database:
        remove_before(database, _first_days(params), in_schema=in_schema)
        for name, file, as_of in made:
            progress(f"publishing {name}")
            if as_of is None:
                replace_table(database, name, file, in_schema=in_schema)
            elif file.exists():
                replace_rows_of(database, name, file, as_of=as_of, in_schema=in_schema)
            else:
                remove_rows_of(database, name, as_of=as_of, in_schema=in_schema)


@contextmanager
def _opened(params: Params, url: str) -> Iterator[Database]:
    check_publish(params)
    with transaction(url, folder=params.root) as database:
        yield database


def _is_made(params: Params, url: str) -> bool:
    """Whether there can be tables; no DuckDB file is made for the sake of looking."""
    file = _database_file(params, url)
    return file is None or file.is_file()


def _database_file(params: Params, url: str) -> Path | None:
    parsed = database_url(url, key=URL_KEY)
    return params.root / (parsed.database or "") if parsed.get_backend_name() == "duckdb" else None


def _first_days(params: Params) -> dict[str, date]:
    """By table, the first ``as_of`` that ``privacy.keep_days`` leaves."""
    kept = params.privacy.keep_days
    days_of = {"scores": kept.scores, "uplift": kept.scores, "actions": kept.actions}
    return {name: utc_now().date() - timedelta(days=days) for name, days in days_of.items() if days is not None}
