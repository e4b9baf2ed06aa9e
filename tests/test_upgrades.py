"""Files of another version of cvm, and of another time: each is refused, or read again, in words that say how to go on."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import shop
from cvm.errors import MissingOutputError, QualityError
from cvm.features.files import CATALOGUE_FILE, PLAN_FILE, read_catalogue, read_plan
from cvm.ingest.ledger import NAME
from cvm.models.bundle import SCHEMA_VERSION
from cvm.monitoring.history import _read
from cvm.params import load_params
from cvm.stages.data import run_ingest

PLAN = {
    "score": "2024-01-01", "test": None, "training": [], "labelled": [], "first_day": "2023-01-01", "horizon_days": 90,
}  # fmt: skip


def bundle_of_version(folder: Path, version: object) -> None:
    """A bundle whose hashes hold, of which nothing is known but its version."""
    champion = folder / "models" / "champion"
    champion.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"schema_version": version, "something": "of another time"})
    hashes = {"bundle.json": hashlib.sha256(text.encode()).hexdigest()}
    (champion / "bundle.json").write_text(text, encoding="utf-8")
    (champion / "hashes.json").write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")


@pytest.mark.parametrize("command", ["score", "segment", "report", "monitor"])
def test_a_bundle_of_another_schema_version_is_refused_by_every_command_that_reads_it(
    shop_folder: Path, command: str
) -> None:
    for version in [number for number in range(1, SCHEMA_VERSION + 2) if number != SCHEMA_VERSION]:
        bundle_of_version(shop_folder, version)
        done = shop.cvm(shop_folder, command, "--set", "windows.as_of=2024-01-01")
        assert done.code == 1
        assert f"holds a bundle of schema version {version}; this cvm reads {SCHEMA_VERSION}" in done.err
        assert "Train again with `cvm train`, or use the cvm it was made with" in done.err


@pytest.mark.parametrize("change", [{"score": None}, {"unknown": 1}, {"training": "x"}, {"first_day": 3}])
def test_a_plan_of_features_of_another_version_is_written_again_by_features(
    tmp_path: Path, change: dict[str, object]
) -> None:
    (tmp_path / PLAN_FILE).write_text(json.dumps(PLAN | change), encoding="utf-8")
    with pytest.raises(MissingOutputError, match=r"plan.json is damaged. Run `cvm features` to write it again"):
        read_plan(tmp_path)


@pytest.mark.parametrize("entries", [[{}], [{"name": "a"}], {"name": "a"}, [3]])
def test_a_catalogue_of_another_version_is_written_again_by_features(tmp_path: Path, entries: object) -> None:
    (tmp_path / CATALOGUE_FILE).write_text(json.dumps(entries), encoding="utf-8")
    with pytest.raises(MissingOutputError, match=r"catalogue.json is damaged. Run `cvm features` to write it again"):
        read_catalogue(tmp_path)


@pytest.mark.parametrize("found", [{}, [], {"as_of": "2024-01-01", "verdict": {}}, None])
def test_a_run_of_monitoring_of_another_version_names_its_date(tmp_path: Path, found: object) -> None:
    path = tmp_path / "2024-01-01.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(MissingOutputError, match=r"Run `cvm monitor --set windows.as_of=2024-01-01` to write it again"):
        _read(path)


def test_a_ledger_of_another_version_makes_ingest_read_every_export_again(shop_folder: Path) -> None:
    params = load_params(shop_folder / "params.yaml")
    run_ingest(params)
    ledger = shop_folder / "outputs" / "ingested" / NAME
    ledger.write_text(json.dumps(json.loads(ledger.read_text(encoding="utf-8")) | {"version": 99}), encoding="utf-8")
    again = run_ingest(params)
    assert any("ledger.json was damaged; every export was read again" in note for note in again.warnings)
    assert again.figures["n_read"] == 1


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_a_clock_that_is_years_behind_is_a_refusal_that_names_it(shop_folder: Path) -> None:
    params = load_params(shop_folder / "params.yaml")
    with pytest.raises(QualityError, match=r"lies in the future.*Check the clock of this machine"):
        run_ingest(params, now=datetime(2020, 1, 1))


def test_a_clock_that_went_back_between_two_runs_is_noted(shop_folder: Path) -> None:
    params = load_params(shop_folder / "params.yaml")
    assert run_ingest(params).warnings == ()
    warehouse = shop_folder / "outputs" / "warehouse.duckdb"
    later = shop.now() + timedelta(days=400)
    os.utime(warehouse, (later.timestamp(), later.timestamp()))
    assert "one of the two is wrong. Rows dated after the clock are left out" in run_ingest(params).warnings[0]
    assert run_ingest(params).warnings == ()


def test_a_date_to_come_is_refused(shop_folder: Path) -> None:
    shop.cvm(shop_folder, "ingest", "-q")
    done = shop.cvm(shop_folder, "features", "--set", "windows.as_of=2999-01-01")
    assert done.code == 1
    assert "windows.as_of == 2999-01-01 is" in done.err
    assert "days after the last transaction" in done.err
