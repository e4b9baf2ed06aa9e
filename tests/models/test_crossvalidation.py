from __future__ import annotations

import json
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

import shop
from cvm import ChurnClassifier, cross_validate_churn
from cvm.errors import BundleError, CvmError, WorkspaceError
from cvm.models.crossvalidation import BASE_RATE, BOOSTED, LOGISTIC, CrossValidation
from cvm.models.labelled_churn import read_labelled_churn
from cvm.reports.crossvalidation import crossvalidation_tables

N = 1_200


def customers(n: int = N, *, seed: int = 4, **columns: Any) -> tuple[pd.DataFrame, np.ndarray]:
    """Customers, and the probability with which each left: by contract, tenure and whether both meet."""
    rng = np.random.default_rng(seed)
    tenure, contract = rng.integers(0, 72, n).astype(float), rng.choice(["month", "year", "two years"], n)
    p = 1 / (1 + np.exp(0.2 + 0.05 * tenure - 1.5 * (contract == "month") - 1.5 * (contract == "month") * (tenure > 30)))
    frame = {
        "tenure": np.where(rng.random(n) < 0.05, np.nan, tenure),
        "contract": contract,
        "noise": rng.normal(size=n),
        "left": np.where(rng.random(n) < p, "Yes", "No"),
    }
    return pd.DataFrame(frame | columns), p


@pytest.fixture(scope="module")
def found() -> CrossValidation:
    return cross_validate_churn(customers()[0], label="left", folds=3, repeats=2)


def test_each_draw_judges_every_customer_once_and_figures_are_means_over_draws(found):
    assert set(found.p_churn) == set(found.metrics) == {BOOSTED, LOGISTIC, BASE_RATE}
    for p in found.p_churn.values():
        assert p.shape == (2, N)
        assert ((p > 0) & (p < 1)).all()
    assert not (found.p_churn[BOOSTED][0] == found.p_churn[BOOSTED][1]).all()
    assert found.area.value == pytest.approx(found.metrics[BOOSTED]["auc"])
    assert found.area_over_logistic.value == pytest.approx(found.metrics[BOOSTED]["auc"] - found.metrics[LOGISTIC]["auc"])


def test_what_there_is_to_learn_is_learned_and_probabilities_hold(found):
    _, p = customers()
    assert found.metrics[BOOSTED]["auc"] > 0.7
    assert found.metrics[BOOSTED]["brier"] < found.metrics[BASE_RATE]["brier"]
    assert found.metrics[BOOSTED]["calibration_error"] < 0.06
    assert np.corrcoef(found.predictions["p_churn"], p)[0, 1] > 0.85
    assert list(found.model.boosted.importance())[-1] == "noise"
    assert found.metrics[BASE_RATE]["auc"] == 0.5


def test_pure_noise_is_told_from_nothing():
    frame, _ = customers()
    noise = pd.DataFrame({"a": frame["noise"], "b": np.random.default_rng(9).choice(list("xyz"), N), "left": frame["left"]})
    found = cross_validate_churn(noise, label="left", folds=3, repeats=1)
    assert found.area.lower < 0.5 < found.area.upper
    assert found.metrics[BOOSTED]["brier"] < found.metrics[BASE_RATE]["brier"] + 0.005


def test_rows_of_one_customer_are_never_on_both_sides():
    frame, _ = customers()
    # Every customer twice under a number of its own: who saw the copy would know the outcome of everybody.
    twice = pd.concat([frame, frame], ignore_index=True).assign(id=list(range(N)) * 2, key=np.tile(np.arange(N) * 1.0, 2))
    twice = twice[["id", "key", "left"]]
    found = cross_validate_churn(twice, label="left", customer_id="id", folds=3, repeats=1)
    assert found.metrics[BOOSTED]["auc"] < 0.56


def test_the_same_seed_gives_the_same_figures(found):
    again = cross_validate_churn(customers()[0], label="left", folds=3, repeats=2)
    np.testing.assert_array_equal(again.p_churn[BOOSTED], found.p_churn[BOOSTED])
    assert again.report == found.report


