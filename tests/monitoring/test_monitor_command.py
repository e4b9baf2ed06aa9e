"""A shop trained on its first months and looked at two months later, from the command line."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import shop
from untracked import without_store

TRAINED = shop.FIRST_DAY + timedelta(days=430)
LATER = TRAINED + timedelta(days=60)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Trained and scored on 430 days; the files hold 500."""
    folder = tmp_path_factory.mktemp("monitored")
    shop.purchases(n_customers=500).to_csv(folder / "transactions.csv", index=False)
    shop.write_params(
        folder, windows={"horizon_days": 60, "clv_days": 120}, train={"snapshots": 1, "step_days": 30, "seed": 7}
    )
    with without_store():
        for command in ("ingest", "features", "train", "score"):
            done = shop.cvm(folder, command, *at(TRAINED))
            assert (done.code, done.err) == (0, "")
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "shop"))


def at(day) -> tuple[str, str]:
    return ("--set", f"windows.as_of={day}")


def test_scores_that_came_true_are_ok_or_worth_a_look(folder: Path):
    done = shop.cvm(folder, "monitor", *at(LATER))
    assert (done.code, done.err) == (3, "")  # the shop's files are years old
    assert "The latest row of all tables is of" in done.out
    assert "Orders of known customers against those expected" in done.out
    assert "60 of 60" in done.out
    assert "The latest features on file are of" in done.out
    found = json.loads((folder / "outputs" / "monitoring" / f"{LATER}.json").read_text())
    assert found["verdict"]["word"] == "watch"
    assert found["backtests"][0]["days"] == 60


def test_orders_that_stay_away_ask_for_training_and_the_history_keeps_both_runs(folder: Path):
    shop.cvm(folder, "monitor", *at(TRAINED + timedelta(days=30)))
    lines = pd.read_csv(folder / "transactions.csv")
    later = lines["occurred_at"] >= str(TRAINED)
    lines[~later | (lines.index % 3 == 0)].to_csv(folder / "transactions.csv", index=False)
    assert shop.cvm(folder, "ingest").code == 0
    done = shop.cvm(folder, "monitor", *at(LATER))
    assert done.code == 4
    assert "fewer orders than expected" in done.out
    assert "Look for the cause first" in done.out
    history = pd.read_parquet(folder / "outputs" / "monitoring" / "history.parquet")
    assert sorted(history["as_of"].astype(str).unique()) == [str(TRAINED + timedelta(days=30)), str(LATER)]
    assert set(history.loc[history["as_of"].astype(str) == str(LATER), "verdict"]) == {"retrain"}
    assert {"level", "backtest", "features", "scores"} <= set(history["what"])


def test_on_the_day_of_training_nothing_can_have_come_true(folder: Path):
    done = shop.cvm(folder, "monitor", *at(TRAINED))
    assert done.code == 3
    assert "No full month since training" in done.out


def test_without_a_champion_it_says_what_to_run(folder: Path):
    shutil.rmtree(folder / "models")
    done = shop.cvm(folder, "monitor")
    assert done.code == 1
    assert "cvm train" in done.err


def test_a_damaged_history_is_named(folder: Path):
    (folder / "outputs" / "monitoring").mkdir()
    (folder / "outputs" / "monitoring" / "2024-01-01.json").write_text("{}")
    done = shop.cvm(folder, "monitor", *at(LATER))
    assert done.code == 1
    assert "2024-01-01.json" in done.err


def test_scores_of_a_time_before_training_are_no_evidence_and_the_history_is_published(folder: Path):
    before = TRAINED - timedelta(days=90)
    assert shop.cvm(folder, "score", "--as-of", str(before)).code == 0
    done = shop.cvm(folder, "monitor", *at(LATER), "--set", "publish={url: 'duckdb:///tables.duckdb'}")
    assert f"knew what came: 1, the latest of {before}." in done.out
    found = json.loads((folder / "outputs" / "monitoring" / f"{LATER}.json").read_text())
    assert [tested["as_of"] for tested in found["backtests"]] == [str(TRAINED)]
    with duckdb.connect(str(folder / "tables.duckdb")) as database:
        ((n, as_of),) = database.sql("SELECT count(*), any_value(as_of) FROM cvm.monitoring_history").fetchall()
    assert n > 10
    assert as_of == LATER
