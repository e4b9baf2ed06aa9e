from __future__ import annotations

from pathlib import Path

import pytest

from cvm.errors import TrackingError
from cvm.models.bundle import read_bundle
from cvm.params import load_params
from cvm.stages.data import run_features, run_ingest
from cvm.stages.promote import run_promote
from cvm.stages.train import run_train
from cvm.tracking.store import REPORT_FOLDER, Store

pytestmark = pytest.mark.usefixtures("unpainted")


@pytest.fixture
def featured(shop_folder: Path) -> Path:
    params = load_params(shop_folder / "params.yaml")
    run_ingest(params)
    run_features(params)
    return shop_folder


def store_at(folder: Path, *, model: str) -> Store:
    return Store(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}", folder / "mlruns" / "artifacts", "cvm", model)


def test_a_training_that_cannot_be_tracked_is_refused_before_it_begins(featured: Path) -> None:
    blocked = load_params(featured / "params.yaml", overrides=["tracking.uri=sqlite:///transactions.csv"])
    refusal = (
        r"store for experiment 'cvm' failed: .*file is not a database \(sqlite:///.*transactions\.csv\). Its file is damaged"
    )
    with pytest.raises(TrackingError, match=refusal):
        run_train(blocked)
    assert not (featured / "models" / "challenger").exists()


def test_a_training_whose_store_fails_at_the_end_keeps_its_bundle_and_says_how_to_register_it(
    featured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise TrackingError("The store is gone.")

    monkeypatch.setattr(Store, "check", lambda _: None)
    monkeypatch.setattr(Store, "log", fail)
    with pytest.raises(TrackingError, match=r"The store is gone\. To register it, run `cvm promote`") as caught:
        run_train(load_params(featured / "params.yaml"))
    version = read_bundle(featured / "models" / "challenger").model_version
    assert f"The model {version} is trained and kept in {featured / 'models' / 'challenger'}" in str(caught.value)


@pytest.mark.slow
def test_a_bundle_that_the_store_does_not_know_is_registered_when_it_is_promoted(
    featured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "check", lambda _: None)  # it was there when training began
    blocked = load_params(featured / "params.yaml", overrides=["tracking.uri=sqlite:///transactions.csv"])
    with pytest.raises(TrackingError, match=r"store for experiment 'cvm' failed"):
        run_train(blocked)
    run_promote(load_params(featured / "params.yaml"))
    registered = store_at(featured, model="cvm").bundle("champion")
    assert registered.model_version == read_bundle(featured / "models" / "champion").model_version


def test_every_training_registers_a_version_and_promotion_moves_the_alias(featured: Path) -> None:
    from mlflow.tracking import MlflowClient

    params = load_params(featured / "params.yaml", overrides=["tracking.model=shop"])
    messages = [run_train(params).message for _ in range(2)]
    assert "champion shop version 1" in messages[0]
    assert "challenger shop version 2" in messages[1]
    client = MlflowClient(f"sqlite:///{featured / 'mlruns' / 'mlflow.db'}")
    aliases = {int(version): alias for alias, version in client.get_registered_model("shop").aliases.items()}
    assert aliases == {1: "champion", 2: "challenger"}
    assert "training anew gave the same model" in run_promote(params).message
    assert client.get_registered_model("shop").aliases == {"champion": 2}
    history = client.get_model_version_by_alias("shop-history", "champion")
    assert (int(history.version), history.tags["model_version"]) == (2, run_promote(params).figures["champion_after"])
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
    store = store_at(featured, model="shop")
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
    refusal = r"model 'cvm' has no alias 'champion'; nothing is registered yet, `cvm train` does it"
    with pytest.raises(TrackingError, match=refusal):
        store.bundle("champion")


def test_reports_of_deleted_runs_are_withdrawn_too(tmp_path: Path) -> None:
    from cvm.tracking.withdrawal import remove_reports

    store, report = store_at(tmp_path, model="cvm"), tmp_path / "report.html"
    report.write_text("<td>c1</td>", encoding="utf-8")
    store.check()
    with store.connected() as client:
        experiment = client.get_experiment_by_name("cvm")
        assert experiment is not None
        runs = [client.create_run(experiment.experiment_id).info.run_id for _ in range(2)]
        for run in runs:
            client.log_artifact(run, str(report), REPORT_FOLDER)
        client.delete_run(runs[0])
    assert remove_reports(store) == 2
    assert not list((tmp_path / "mlruns").rglob("report.html"))


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