def test_what_is_written_is_read_back_and_predicts_the_same(found, tmp_path):
    found.write(tmp_path / "out")
    found.write(tmp_path / "out")  # a rerun replaces it
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "churn.txt",
        "crossvalidation.json",
        "model.json",
        "predictions.parquet",
    ]
    model = read_labelled_churn(tmp_path / "out")
    frame, _ = customers(50, seed=11)
    as_text = frame.astype(str).replace("nan", "")
    expected = found.model.p_churn(frame)
    np.testing.assert_array_equal(model.p_churn(frame), expected)
    np.testing.assert_allclose(model.p_churn(as_text), expected)
    report = json.loads((tmp_path / "out" / "crossvalidation.json").read_text())
    assert report == json.loads(json.dumps(found.report))
    assert (report["n_rows"], report["positive"], report["columns"]["tenure"]) == (N, "Yes", "number")
    predictions = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert list(predictions.columns) == ["customer_id", "churned", "p_churn"]


def test_columns_missing_or_unseen_values_at_scoring_are_missing(found):
    frame, _ = customers(50, seed=11)
    strange = frame.assign(contract="never seen", tenure="no number")
    np.testing.assert_array_equal(found.model.p_churn(strange), found.model.p_churn(frame[["noise"]]))
    assert np.isfinite(found.model.p_churn(strange)).all()


def test_a_changed_model_is_refused(found, tmp_path):
    found.write(tmp_path / "out")
    trees = tmp_path / "out" / "churn.txt"
    trees.write_text(trees.read_text().replace("=", "= ", 1))
    with pytest.raises(BundleError, match="changed after it was written"):
        read_labelled_churn(tmp_path / "out")
    with pytest.raises(BundleError, match="holds no churn model"):
        read_labelled_churn(tmp_path)


def test_a_folder_of_something_else_is_never_replaced(found, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for name in ("mine", "file"):
        with pytest.raises(WorkspaceError, match="holds something else, which would be replaced"):
            found.write(tmp_path / name)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    found.write(tmp_path / "empty")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds == 1, must be a whole number, 2 to 20"),
        ({"folds": 21}, "folds == 21, must be a whole number, 2 to 20"),
        ({"folds": 2.5}, r"folds == 2\.5, must be a whole number, 2 to 20"),
        ({"folds": "5"}, "folds == '5', must be a whole number, 2 to 20"),
        ({"repeats": 0}, "repeats == 0, must be a whole number, 1 to 20"),
        ({"repeats": 21}, "repeats == 21, must be a whole number, 1 to 20"),
        ({"seed": -1}, "seed == -1, must be a whole number, 0 to 2147483647"),
    ],
)
def test_folds_repeats_and_seeds_out_of_range_are_refused(options, message):
    with pytest.raises(CvmError, match=message):
        cross_validate_churn(customers()[0], label="left", **options)


def test_columns_of_numbers_alone_and_of_categories_alone_can_be_learned_from():
    frame, _ = customers()
    for columns in (["tenure", "noise"], ["contract"]):
        found = cross_validate_churn(frame[[*columns, "left"]], label="left", folds=2, repeats=1)
        assert found.area.lower > 0.5


def test_the_tables_show_every_model_every_tenth_and_the_strongest_columns(found):
    out = StringIO()
    Console(file=out, width=160, highlight=False).print(*crossvalidation_tables(found), sep="\n")
    text = out.getvalue()
    for expected in (BOOSTED, LOGISTIC, BASE_RATE, "lift top 10 %", "calibration error", "contract", "3 folds, 2 draws"):
        assert expected in text
    assert f"{found.area.value:.3f} ({found.area.lower:.3f} to {found.area.upper:.3f})" in text


# --- estimators of the user's own -------------------------------------------------------------------------------------


class Rude:
    """What ``clone`` cannot copy."""

    def __init__(self, word: str) -> None:
        self.word = word

    def predict_proba(self, asked: pd.DataFrame) -> np.ndarray:
        return np.full((len(asked), 2), 0.5)


class Constant(ClassifierMixin, BaseEstimator):
    """Gives everybody the same, whether it is a probability or not."""

    def __init__(self, *, p: float = 0.5, n_columns: int = 2) -> None:
        self.p, self.n_columns = p, n_columns

    def fit(self, known: pd.DataFrame, churned: np.ndarray) -> Constant:
        self.n_columns_, self.classes_ = known.shape[1], np.unique(churned)
        return self

    def predict_proba(self, asked: pd.DataFrame) -> np.ndarray:
        return np.full((len(asked), self.n_columns), self.p)


def by_contract_alone() -> Any:
    return make_pipeline(
        ColumnTransformer([("contract", OneHotEncoder(handle_unknown="ignore"), ["contract"])]), LogisticRegression()
    )


