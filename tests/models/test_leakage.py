from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from cvm.errors import FeatureMismatchError, LeakageError
from cvm.features.snapshots import SnapshotPlan
from cvm.models.leakage import pass_gate, refuse_overlap, without_excluded
from cvm.models.samples import Sample
from simulated import sample

TODAY = date(2024, 6, 1)
HONEST = ("n_orders", "recency_days", "tenure_days", "mean_order_value", "recency_over_mean_gap", "noise", "colour")
PLAN = SnapshotPlan(
    score=TODAY,
    horizon_days=90,
    lead_days=0,
    judged_days=90,
    test=date(2024, 3, 1),
    training=(date(2023, 12, 1), date(2023, 11, 1)),
    labelled=(date(2024, 3, 1), date(2023, 12, 1)),
    first_day=date(2023, 1, 1),
)


@pytest.fixture(scope="module")
def snapshots():
    days = (*PLAN.training, PLAN.test, TODAY)
    return [sample(n_customers=800, seed=seed, as_of=day) for seed, day in enumerate(days)]


def gate(snapshots, *, columns=(), decisions=None, **leaks):
    """The gate on honest snapshots plus ``leaks``: name to a function of a sample and a random generator."""
    rng = np.random.default_rng(1)
    parts = [
        replace(part, features=part.features.assign(**{name: leak(part, rng) for name, leak in leaks.items()}))
        for part in snapshots
    ]
    return pass_gate(
        parts[:2],
        parts[2],
        parts[3].features,
        columns=[*HONEST, *leaks, *columns],
        decisions=decisions or {},
        scored=TODAY,
    )


def spend_later(part, rng):
    return part.revenue * rng.uniform(0.99, 1.01, len(part.revenue))


def closed_on(part, rng):
    """Filled in for those who left, with a value that says nothing."""
    return np.where(part.churned == 1, rng.normal(size=len(part.churned)), np.nan)


def state_of_account(part, rng):
    """Category of an attribute as it stands today."""
    wrong = rng.random(len(part.churned)) < 0.003
    return np.where((part.churned == 1) ^ wrong, "closed", "open")


class TestSeparation:
    def test_honest_features_pass(self, snapshots):
        passed = gate(snapshots)
        assert passed.columns == HONEST
        assert passed.notes == ()

    @pytest.mark.parametrize("leak", [spend_later, closed_on, state_of_account])
    def test_a_feature_written_down_after_the_outcome_is_refused_with_its_evidence(self, snapshots, leak):
        with pytest.raises(LeakageError) as refused:
            gate(snapshots, leak=leak)
        message = str(refused.value)
        found = (
            r"'leak' alone tells who churns: AUC (0\.99\d|1\.000) on the training snapshots \(past orders and BTYD: 0\.\d+\)"
        )
        assert re.search(found, message), message
        assert "on the test snapshot 2024-03-01" in message
        assert "train.features: {NAME: exclude}" in message
        assert "train.features: {NAME: keep}" in message
        assert "noise" not in message

    def test_an_attribute_that_gives_the_latest_snapshot_away_alone_is_refused(self, snapshots):
        def leak(part, rng):
            return part.churned if part.as_of == PLAN.test else rng.random(len(part.churned))

        with pytest.raises(LeakageError, match=r"'leak' alone tells who churns: AUC 1\.000 on the test snapshot"):
            gate(snapshots, leak=leak)

    def test_all_leaks_are_named_at_once(self, snapshots):
        with pytest.raises(LeakageError, match=r"(?s)'one' alone.*'two' alone"):
            gate(snapshots, one=spend_later, two=closed_on)

    def test_what_is_kept_passes(self, snapshots):
        assert "leak" in gate(snapshots, leak=closed_on, decisions={"leak": "keep"}).columns

    def test_where_recency_itself_is_as_strong_no_honest_feature_is_blamed(self, snapshots):
        """Customers so regular that silence tells it all: recency separates, and so does what follows from it."""

        def regular(part):
            recency = np.where(part.churned == 1, 200.0, 10.0) + np.random.default_rng(2).normal(0, 60, len(part.churned))
            features = part.features.assign(recency_days=recency, orders_30d=(recency < 100) * 1.0)
            return replace(part, features=features)

        parts = [regular(part) for part in snapshots]
        assert gate(parts, columns=["orders_30d"]).columns == (*HONEST, "orders_30d")
        with pytest.raises(LeakageError, match=r"'leak' alone tells who churns"):
            gate(parts, columns=["orders_30d"], leak=closed_on)

    def test_too_few_of_a_kind_tell_nothing(self, snapshots):
        loyal = [replace(part, n_orders=np.where(np.arange(800) < 20, 0.0, 1.0)) for part in snapshots]
        assert "leak" in gate(loyal, leak=closed_on).columns


