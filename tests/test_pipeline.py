"""The main job on the data that ships: one run of CDNOW, looked at from outside."""

from __future__ import annotations

import json
import os
import pickletools
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shop
from cvm.models.bundle import bundle_version, read_bundle
from cvm.params import load_params
from cvm.pipeline import summarise
from cvm.scoring.files import read_scores
from cvm.scoring.resegment import features_of
from cvm.scoring.schema import SCORE_COLUMNS
from cvm.scoring.segmentation import apply_segments
from cvm.segments import Segmentation
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.score import run_score
from cvm.stages.segment import run_segment
from cvm.stages.train import run_train
from untracked import without_store

pytestmark = pytest.mark.slow  # a minute of training; other whole loops are run on smaller shops

ROOT = Path(__file__).parents[1]
# "" is MLmodel, which is YAML; a style of matplotlib is a list of settings.
ALLOWED = {".json", ".txt", ".yaml", ".py", ".mplstyle", ""}
AS_OF = date(1998, 7, 1)


def cvm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cvm", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("cdnow")
    shutil.copy(ROOT / "params.yaml", folder)
    done = cvm(folder, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return folder, done.stdout


@pytest.fixture(scope="module")
def scores(cdnow: tuple[Path, str]) -> pd.DataFrame:
    return pq.read_table(scores_file(cdnow[0]), partitioning=None).to_pandas()


def scores_file(folder: Path) -> Path:
    return folder / "outputs" / "scores" / f"as_of={AS_OF}" / "scores.parquet"


def test_a_run_closes_with_tables_a_person_can_read(cdnow: tuple[Path, str]) -> None:
    text = cdnow[1]
    for expected in (
        "69,659 rows kept",
        "255 exact duplicates",
        "23,570 customers",
        "vip",
        "lost",
        "decMAPE",
        "recency rule",
    ):
        assert expected in text
    assert "outputs/scores/as_of=1998-07-01/scores.parquet" in text


def test_scores_hold_one_row_per_customer_and_every_column(scores: pd.DataFrame) -> None:
    assert len(scores) == 23_570
    assert scores["customer_id"].is_unique
    assert list(scores.columns) == [column.name for column in SCORE_COLUMNS]


def test_probabilities_and_values_are_possible(scores: pd.DataFrame) -> None:
    for name in ("p_churn", "p_alive"):
        assert scores[name].between(0, 1).all()
    assert np.isfinite(scores[["clv", "expected_orders", "expected_order_value"]]).all(axis=None)
    assert (scores["clv"] >= 0).all()
    shares = scores["value_tier"].value_counts(normalize=True)
    assert shares["top"] == pytest.approx(0.05, abs=0.001)
    dates = pd.to_datetime(scores["expected_next_order_date"].dropna())
    assert dates.between(pd.Timestamp(AS_OF), pd.Timestamp(AS_OF) + pd.Timedelta(days=365)).all()


def test_the_boosters_beat_their_baselines_out_of_time(cdnow: tuple[Path, str]) -> None:
    evidence = read_bundle(cdnow[0] / "models" / "champion").evidence
    assert (evidence["test"], evidence["judged_days"]) == ("1998-01-01", 181)
    value, churn = evidence["judgement"]["value"], evidence["judgement"]["churn"]
    assert value["blended LightGBM"]["ngini"] > value["BTYD"]["ngini"]
    assert value["blended LightGBM"]["decmape"] < value["BTYD"]["decmape"]
    assert churn["blended LightGBM"]["auc"] > churn["recency rule"]["auc"]
    assert churn["blended LightGBM"]["calibration_error"] <= 0.03


def test_scores_made_again_are_the_same_bytes(cdnow: tuple[Path, str]) -> None:
    folder = cdnow[0]
    before = scores_file(folder).read_bytes()
    scores_file(folder).unlink()  # else they would be left as they are
    for stage in ("ingest", "features", "score", "segment"):
        assert shop.cvm(folder, stage, "--quiet").code == 0
    assert scores_file(folder).read_bytes() == before


def test_the_same_seed_gives_the_same_model_in_another_process(shop_folder: Path) -> None:
    params = load_params(shop_folder / "params.yaml")
    with without_store():
        for stage in (run_ingest, run_features, run_train):
            stage(params)
    program = f"""
from cvm.params import load_params
from cvm.stages.train import run_train
from untracked import without_store
with without_store():
    assert run_train(load_params({str(shop_folder / "params.yaml")!r})).figures["role"] == "challenger"
"""
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONHASHSEED": "11"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, timeout=120)
    workspace = workspace_of(params)
    assert bundle_version(workspace.challenger) == bundle_version(workspace.champion)


def test_the_registered_champion_scores_as_the_batch_job_does_in_a_fresh_process(
    cdnow: tuple[Path, str], scores: pd.DataFrame
) -> None:
    folder = cdnow[0]
    program = f"""
import mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
features = pd.read_parquet("outputs/features/as_of={AS_OF}/features.parquet", partitioning=None)
model = mlflow.pyfunc.load_model("models:/cvm@champion")
model.predict(features).to_json("served.json", orient="records", double_precision=15)
"""
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True, capture_output=True, timeout=120)
    served = pd.DataFrame(json.loads((folder / "served.json").read_text()))
    batch = scores.assign(expected_next_order_date=scores["expected_next_order_date"].astype("string"))
    assert len(served) == len(batch)
    for column in SCORE_COLUMNS:
        ours, theirs = batch[column.name], served[column.name]
        if pd.api.types.is_float_dtype(ours):
            np.testing.assert_allclose(theirs.astype(float), ours, rtol=1e-12, atol=1e-12)
        elif column.name == "reasons":
            assert [_rounded(theirs_of) for theirs_of in theirs] == [_rounded(list(ours_of)) for ours_of in ours]
        else:
            assert theirs.isna().equals(ours.isna())
            assert (theirs.dropna().astype(str) == ours.dropna().astype(str)).all(), column.name