def test_an_estimator_of_ones_own_is_judged_on_the_same_folds_as_scikit_learn_would(found):
    frame, _ = customers()
    mine = by_contract_alone()
    judged = cross_validate_churn(frame, label="left", folds=3, repeats=2, estimators={"by contract": mine})
    assert list(judged.metrics) == [BOOSTED, LOGISTIC, "by contract", BASE_RATE]
    np.testing.assert_array_equal(judged.p_churn[BOOSTED], found.p_churn[BOOSTED])
    assert not hasattr(mine[-1], "coef_")  # a copy was fitted
    left = (frame["left"] == "Yes").to_numpy(float)
    expected = cross_val_predict(by_contract_alone(), frame[["contract"]], left, cv=3, method="predict_proba")[:, 1]
    np.testing.assert_allclose(judged.p_churn["by contract"][0], expected, atol=0.06)
    assert judged.metrics["by contract"]["auc"] == pytest.approx(roc_auc_score(left, expected), abs=0.02)
    assert judged.metrics["by contract"]["auc"] < judged.metrics[BOOSTED]["auc"] - 0.05
    assert judged.report["metrics"]["by contract"] == judged.metrics["by contract"]
    out = StringIO()
    Console(file=out, width=160, highlight=False).print(*crossvalidation_tables(judged), sep="\n")
    assert "by contract" in out.getvalue()


def test_our_own_classifier_can_compete_too():
    frame, _ = customers()
    wide = ChurnClassifier(num_leaves=31, learning_rate=0.2)
    judged = cross_validate_churn(frame, label="left", folds=2, repeats=1, estimators={"wide": wide})
    assert judged.metrics["wide"]["auc"] > 0.65
    assert (judged.p_churn["wide"] != judged.p_churn[BOOSTED]).any()


@pytest.mark.parametrize(
    ("estimators", "message"),
    [
        ({"mine": LinearSVC()}, r"estimators\['mine'\] is of type LinearSVC; pass a classifier .* that has predict_proba"),
        ({"mine": LinearRegression()}, r"estimators\['mine'\] is of type LinearRegression"),
        ({"mine": LogisticRegression}, r"estimators\['mine'\] is the class LogisticRegression"),
        ({"LightGBM": LogisticRegression()}, "one named 'LightGBM', which is the name of one of ours"),
        ([("mine", LogisticRegression())], "estimators is of type list; pass a mapping"),
        ({1: LogisticRegression()}, "estimators has the key 1; call each by a name"),
        ({"mine": Rude("no estimator of scikit-learn")}, r"estimators\['mine'\] cannot be copied: .*Rude"),
    ],
)
def test_what_is_no_classifier_or_bears_our_name_is_refused_before_anything_is_fitted(estimators, message):
    told: list[str] = []
    with pytest.raises(CvmError, match=message):
        cross_validate_churn(customers()[0], label="left", estimators=estimators, progress=told.append)
    assert told == []


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (LogisticRegression(), r"fails on this table: ValueError: .*'(month|year|two years)'.* an encoder for categories"),
        (Constant(p=np.nan), "something else than probabilities from 0 to 1"),
        (Constant(p=1.5), "something else than probabilities from 0 to 1"),
        (Constant(n_columns=3), r"probabilities of shape \(\d+, 3\), must be \(\d+, 2\)"),
    ],
)
def test_an_estimator_that_fails_or_gives_no_probabilities_is_named(estimator, message):
    with pytest.raises(CvmError, match=r"(?s)estimators\['mine'\] .*" + message):
        cross_validate_churn(customers()[0], label="left", folds=2, repeats=1, estimators={"mine": estimator})


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_prints_and_writes(tmp_path):
    customers(600)[0].to_csv(tmp_path / "t.csv", index=False)
    done = shop.cvm(tmp_path, "crossvalidate", "t.csv", "--label", "left", "--folds", "2", "--repeats", "1", "--out", "cv")
    assert (done.code, done.err) == (0, "")
    assert "600 rows, " in done.out
    assert "Reliability of LightGBM" in done.out
    assert (tmp_path / "cv" / "crossvalidation.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cv", "t.csv"]


def test_the_command_refuses_in_words(tmp_path):
    customers(600)[0].to_csv(tmp_path / "t.csv", index=False)
    done = shop.cvm(tmp_path, "crossvalidate", "t.csv", "--label", "gone")
    assert done.code == 1
    assert "The table has no column 'gone'; it has ['tenure', 'contract', 'noise', 'left']." in done.err
    assert "Traceback" not in done.err
    assert shop.cvm(tmp_path, "crossvalidate", "t.csv").code == 2
