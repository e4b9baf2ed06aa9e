from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from cvm.errors import InsufficientDataError
from cvm.models.boosting import Task, TrainingRows, fit_boosted, refit_boosted
from cvm.models.fold_losses import FoldLosses
from cvm.models.tree_growing import grown
from cvm.models.uplift.forest import fit_forest
from cvm.models.uplift.responses import Learning

FAULT = "Check failed: (best_split_info.left_count) > (0) at serial_tree_learner.cpp, line 852 ."


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(3)
    features = pd.DataFrame(
        {"customer_id": np.arange(600).astype(str), "x": rng.normal(size=600), "y": rng.normal(size=600)}
    )
    target = (rng.random(600) < 1 / (1 + np.exp(-features["x"]))).to_numpy(dtype=float)
    return Task(TrainingRows([features], ["x", "y"]), target, np.zeros(600), {"objective": "binary"}, {}, seed=7)


@pytest.fixture
def stumbling(monkeypatch):
    """LightGBM that has its fault ``times`` times; says with which seeds of draws it was called."""

    def stumble(times: int) -> list[int | None]:
        called: list[int | None] = []

        def faulty(train):
            def trained(params, *args, **options):
                called.append(params.get("bagging_seed"))
                assert params.get("feature_fraction_seed") == called[-1]
                if len(called) <= times:
                    raise lgb.basic.LightGBMError(FAULT)
                return train(params, *args, **options)

            return trained

        for name in ("cv", "train"):
            monkeypatch.setattr(lgb, name, faulty(getattr(lgb, name)))
        return called

    return stumble


WAYS = {
    "folds": lambda task: fit_boosted(task).boosted.rounds,
    "refit": lambda task: refit_boosted(task, rounds=5).rounds,
    "losses": lambda task: FoldLosses(task, lambda y, p: float(np.mean((y - p) ** 2))).loss_of_fold({}, 0),
    "forest": lambda task: (
        fit_forest(task.rows.features, task.target, columns=["x", "y"], learning=Learning({}, 7))[1].rounds
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_fault_of_lightgbm_leads_to_another_draw_of_rows_and_columns(task, stumbling, way):
    called = stumbling(2)
    assert WAYS[way](task) > 0
    assert called[:3] == [None, 8, 9]


def test_trees_without_the_fault_are_those_of_the_first_draw(task):
    parameters = {"seed": 7, "objective": "binary"}
    assert grown(lambda used: used, parameters) == parameters


def test_another_draw_gives_other_trees(task, stumbling):
    before = refit_boosted(task, rounds=5).text
    stumbling(1)
    trees = [text.split("parameters:")[0] for text in (before, refit_boosted(task, rounds=5).text)]
    assert trees[0] != trees[1]


def test_a_fault_in_every_draw_is_refused_in_a_sentence(task, stumbling):
    called = stumbling(99)
    with pytest.raises(InsufficientDataError, match=r"each of 4 draws of rows and columns .* Change train\.snapshots"):
        fit_boosted(task)
    assert called == [None, 8, 9, 10]


def test_other_errors_of_lightgbm_stay_as_they_are(stumbling):
    def refuse(_):
        raise lgb.basic.LightGBMError("Unknown objective")

    with pytest.raises(lgb.basic.LightGBMError, match="Unknown objective"):
        grown(refuse, {"seed": 7})