class TestRevenue:
    def test_a_feature_that_ranks_as_the_revenue_does_is_refused(self, snapshots):
        """Where everybody buys, churn is silent and revenue is what leaks."""
        rng = np.random.default_rng(4)
        all_buy = [replace(part, n_orders=np.ones(800), revenue=rng.gamma(2.0, 30.0, 800)) for part in snapshots]
        found = (
            r"'leak' is all but the revenue to be foretold: rank correlation \d\.\d+ on the training snapshots \(past orders"
        )
        with pytest.raises(LeakageError, match=found):
            gate(all_buy, leak=spend_later)

    def test_where_the_past_is_as_near_nothing_is_blamed(self, snapshots):
        """A flat fee for ever: what was paid is what will be paid."""
        fee = [replace(p, n_orders=np.ones(800), revenue=p.features["mean_order_value"].to_numpy(float)) for p in snapshots]
        assert "bill" in gate(fee, bill=lambda part, rng: part.revenue * rng.uniform(0.999, 1.001, 800)).columns


class TestDefinitions:
    def test_a_feature_in_another_unit_at_the_test_is_refused(self, snapshots):
        def leak(part, rng):
            return rng.gamma(4.0, 10.0, 800) * (100 if part.as_of == PLAN.test else 1)

        with pytest.raises(LeakageError, match=r"'leak' has a median size of .* on the test snapshot 2024-03-01"):
            gate(snapshots, leak=leak)

    def test_a_feature_that_is_gone_where_it_is_to_be_applied_is_refused(self, snapshots):
        def leak(part, rng):
            return np.full(800, np.nan) if part.as_of == TODAY else rng.normal(size=800)

        with pytest.raises(LeakageError, match=r"'leak' says something of 100% .* and of 0% on today, 2024-06-01"):
            gate(snapshots, leak=leak)

    def test_a_snapshot_without_the_column_is_refused_even_if_kept(self, snapshots):
        with pytest.raises(LeakageError, match=r"'extra' is missing from the training snapshot 2023-12-01"):
            gate(snapshots, columns=["extra"], decisions={"extra": "keep"})

    def test_a_feature_that_says_nothing_in_training_is_not_offered_and_a_note_says_so(self, snapshots):
        passed = gate(snapshots, new=lambda part, rng: rng.normal(size=800) * (part.as_of >= PLAN.test))
        assert passed.columns == HONEST
        (note,) = passed.notes
        assert note.startswith("Not offered to the boosters")
        assert "['new']" in note

    def test_a_feature_that_never_says_anything_is_left_out_in_silence(self, snapshots):
        passed = gate(snapshots, nothing=lambda *_: np.zeros(800))
        assert (passed.columns, passed.notes) == (HONEST, ())

    def test_drift_is_a_note(self, snapshots):
        def begun(part, rng):
            return np.where(rng.random(800) < (0.9 if part.as_of >= PLAN.test else 0.1), 1.0, np.nan)

        passed = gate(snapshots, begun=begun)
        assert "begun" in passed.columns
        assert "['begun']" in passed.notes[0]

    def test_snapshots_without_a_customer_to_judge_pass(self, snapshots):
        nobody = [
            replace(part, features=part.features.iloc[:0], n_orders=part.n_orders[:0], revenue=part.revenue[:0])
            for part in snapshots
        ]
        assert gate([*nobody[:2], *snapshots[2:]]).columns == HONEST
        assert gate([snapshots[0], nobody[1], nobody[2], nobody[3]]).columns == HONEST


class TestDecisions:
    def test_what_is_excluded_is_not_offered(self):
        assert without_excluded(["a", "b"], {"a": "exclude", "b": "keep"}) == ("b",)

    def test_a_name_that_is_no_feature_is_refused_with_the_nearest(self):
        with pytest.raises(
            FeatureMismatchError, match=r"train\.features names \['recency'\].*did you mean 'recency_days'\?"
        ):
            without_excluded(["recency_days", "n_orders"], {"recency": "exclude"})
        with pytest.raises(FeatureMismatchError, match=r"listed in outputs/features/catalogue\.json"):
            without_excluded(["n_orders"], {"zzz": "keep"})


class TestWindows:
    def test_a_sound_plan_passes(self):
        refuse_overlap(PLAN)

    @pytest.mark.parametrize(
        ("changes", "cause"),
        [
            (
                {"training": (date(2024, 1, 1),)},
                "training snapshot 2024-01-01 ends 2024-03-31, after the test one, 2024-03-01",
            ),
            ({"lead_days": 7}, "training snapshot 2023-12-01 ends 2024-03-07"),
            ({"test": date(2024, 5, 1)}, "test snapshot 2024-05-01 ends 2024-07-30, after the scored one, 2024-06-01"),
            ({"labelled": (date(2024, 4, 1),)}, "labelled snapshot 2024-04-01 ends 2024-06-30, after the scored one"),
            ({"horizon_days": 120}, "labelled snapshot 2024-03-01 ends 2024-06-29"),
        ],
    )
    def test_windows_that_overlap_are_refused_with_their_dates(self, changes, cause):
        with pytest.raises(LeakageError, match=f"(?s){cause}.*Run `cvm features`"):
            refuse_overlap(replace(PLAN, **changes))


@pytest.mark.slow
def test_a_hundred_features_of_a_hundred_thousand_customers_take_seconds():
    rng, n = np.random.default_rng(0), 100_000
    n_orders = rng.poisson(0.7, n).astype(float)
    features = pd.DataFrame({f"f{number}": rng.normal(size=n) for number in range(100)})
    part = Sample(PLAN.training[0], features, n_orders, n_orders * 10)
    started = time.process_time()
    pass_gate([part], part, features, columns=list(features), decisions={}, scored=TODAY)
    assert time.process_time() - started < 5
