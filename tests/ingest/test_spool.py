from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.engines import DuckDBEngine
from cvm.ingest.spool import Spool, arrow_column


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path) as opened:
        yield opened


def read_back(spool: Spool, *batches: Sequence[Any]) -> tuple[str, list[Any]]:
    """Type and values of one column that was written in these batches."""
    for batch in batches:
        spool.append(["c"], [(value,) for value in batch])
    with DuckDBEngine() as engine:
        relation = spool.relation()
        return engine.columns(relation)["c"], engine.table(f"SELECT c FROM {relation}").column(0).to_pylist()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, None, 3], pa.int64()),
        ([1.5, None], pa.float64()),
        ([True, False], pa.bool_()),
        (["a", ""], pa.string()),
        ([date(2024, 1, 1)], pa.date32()),
        ([datetime(2024, 1, 1)], pa.timestamp("us")),
        ([datetime(2024, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        ([Decimal("1.50"), Decimal("100")], pa.decimal128(5, 2)),
        ([None, None], pa.null()),
        ([Decimal("NaN"), None], pa.null()),
    ],
)
def test_values_of_one_type_keep_it(values: list[Any], expected: pa.DataType) -> None:
    assert arrow_column(values).type == expected


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([1, 2.5, "x"], ["1", "2.5", "x"]),
        ([2**63, None], [str(2**63), None]),
        ([Decimal(10) ** 40], ["1" + "0" * 40]),
        ([Decimal("Infinity"), Decimal(1)], ["Infinity", "1"]),
        ([True, 2], ["true", "2"]),
        ([UUID(int=1)], ["00000000-0000-0000-0000-000000000001"]),
        ([b"\x01\xff", memoryview(b"\x02")], ["01ff", "02"]),
        ([{"a": [1, "ї"]}, ["x"]], ['{"a": [1, "ї"]}', '["x"]']),
        ([time(9, 30)], ["09:30:00"]),
        ([timedelta(days=1)], ["1 day, 0:00:00"]),
        ([datetime(2024, 1, 1, 10), date(2024, 1, 1)], ["2024-01-01T10:00:00", "2024-01-01"]),
        # A naive and a zoned moment are not of one kind: as text, each still says what it is.
        (
            [datetime(2024, 1, 1, 10), datetime(2024, 1, 1, 10, tzinfo=timezone(timedelta(hours=2)))],
            ["2024-01-01T10:00:00", "2024-01-01T10:00:00+02:00"],
        ),
    ],
)
def test_values_without_a_common_type_are_text(values: list[Any], texts: list[str | None]) -> None:
    assert arrow_column(values).to_pylist() == texts


def test_moments_of_several_offsets_are_moments() -> None:
    there = timezone(timedelta(hours=-5))
    found = arrow_column([datetime(2024, 1, 1, 10, tzinfo=UTC), datetime(2024, 1, 1, 5, tzinfo=there)])
    assert found.to_pylist() == [datetime(2024, 1, 1, 10, tzinfo=UTC)] * 2


@pytest.mark.parametrize(
    ("batches", "kind", "expected"),
    [
        (([None, None], [1], [None], [2]), "BIGINT", [None, None, 1, None, 2]),
        (([None], [datetime(2024, 1, 1)]), "TIMESTAMP", [None, datetime(2024, 1, 1)]),
        (([None], [None]), "VARCHAR", [None, None]),
        (([Decimal("1.5")], [Decimal("100.25")], [None]), "DECIMAL(5,2)", [Decimal("1.50"), Decimal("100.25"), None]),
        (([1], ["007"], [None]), "VARCHAR", ["1", "007", None]),
        (([2**53 + 1], [0.5]), "VARCHAR", [str(2**53 + 1), "0.5"]),
    ],
)
def test_a_column_has_the_one_type_of_its_batches_or_is_text(
    spool: Spool, batches: tuple[list[Any], ...], kind: str, expected: list[Any]
) -> None:
    assert read_back(spool, *batches) == (kind, expected)


def test_batches_of_one_type_share_a_file_and_rows_keep_their_order(spool: Spool, tmp_path: Path) -> None:
    batches = [list(range(start, start + 1000)) for start in range(0, 20_000, 1000)]
    for batch in [*batches[:10], [None] * 10, *batches[10:]]:
        spool.append(["n"], [(value,) for value in batch])
    with DuckDBEngine() as engine:
        numbered = f"SELECT n, row_number() OVER () AS place FROM {spool.relation()}"
        found = engine.table(f"SELECT n FROM ({numbered}) WHERE n IS NOT NULL ORDER BY place").column(0).to_pylist()
    assert found == list(range(20_000))
    assert [pq.read_metadata(file).num_rows for file in sorted(tmp_path.iterdir())] == [10_000, 10, 10_000]
    assert spool.n_rows == 20_010


def test_hostile_names_are_only_names(spool: Spool) -> None:
    name = 'a "b"; DROP TABLE x; --'
    spool.append([name, "?column?"], [(1, None)])
    with DuckDBEngine() as engine:
        assert engine.table(f"SELECT * FROM {spool.relation()}").to_pylist() == [{name: 1, "?column?": None}]
