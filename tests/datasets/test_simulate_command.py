from __future__ import annotations

from pathlib import Path

import shop
from cvm.params import load_params
from cvm.stages.data import run_features, run_ingest


def test_a_simulated_base_is_written_and_runs(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    done = shop.cvm(tmp_path, "simulate", str(folder), "--customers", "300", "--years", "1.5", "--ceiling")
    assert done.code == 0, done.err
    assert "300 customers" in done.out
    assert "Spearman with the true expected revenue" in done.out
    params = load_params(folder / "params.yaml")
    assert "transactions" in run_ingest(params).message
    assert "features of" in run_features(params).message


def test_an_impossible_simulation_is_refused(tmp_path: Path) -> None:
    done = shop.cvm(tmp_path, "simulate", str(tmp_path / "base"), "--customers", "0")
    assert done.code == 1
    assert "n_customers == 0, must be from 1" in done.err
    assert not (tmp_path / "base").exists()


def test_data_sets_are_listed_and_prepared_by_name(tmp_path: Path) -> None:
    assert "complete-journey" in shop.cvm(tmp_path, "data", "list").out
    done = shop.cvm(tmp_path, "data", "prepare", "cdnow")
    assert done.code == 0
    assert (tmp_path / "cdnow" / "params.yaml").is_file()
    refused = shop.cvm(tmp_path, "data", "prepare", "nothing")
    assert refused.code == 1
    assert "No data set is called 'nothing'" in refused.err
