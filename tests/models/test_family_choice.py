from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from cvm.errors import InsufficientDataError
from cvm.features.snapshots import SnapshotPlan
from cvm.models.btyd import Btyd, ParetoNbd
from cvm.models.family_choice import FamilyChoice, choose_family, prediction_loss, with_family
from cvm.models.samples import Sample, SnapshotReader
from simulated import TRUTH, histories, sample, silent


def sampled(n_orders, expected, p_no_order):
    part = sample(n_customers=len(n_orders), seed=1)
    features = part.features.assign(btyd_expected_orders=expected, btyd_p_no_order=p_no_order)
    return replace(part, features=features, n_orders=np.array(n_orders, dtype=float))


class TestLoss:
    def test_it_is_half_the_poisson_deviance_plus_the_log_loss(self):
        found = prediction_loss(sampled([0, 3], [0.5, 2.0], [0.6, 0.2]))
        assert found == pytest.approx((0.5 + (3 * np.log(1.5) - 1) - np.log(0.6) - np.log(0.8)) / 2)

    @pytest.mark.parametrize("factor", [0.9, 1.1])
    def test_it_is_least_at_the_mean_and_at_the_rate(self, factor):
        orders = np.random.default_rng(2).negative_binomial(0.5, 0.3, 4000)
        mean, rate = orders.mean(), (orders == 0).mean()
        at_truth = prediction_loss(sampled(orders, mean, rate))
        assert prediction_loss(sampled(orders, factor * mean, rate)) > at_truth
        assert prediction_loss(sampled(orders, mean, factor * rate)) > at_truth

    def test_certainty_that_was_wrong_costs_much_but_not_everything(self):
        assert 10 < prediction_loss(sampled([3, 0], [0.0, 1.0], [1.0, 0.0])) < 40

    def test_without_customers_there_is_none(self):
        part = sample(n_customers=5, seed=1)
        assert np.isnan(prediction_loss(Sample(part.as_of, part.features.head(0), part.n_orders[:0], part.revenue[:0])))


FRAMES = {date(2024, month, 1): histories(n_customers=6000, seed=month) for month in (1, 2, 3)}
TEST = date(2024, 3, 1)
PLAN = SnapshotPlan(
    first_day=date(2022, 1, 1),
    score=date(2024, 6, 1),
    horizon_days=90,
    lead_days=0,
    judged_days=90,
    test=TEST,
    training=(date(2024, 2, 1), date(2024, 1, 1)),
    labelled=(),
)


class Reader(SnapshotReader):
    """Hands out snapshots from memory: everyone's history, and what followed it."""

    def features(self, as_of):
        assert as_of <= TEST, "what followed the test is not for the choice"
        return FRAMES[as_of]

    def _outcome(self, customers, as_of, horizon_days):
        assert horizon_days == PLAN.judged_days
        assert as_of < TEST, "what followed the test is not for the choice"
        return customers["orders_in_window"].to_numpy(float), customers["revenue_in_window"].to_numpy(float)


def fit(features, *, as_of, daily_orders, clock=None, family="bg_nbd"):
    return Btyd.fit(features, family=family)


def reader(fit_btyd=fit):
    return Reader(Path("in memory"), fit_btyd, lead_days=0, eligible_days=None)


class TestChoice:
    def test_the_family_that_foretold_best_is_taken(self):
        choice = choose_family(reader(), PLAN, progress=silent)
        assert set(choice.losses) == {"bg_nbd", "mbg_nbd", "pareto_nbd"}
        assert choice.family == min(choice.losses, key=choice.losses.get)
        # The base was drawn from a BG/NBD.
        assert choice.family == "bg_nbd"
        assert "what followed 2 training snapshots" in choice.note
        assert f"BG/NBD {choice.losses['bg_nbd']:.4f}" in choice.note

    def test_without_training_snapshots_the_likelihood_before_the_test_decides(self):
        choice = choose_family(reader(), replace(PLAN, training=()), progress=silent)
        assert choice.family == "bg_nbd"
        assert "likelihood of the histories before 2024-03-01" in choice.criterion

    def test_a_family_that_cannot_be_fitted_is_left_out(self):
        def picky(features, *, as_of, daily_orders, clock=None, family="bg_nbd"):
            if family != "pareto_nbd":
                raise InsufficientDataError("does not converge")
            return replace(TRUTH, process=ParetoNbd(0.9, 30.0, 0.8, 90.0))

        choice = choose_family(reader(picky), PLAN, progress=silent)
        assert (choice.family, list(choice.losses)) == ("pareto_nbd", ["pareto_nbd"])

    def test_if_none_can_be_fitted_the_final_fit_will_say_why(self):
        def broken(features, *, as_of, daily_orders, clock=None, family="bg_nbd"):
            raise InsufficientDataError("Only 3 customers have an order")

        choice = choose_family(reader(broken), PLAN, progress=silent)
        assert choice == FamilyChoice("bg_nbd", "default", {})
        assert choice.note == "BTYD family: BG/NBD, by default."

    @pytest.mark.parametrize("family", ["bg_nbd", "mbg_nbd", "pareto_nbd"])
    def test_the_family_reaches_every_fit(self, family):
        as_of = date(2024, 1, 1)
        assert with_family(reader(), family).btyd(as_of, FRAMES[as_of]).process.family == family
