"""Training, promotion and the way back on a real base and a real MLflow store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cvm.errors import FeatureMismatchError
from cvm.models import stage
from cvm.models.bundle import bundle_version, read_bundle
from cvm.params import Params, load_params
from cvm.promotion.history import read_decisions
from cvm.stages import promote
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.promote import run_promote, run_rollback
from cvm.stages.score import run_score
from cvm.stages.train import run_train
from cvm.tracking.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unpainted")]


def aliases(folder: Path) -> dict[str, str]:
    """By alias, the version of the bundle that is registered under it."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    found = client.get_registered_model("cvm").aliases
    return {alias: client.get_model_version("cvm", str(number)).tags["model_version"] for alias, number in found.items()}


def tags_of(folder: Path, version: str) -> dict[str, str]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    (found,) = client.search_model_versions(f"name = 'cvm' and tags.model_version = '{version}'")
    run = client.search_runs([client.get_experiment_by_name("cvm").experiment_id], f"tags.model_version = '{version}'")[0]
    assert {name: run.data.tags[name] for name in ("decision", "reason")} == {
        name: found.tags[name] for name in ("decision", "reason")
    }
    return dict(found.tags)


def params_of(folder: Path, *overrides: str) -> Params:
    return load_params(folder / "params.yaml", overrides=overrides)


def trained(params: Params) -> str:
    version = run_train(params).figures["model_version"]
    assert isinstance(version, str)
    return version


def shuffled(judged_frame: Any) -> Any:
    """What a model foretold, handed to the wrong customers."""

    def spoiled(*arguments: object, **options: object) -> pd.DataFrame:
        frame = judged_frame(*arguments, **options)
        order = np.random.default_rng(1).permutation(len(frame))
        return frame.assign(**{name: frame[name].to_numpy()[order] for name in ("p_churn", "expected_revenue")})

    return spoiled


@pytest.fixture
def folder(shop_folder: Path) -> Iterator[Path]:
    run_ingest(params_of(shop_folder))
    return shop_folder


def test_a_month_of_models(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Of 400 customers a season that becomes known moves the scores of many.
    few = "promotion.max_score_drift=0.9"
    earlier, params = params_of(folder, "windows.as_of=2024-04-14", few), params_of(folder, few)
    workspace = workspace_of(params)

    # A newcomer trains and scores; the first model is champion at once.
    run_features(earlier)
    first = trained(earlier)
    run_score(earlier)
    assert aliases(folder) == {"champion": first}
    assert tags_of(folder, first)["decision"] == "promoted"

    # A month later a challenger is trained; scores are the champion's until it is promoted.
    run_features(params)
    second = trained(params)
    assert aliases(folder) == {"champion": first, "challenger": second}
    assert first in run_score(params).message
    assert second in run_score(params, alias="challenger").message
    promoted = run_promote(params)
    assert promoted.figures["decision"] == "promoted", promoted.warnings
    assert len(promoted.figures["figures"]) == 6
    assert aliases(folder) == {"champion": second}
    assert tags_of(folder, second)["compared_with"] == first
    assert second in run_score(params).message

    # One that hands predictions to the wrong customers is refused, with the figures.
    with monkeypatch.context() as patch:
        patch.setattr(stage, "judged_frame", shuffled(stage.judged_frame))
        spoiled = trained(params_of(folder, few, "train.seed=8"))
    kept = run_promote(params)
    assert kept.figures["decision"] == "kept"
    assert kept.warnings[0].startswith("champion: AUC 0.")
    assert "worse by" in kept.warnings[0]
    assert aliases(folder) == {"champion": second, "challenger": spoiled}
    assert tags_of(folder, spoiled)["failed_gates"].startswith('["champion"')

    # The way back, while the store is gone: files first, aliases at the next decision.
    with monkeypatch.context() as patch:
        patch.setattr(promote, "store_of", lambda _: Store(f"sqlite:///{folder}/transactions.csv", None, "cvm", "cvm"))
        (warning,) = run_rollback(params, reason="complaints").warnings
    assert "aliases and tags follow at the next `cvm promote`" in warning
    assert bundle_version(workspace.champion) == first
    assert aliases(folder)["champion"] == second
    assert first in run_score(params).message
    run_promote(params)
    assert aliases(folder)["champion"] == first
    assert [found.verdict for found in read_decisions(workspace.decisions)] == [
        "promoted", "promoted", "kept", "rolled back", "kept"
    ]  # fmt: skip
    assert read_bundle(workspace.champion).model_version == first

    # Params that ask for something else replace the champion at once, and say so.
    other = params_of(folder, few, f"windows.clv_days={params.windows.clv_days + 100}")
    told = run_train(other)
    assert told.figures["role"] == "champion"
    asked = f"params ask for another prediction: clv_days {other.windows.clv_days} instead of {params.windows.clv_days}"
    assert any(f"in the place of {first}: {asked}" in note for note in told.warnings)
    assert f"({asked}), since then no challenger waits" in run_promote(other).message
    # Nor does another day of data bring back what was taken out of use.
    run_rollback(other, reason="a slip")
    assert run_train(other).figures["role"] == "challenger"
    assert bundle_version(workspace.champion) == first
    with pytest.raises(FeatureMismatchError, match="clv_days"):
        run_score(other)
