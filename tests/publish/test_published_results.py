"""What stages publish: all tables or none, and nothing that is no longer on file."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shop
from cvm.params import Params
from cvm.publish.databases import PublishError
from cvm.stages.context import utc_now, workspace_of
from cvm.stages.publish import publish_scores, unpublish_expired

TODAY = utc_now().date()
LAST_WEEK = TODAY - timedelta(days=7)


def made(folder: Path, **sections: object) -> Params:
    return shop.params_for(folder, publish={"url": "duckdb:///tables.duckdb"}, **sections)


def write(params: Params, as_of: date, **columns: list[object]) -> None:
    """Scores and uplift of one date that say the same."""
    for path in (workspace_of(params).scores_of(as_of), workspace_of(params).uplift_of(as_of)):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)


def days(folder: Path, table: str) -> list[tuple[date, object]]:
    with duckdb.connect(str(folder / "tables.duckdb"), read_only=True) as database:
        return database.sql(f"SELECT as_of, clv FROM cvm.{table} ORDER BY ALL").fetchall()


def test_rows_whose_file_is_gone_go(tmp_path):
    params = made(tmp_path)
    for day in (LAST_WEEK, TODAY):
        write(params, day, customer_id=["a"], clv=[1])
        publish_scores(params, day)
    workspace_of(params).uplift_of(TODAY).unlink()
    publish_scores(params, TODAY)
    assert days(tmp_path, "scores") == [(LAST_WEEK, 1), (TODAY, 1)]
    assert days(tmp_path, "uplift") == [(LAST_WEEK, 1)]


def test_folders_that_spark_wrote_are_published(tmp_path):
    params = made(tmp_path)
    write(params, TODAY, customer_id=["a"], clv=[1])
    scores, uplift = workspace_of(params).scores_of(TODAY), workspace_of(params).uplift_of(TODAY)
    scores.rename(scores.with_name("part-00000.parquet"))
    part = uplift.rename(uplift.with_name("moved"))
    uplift.mkdir()
    part.rename(uplift / "part-00000.parquet")
    publish_scores(params, TODAY)
    assert days(tmp_path, "scores") == days(tmp_path, "uplift") == [(TODAY, 1)]


def test_all_tables_change_or_none(tmp_path):
    params = made(tmp_path)
    write(params, TODAY, customer_id=["a"], clv=[1])
    publish_scores(params, TODAY)
    write(params, TODAY, customer_id=["a"], clv=[2])
    pq.write_table(pa.table({"customer_id": ["a"], "clv": ["much"]}), workspace_of(params).uplift_of(TODAY))
    with pytest.raises(PublishError, match="could not be brought up to date"):
        publish_scores(params, TODAY)
    assert days(tmp_path, "scores") == days(tmp_path, "uplift") == [(TODAY, 1)]


def test_rows_past_their_time_go(tmp_path):
    params = made(tmp_path)
    for day in (LAST_WEEK, TODAY):
        write(params, day, customer_id=["a"], clv=[1])
        publish_scores(params, day)
    assert unpublish_expired(made(tmp_path, privacy={"keep_days": {"scores": 7}})) == 0
    assert unpublish_expired(made(tmp_path, privacy={"keep_days": {"scores": 6}})) == 2
    assert days(tmp_path, "scores") == days(tmp_path, "uplift") == [(TODAY, 1)]
