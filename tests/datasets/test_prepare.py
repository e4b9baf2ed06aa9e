"""Named data sets against their published figures. They run where the public files are, and CI has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvm.datasets import DATASETS, is_available, prepare
from cvm.engines import DuckDBEngine, literal
from cvm.errors import SourceError
from cvm.params import load_params

SHARED = Path(__file__).parents[3] / "shared" / "data"
FIGURES = {
    # name: table -> (rows, distinct customers, SQL figure, its value); sources: the publishers' own counts.
    "complete-journey": ("transactions", 1_469_307, 2_469, "count(DISTINCT order_id)", 155_848),
    "hillstrom": ("assignments", 64_000, 64_000, "count(*) FILTER (WHERE arm = 'control')", 21_306),
    "online-retail": ("transactions", 541_909, 4_372, "round(sum(amount), 2)", 9_747_747.93),
    "starbucks": ("transactions", 138_953, 16_578, "round(sum(amount), 2)", 1_775_451.97),
    "telco": ("subscriptions", 7_043, 7_043, "count(ended_at)", 1_869),
}


def source_of(name: str) -> Path:
    folder = Path(os.environ["CVM_DATA_DIR"]) if "CVM_DATA_DIR" in os.environ else SHARED
    if not is_available(DATASETS[name], folder):
        if folder.is_dir() and os.environ.get("CI"):
            pytest.fail(f"{folder} is there and lacks the files of {name}")
        pytest.skip(f"the public files of {name} are not on this machine; see `cvm data list`")
    return folder


def test_every_data_set_has_published_figures() -> None:
    assert {*FIGURES, "cdnow"} == set(DATASETS)  # those of CDNOW are in test_cdnow.py


@pytest.mark.parametrize("name", FIGURES)
def test_a_prepared_data_set_has_its_published_figures(name: str, tmp_path: Path) -> None:
    prepared = prepare(DATASETS[name], tmp_path, source=source_of(name))
    table, n_rows, n_customers, figure, value = FIGURES[name]
    assert prepared.n_rows[table] == n_rows
    with DuckDBEngine() as engine:
        file = literal(str(tmp_path / "data" / f"{table}.parquet"))
        found = engine.row(f"SELECT count(DISTINCT customer_id) AS n, {figure} AS figure FROM read_parquet({file})")
    assert found["n"] == n_customers
    assert float(found["figure"]) == pytest.approx(value, abs=1e-6)
    params = load_params(prepared.params)
    assert set(params.data.tables) == set(prepared.n_rows)
    assert all((tmp_path / path).is_file() for source in params.data.tables.values() for path in source.paths)


def test_starbucks_waves_are_the_published_sizes(tmp_path: Path) -> None:
    prepare(DATASETS["starbucks"], tmp_path, source=source_of("starbucks"))
    file = literal(str(tmp_path / "data" / "assignments.parquet"))
    with DuckDBEngine() as engine:
        query = (
            f"SELECT count(*) AS n FROM read_parquet({file}) WHERE arm = 'offer' GROUP BY campaign_id ORDER BY campaign_id"
        )
        received = engine.table(query).column(0).to_pylist()
    assert received == [12_650, 12_669, 12_711, 12_778, 12_704, 12_765]


def test_cdnow_needs_no_source(tmp_path: Path) -> None:
    prepared = prepare(DATASETS["cdnow"], tmp_path)
    assert load_params(prepared.params).data.dataset == "cdnow"


def test_missing_files_say_what_they_are_called_and_where_they_are_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CVM_DATA_DIR", raising=False)
    with pytest.raises(SourceError, match=r"needs \['online_retail.parquet'\].*--source nor CVM_DATA_DIR.*UCI"):
        prepare(DATASETS["online-retail"], tmp_path / "new")
    with pytest.raises(SourceError, match="not found in"):
        prepare(DATASETS["online-retail"], tmp_path / "new", source=tmp_path)
    assert not (tmp_path / "new").exists()


def test_a_damaged_file_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "hillstrom.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"files of hillstrom cannot be read.*MineThatData"):
        prepare(DATASETS["hillstrom"], tmp_path / "new", source=tmp_path)
    assert not (tmp_path / "new" / "params.yaml").exists()
    assert not (tmp_path / "new" / "data").exists()
