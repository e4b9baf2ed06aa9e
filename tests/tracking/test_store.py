from __future__ import annotations

from pathlib import Path

import pytest

from cvm.errors import TrackingError
from cvm.models.bundle import read_bundle
from cvm.params import load_params
from cvm.stages.data import run_features, run_ingest
from cvm.stages.model import run_train
from cvm.tracking.store import Store


@pytest.fixture
def featured(shop_folder: Path) -> Path:
    params = load_params(shop_folder / "params.yaml")
    run_ingest(params)
    run_features(params)
    return shop_folder


def test_a_training_that_cannot_be_tracked_still_leaves_its_bundle(featured: Path) -> None:
    blocked = load_params(featured / "params.yaml", overrides=["tracking.uri=sqlite:///transactions.csv"])
    with pytest.raises(TrackingError, match=r"store for experiment 'cvm' failed.*tracking\.uri"):
        run_train(blocked)
    assert (featured / "models" / "champion" / "bundle.json").is_file()


def test_every_training_registers_a_version_and_moves_the_alias(featured: Path) -> None:
    from mlflow.tracking import MlflowClient

    params = load_params(featured / "params.yaml", overrides=["tracking.model=shop"])
    messages = [run_train(params).message for _ in range(2)]
    assert "champion shop version 1" in messages[0]
    assert "champion shop version 2" in messages[1]
    client = MlflowClient(f"sqlite:///{featured / 'mlruns' / 'mlflow.db'}")
    assert client.get_model_version_by_alias("shop", "champion").version == 2
    experiment = client.get_experiment_by_name("cvm")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    names = {run.data.tags["mlflow.runName"] for run in nested}
    assert names == {
        "churn: recency rule",
        "churn: churn factor",
        "churn: BTYD",
        "churn: blended LightGBM",
        "value: naive rate",
        "value: BTYD",
        "value: blended LightGBM",
    }
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert parent.data.tags["data_fingerprint"].startswith("transactions ")
    assert "churn.auc" in parent.data.metrics
    bundle = read_bundle(featured / "models" / "champion")
    store = Store(f"sqlite:///{featured / 'mlruns' / 'mlflow.db'}", featured / "mlruns" / "artifacts", "cvm", "shop")
    store.attach([featured / "params.yaml"], model_version=bundle.model_version)
    newest = client.search_runs([experiment.experiment_id], f"tags.model_version = '{bundle.model_version}'", max_results=1)
    assert [file.path for file in client.list_artifacts(newest[0].info.run_id, "report")] == ["report/params.yaml"]
    with pytest.raises(TrackingError, match=r"experiment 'cvm' holds no run of model 000000000000.*tracking\.uri"):
        store.attach([featured / "params.yaml"], model_version="0" * 12)


@pytest.mark.slow
def test_trials_of_tuning_are_nested_runs_with_their_loss_and_state(featured: Path) -> None:
    from mlflow.tracking import MlflowClient

    params = load_params(featured / "params.yaml", overrides=["train.trials=2"])
    run_train(params)
    assert (featured / "outputs" / "tuning" / "studies.db").is_file()
    client = MlflowClient(f"sqlite:///{featured / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cvm")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    trials = {run.data.tags["mlflow.runName"]: run for run in runs if run.data.tags["mlflow.runName"].startswith("tune ")}
    assert set(trials) == {f"tune {model}: trial {number}" for model in ("churn", "CLV") for number in (0, 1)}
    for run in trials.values():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["state"] == "complete"
        assert {"loss", "seconds", "folds"} <= set(run.data.metrics)
        assert "num_leaves" in run.data.params


def test_an_unknown_alias_is_refused_in_words(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts", "cvm", "cvm")
    with pytest.raises(TrackingError, match="store for experiment 'cvm' failed"):
        store.bundle("champion")


def test_mlflow_is_left_as_it_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    import mlflow

    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "sqlite:///elsewhere.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mine.db'}")
    store = Store(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts", "cvm", "cvm")
    with pytest.raises(TrackingError):
        store.bundle("champion")
    assert mlflow.get_tracking_uri().endswith("mine.db")
    assert os.environ["MLFLOW_REGISTRY_URI"] == "sqlite:///elsewhere.db"
    mlflow.set_tracking_uri(None)
