"""Files of a lake, read whole: every folder, every name, and nothing guessed."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.engines import QueryError
from cvm.engines.spark import SparkEngine
from cvm.engines.spark_lake import Placed, file_format, show_files
from spark_server import MARKS

pytestmark = MARKS

PLACED = Placed(file="file", row="row", order="order")


@pytest.fixture
def engine(spark, tmp_path):
    with SparkEngine(spark, scratch=tmp_path / "scratch") as engine:
        yield engine


def write(file: Path, n: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".parquet":
        pq.write_table(pa.table({"n": [n]}), file)
    else:
        file.write_text(f"n\n{n}\n", encoding="utf-8")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_files_in_folders_of_a_folder_are_read_under_their_own_names(engine, tmp_path, ending):
    files = [tmp_path / "lake" / name for name in (f"1.{ending}", f"2024/01/a b+c%2B\u00e9.{ending}", f"2024/3.{ending}")]
    for n, file in enumerate(files):
        write(file, n)
    write(tmp_path / "lake" / "_temporary" / f"x.{ending}", 9)
    show_files(engine, "raw", [tmp_path / "lake"], PLACED)
    rows = engine.table("SELECT CAST(n AS INTEGER) AS n, file FROM raw ORDER BY n").to_pylist()
    assert rows == [{"n": n, "file": str(file)} for n, file in enumerate(files)]


def test_keys_of_folders_are_columns_as_they_are_written(engine, tmp_path):
    write(tmp_path / "lake" / "store_id=007" / "day=2024-01-01" / "1.parquet", 1)
    show_files(engine, "raw", [tmp_path / "lake"], PLACED)
    row = engine.row("SELECT n, store_id, day FROM raw")
    assert row == {"n": 1, "store_id": "007", "day": "2024-01-01"}


@pytest.mark.parametrize("beside", ["2.csv", "2024/2.csv", "store_id=8/2024/2.csv", "region=9/2.csv"])
def test_folders_that_mix_levels_are_refused(engine, tmp_path, beside):
    write(tmp_path / "lake" / "store_id=007" / "1.csv", 1)
    write(tmp_path / "lake" / beside, 2)
    with pytest.raises(QueryError, match=r"lie in folders key=value and others do not, or in others \(2 ways"):
        show_files(engine, "raw", [tmp_path / "lake"], PLACED)


def test_a_compression_that_spark_cannot_read_is_refused(tmp_path):
    write(tmp_path / "lake" / "1.csv.gz", 1)
    write(tmp_path / "lake" / "2.csv.zst", 2)
    with pytest.raises(QueryError, match=r"does not read .zst: \['2.csv.zst'\] \(1 files\); write them as .gz or Parquet"):
        file_format(tmp_path / "lake")