def _rounded(reasons: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Reasons with values as JSON keeps them."""
    values = (reason["value"] for reason in reasons)
    numbers = [None if value is None or np.isnan(value) else float(f"{value:.9g}") for value in values]
    words = [(reason["feature"], reason["direction"], reason["sentence"]) for reason in reasons]
    return list(zip(words, numbers, strict=True))


def test_no_artifact_can_carry_code(cdnow: tuple[Path, str]) -> None:
    folder = cdnow[0]
    champion = [path for path in (folder / "models" / "champion").rglob("*") if path.is_file()]
    logged = [path for path in (folder / "mlruns" / "artifacts" / "models").rglob("*") if path.is_file()]
    assert len(champion) == 7
    assert any(path.name == "MLmodel" for path in logged)
    for path in champion:
        assert path.suffix in {".json", ".txt"}
    for path in [*champion, *logged]:
        assert path.suffix in ALLOWED, path.name
        assert not is_pickle(path.read_bytes()), path.name


def test_pickles_would_be_noticed() -> None:
    import pickle

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert is_pickle(pickle.dumps({"a": [1, 2, 3]}, protocol=protocol))


def is_pickle(content: bytes) -> bool:
    """Whether the bytes parse as a pickle from the first opcode to STOP."""
    try:
        return any(opcode.name == "STOP" for opcode, _, _ in pickletools.genops(content))
    except ValueError:
        return b"\x80\x04" in content or b"\x80\x05" in content


def test_the_example_in_the_registry_is_invented(cdnow: tuple[Path, str]) -> None:
    examples = list((cdnow[0] / "mlruns").rglob("input_example.json"))
    assert examples
    for path in examples:
        assert "example-1" in path.read_text()


def test_nested_runs_figures_and_catalogue_are_in_the_store(cdnow: tuple[Path, str]) -> None:
    artifacts = {path.name for path in (cdnow[0] / "mlruns" / "artifacts").rglob("*") if path.is_file()}
    assert {
        "catalogue.json",
        "features.sql",
        "churn_drivers.json",
        "churn_drivers.png",
        "churn_reliability.png",
        "value_calibration.png",
        "revenue_gains.png",
    } <= artifacts


def test_an_alias_and_a_bundle_directory_score_alike(cdnow: tuple[Path, str], tmp_path: Path) -> None:
    folder = cdnow[0]
    params = load_params(folder / "params.yaml")
    copied = Path(shutil.copytree(folder / "models" / "champion", tmp_path / "copy"))
    before = scores_file(folder).read_bytes()
    for options in ({"alias": "champion"}, {"bundle": copied}):
        scores_file(folder).unlink()
        run_score(params, **options)
        assert scores_file(folder).read_bytes() == before


def test_segments_applied_again_change_nothing(cdnow: tuple[Path, str]) -> None:
    params = load_params(cdnow[0] / "params.yaml")
    before = scores_file(cdnow[0]).read_bytes()
    outcome = run_segment(params)
    assert "reassigned" not in outcome.message
    assert scores_file(cdnow[0]).read_bytes() == before


def test_the_summary_adds_up(cdnow: tuple[Path, str], scores: pd.DataFrame) -> None:
    summary = summarise(load_params(cdnow[0] / "params.yaml"))
    assert summary.as_of == AS_OF
    assert summary.scores["clv"].sum() == pytest.approx(scores["clv"].sum())
    assert all(path.exists() for path in summary.files.values())


def test_segments_hold_under_noise_and_stand_still_with_hysteresis(cdnow: tuple[Path, str]) -> None:
    params = load_params(cdnow[0] / "params.yaml")
    workspace = workspace_of(params)
    bundle, scores = read_bundle(workspace.champion), read_scores(workspace.scores_of(AS_OF))
    features = features_of(workspace, scores, as_of=AS_OF)
    remembered = with_column(scores, "previous_segment", scores["segment"].to_numpy(zero_copy_only=False))
    rng = np.random.default_rng(4)
    for name in ("clv", "expected_orders"):
        values = scores[name].to_numpy() * (1 + rng.uniform(-0.01, 0.01, scores.num_rows))
        remembered = with_column(remembered, name, values)
    p_churn = np.clip(scores["p_churn"].to_numpy() + rng.uniform(-0.01, 0.01, scores.num_rows), 0, 1)
    remembered = with_column(remembered, "p_churn", p_churn)
    loose = apply_segments(bundle, features, remembered).to_pandas()
    assert 0 < (loose["segment"] != loose["previous_segment"]).mean() < 0.02
    steady = apply_segments(bundle, features, remembered, Segmentation(hysteresis=0.01)).to_pandas()
    assert (steady["segment"] == steady["previous_segment"]).all()


def test_segments_leave_growth_and_clusters_beside_the_scores(cdnow: tuple[Path, str]) -> None:
    folder = cdnow[0] / "outputs" / "segments" / f"as_of={AS_OF}"
    assert {path.name for path in folder.iterdir()} == {"clusters.json", "clusters.parquet", "growth.parquet"}
    growth = pq.read_table(folder / "growth.parquet", partitioning=None)
    assert growth.num_rows == 23_570
    assert growth["n_categories"].null_count == 23_570
    assert growth["upsell_room"].null_count == 68  # net spend of 0, so no price


def with_column(scores: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    position = scores.schema.get_field_index(name)
    return scores.set_column(position, scores.schema.field(position), pa.array(values))
