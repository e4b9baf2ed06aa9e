from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import cvm
from cvm import pipeline
from cvm.engines import DuckDBEngine
from cvm.errors import ParamsError, SourceError
from cvm.frames import arrow_table, like, like_rows, pandas_frame
from cvm.params import Params
from cvm.stages.data import run_ingest

ROWS = {
    "client": ["007", "8", None],
    "at": [datetime(2024, 1, 1, 10), datetime(2024, 1, 2), datetime(2024, 1, 3)],
    "total": [1.5, 2.0, 3.0],
}
COLUMNS = {"customer_id": "client", "occurred_at": "at", "amount": "total"}
MAKERS = [pd.DataFrame, pl.DataFrame, pa.table, lambda rows: pa.table(rows).to_reader()]


def params_of(folder: Path, **data: Any) -> Params:
    section = {"transactions": {"columns": COLUMNS, "timezone": "Europe/Kyiv"}, "max_rejected_share": 0.5, **data}
    return Params(data=section, root=folder)  # type: ignore[arg-type]


def warehouse(folder: Path, table: str) -> list[dict[str, Any]]:
    with DuckDBEngine(folder / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        return engine.table(f"SELECT * FROM {table} ORDER BY ALL").to_pylist()


@pytest.mark.parametrize("make", MAKERS, ids=["pandas", "polars", "arrow", "stream"])
def test_a_frame_is_ingested_with_the_mapping_of_its_section(tmp_path: Path, make: Any) -> None:
    outcome = run_ingest(params_of(tmp_path), tables={"transactions": make(ROWS)})
    assert outcome.message == "transactions 2 rows kept, 1 rejected"
    assert warehouse(tmp_path, "transactions") == [
        {"customer_id": "007", "occurred_at": datetime(2024, 1, 1, 8), "amount": Decimal("1.5")},
        {"customer_id": "8", "occurred_at": datetime(2024, 1, 1, 22), "amount": Decimal(2)},
    ]


def test_a_whole_run_hands_its_frames_to_ingest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later: list[dict[str, Any]] = []
    stages = {"ingest": run_ingest, "features": lambda _, **options: later.append(options)}
    monkeypatch.setattr(pipeline, "STAGES", stages)
    outcome, _ = cvm.run(params_of(tmp_path), tables={"transactions": pd.DataFrame(ROWS)})
    assert outcome.message == "transactions 2 rows kept, 1 rejected"
    assert [set(options) for options in later] == [{"progress"}]


def test_a_frame_takes_the_place_of_files_and_needs_no_section_of_its_own(tmp_path: Path) -> None:
    params = params_of(tmp_path, transactions={"path": "nowhere.csv", "columns": COLUMNS, "timezone": "UTC"})
    customers = pl.DataFrame({"customer_id": ["007"], "city": ["Kyiv"], "vip": [True]})
    run_ingest(params, tables={"transactions": pd.DataFrame(ROWS), "customers": customers})
    assert warehouse(tmp_path, "customers") == [{"customer_id": "007", "city": "Kyiv", "vip": True}]


def test_a_table_with_neither_origin_nor_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ParamsError,
        match=r"data.transactions has no origin that engine: duckdb can read. Set path, .* cvm.run\(params, tables=\{'trans",
    ):
        run_ingest(params_of(tmp_path))
    params = params_of(tmp_path, events={"columns": {}})
    with pytest.raises(ParamsError, match=r"data.events has no origin"):
        run_ingest(params, tables={"transactions": pd.DataFrame(ROWS)})
    assert not (tmp_path / "outputs" / "warehouse.duckdb").exists()


def test_frames_of_unknown_tables_or_beside_a_data_set_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS)
    with pytest.raises(ParamsError, match=r"tables holds \['orders'\], which are no canonical tables; known: \['transac"):
        run_ingest(params_of(tmp_path), tables={"orders": frame})
    cdnow = Params(data={"dataset": "cdnow"}, root=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ParamsError, match=r"tables holds \['events'\] beside data.dataset: cdnow; keep one"):
        run_ingest(cdnow, tables={"events": frame})


