from dataclasses import replace

import numpy as np
import pytest

from cvm.evaluation import brier_score, tweedie_deviance
from cvm.models.churn_blend import churn_task
from cvm.models.clv_blend import value_task
from cvm.models.fold_losses import FoldLosses
from simulated import sample

COLUMNS = ("n_orders", "recency_days", "noise", "colour")


def churn_losses(samples, *, seed=3, columns=COLUMNS):
    return FoldLosses(churn_task(samples, columns=columns, settings={}, seed=seed), brier_score)


@pytest.fixture(scope="module")
def training():
    return [sample(n_customers=400, seed=seed) for seed in (1, 2)]


def losses(found, settings):
    return [found.loss_of_fold(settings, fold) for fold in range(found.n_folds)]


def test_a_fold_is_judged_from_its_anchor_on_the_scale_of_the_outcome(training):
    """Trees that learn nothing leave the anchor, whose loss is known."""
    still = {"learning_rate": 1e-9}
    task = churn_task(training, columns=COLUMNS, settings={}, seed=3)
    found = losses(FoldLosses(task, brier_score), still)
    assert np.mean(found) == pytest.approx(brier_score(task.target, 1 / (1 + np.exp(-task.anchor))), abs=1e-6)
    task = value_task(training, columns=COLUMNS, settings={}, seed=3)
    found = losses(FoldLosses(task, tweedie_deviance), still)
    assert np.mean(found) == pytest.approx(tweedie_deviance(task.target, np.exp(task.anchor)), rel=0.01)


def test_what_foretells_the_outcome_lowers_the_loss(training):
    told = [replace(part, features=part.features.assign(noise=part.churned)) for part in training]
    assert np.mean(losses(churn_losses(told), {})) < 0.5 * np.mean(losses(churn_losses(training), {}))


def test_settings_come_in_any_order(training):
    found = churn_losses(training)
    small = found.loss_of_fold({"min_data_in_leaf": 20, "num_leaves": 31}, 0)
    large = found.loss_of_fold({"min_data_in_leaf": 200}, 0)
    assert found.loss_of_fold({"min_data_in_leaf": 20, "num_leaves": 31}, 0) == small != large


def test_a_fold_in_which_nothing_happened_is_left_out(training):
    quiet = replace(training[0], n_orders=np.ones(400))
    quiet.n_orders[0] = 0
    assert churn_losses([quiet]).n_folds == 1


def test_the_digest_is_of_the_rows_the_columns_and_the_folds(training):
    found = churn_losses(training).digest
    assert found == churn_losses(training).digest
    other = [replace(training[0], features=training[0].features.assign(recency_days=1.0)), training[1]]
    others = [
        churn_losses(other).digest,
        churn_losses(training[:1]).digest,
        churn_losses(training, seed=4).digest,
        churn_losses(training, columns=COLUMNS[:2]).digest,
        FoldLosses(value_task(training, columns=COLUMNS, settings={}, seed=3), tweedie_deviance).digest,
    ]
    assert len({found, *others}) == 6


def test_the_digest_does_not_see_the_last_bit(training):
    task = churn_task(training, columns=COLUMNS, settings={}, seed=3)
    nearly = replace(task, anchor=np.nextafter(task.anchor, np.inf))
    assert FoldLosses(nearly, brier_score).digest == FoldLosses(task, brier_score).digest