def test_an_index_is_a_column_only_if_it_has_a_name() -> None:
    frame = pd.DataFrame({"customer_id": ["a", "b", "c"], "n": [1, 2, 3]})
    assert arrow_table("customers", frame[frame["n"] != 2]).column_names == ["customer_id", "n"]
    assert set(arrow_table("customers", frame.set_index("customer_id")).column_names) == {"customer_id", "n"}


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ([{"customer_id": "a"}], "an object of type list is no frame; pass a pandas, Polars or Arrow table"),
        (pl.LazyFrame({"a": [1]}), r"type LazyFrame is no frame; call .collect\(\) first"),
        (pd.Series([1, 2]), "an object of type Series is one column, no frame; pass a pandas, Polars or Arrow table"),
        (pd.Series([1, "a"], dtype=object), "an object of type Series is one column"),
        (pl.Series([1, 2]), "an object of type Series is one column"),
        (pa.chunked_array([[1, 2]]), "an object of type ChunkedArray is one column"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "the frame cannot be read: Duplicate column names"),
        (pd.DataFrame({"v": [1], "n": [2], "V": [3]}), r"the names \['v', 'V'\] are equal but for case"),
        (pl.DataFrame({"v": [1], "V": [3]}), r"the names \['v', 'V'\] are equal but for case"),
        (pa.Table.from_arrays([pa.array([1])] * 2, ["v", "v"]), r"the names \['v', 'v'\] are equal but for case"),
        (pd.DataFrame({"a": [1, "ann@example.com"]}, dtype=object), "Conversion failed for column a"),
    ],
)
def test_what_is_no_frame_is_refused_without_a_value_of_it(frame: object, says: str) -> None:
    with pytest.raises(SourceError, match=f"Table 'customers': .*{says}") as caught:
        arrow_table("customers", frame)
    assert "ann@example.com" not in str(caught.value)


def test_a_frame_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"\"tables\['transactions'\]\" has no rows"):
        run_ingest(params_of(tmp_path), tables={"transactions": pd.DataFrame(ROWS).head(0)})


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_odd_types_of_frames_are_read(tmp_path: Path, make: Any) -> None:
    frame = make({"customer_id": ["a", "b"], "size": ["S", None], "n": [1, 2]})
    sizes = frame.astype({"size": "category"}) if make is pd.DataFrame else frame.cast({"size": pl.Categorical})
    run_ingest(params_of(tmp_path), tables={"transactions": pd.DataFrame(ROWS), "customers": sizes})
    assert warehouse(tmp_path, "customers") == [
        {"customer_id": "a", "size": "S", "n": 1},
        {"customer_id": "b", "size": None, "n": 2},
    ]


@pytest.mark.parametrize("make", MAKERS[:3], ids=["pandas", "polars", "arrow"])
def test_what_was_given_comes_back_in_kind(make: Any) -> None:
    result = pa.table({"n": [1, 2], "day": [datetime(2024, 1, 1), None]})
    found = like(make(ROWS), result)
    assert type(found) is type(make(ROWS))
    assert pa.table(found).to_pylist() == result.to_pylist()


def test_rows_about_rows_keep_the_index_of_pandas() -> None:
    result = pa.table({"n": [1, 2, 3]})
    assert like_rows(pd.DataFrame(ROWS, index=[10, 11, 12]), result)["n"].to_dict() == {10: 1, 11: 2, 12: 3}
    assert like_rows(pa.table(ROWS), result) == result


def test_a_stream_gets_an_arrow_table_back() -> None:
    assert like(pa.table(ROWS).to_reader(), pa.table({"n": [1]})) == pa.table({"n": [1]})


def test_a_pandas_frame_is_taken_as_it_is_and_others_are_made_one() -> None:
    frame = pd.DataFrame({"n": [1, 2]}, index=[5, 6])
    assert pandas_frame("X", frame) is frame
    assert pandas_frame("X", pl.DataFrame({"n": [1, 2]})).equals(pd.DataFrame({"n": [1, 2]}))
    with pytest.raises(SourceError, match=r"Table 'X': \['a'\] are names of several columns"):
        pandas_frame("X", pd.DataFrame([[1, 2]], columns=["a", "a"]))


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table], ids=["polars", "arrow"])
def test_decimals_are_numbers_of_pandas(make: Any) -> None:
    found = pandas_frame("X", make({"n": [Decimal("1.50"), None], "dtype": ["a", "b"]}))
    assert found["n"].dtype == float
    assert found["n"].fillna(0).tolist() == [1.5, 0]
    assert found["dtype"].tolist() == ["a", "b"]


def test_polars_is_never_imported_by_us() -> None:
    program = (
        "import sys, pandas as pd, pyarrow as pa\n"
        "from cvm.frames import like, pandas_frame\n"
        "for frame in (pd.DataFrame({'a': [1]}), pa.table({'a': [1]})):\n"
        "    like(frame, pa.table(pandas_frame('X', frame)))\n"
        "assert 'polars' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
