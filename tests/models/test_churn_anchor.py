from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from cvm.errors import FeatureMismatchError
from cvm.features.churn import ChurnDefinition
from cvm.features.files import CHURN_FILE, features_file, outcome_file, read_churn_definition, renewals_file
from cvm.models.btyd import BTYD_COLUMNS, Sbg
from cvm.models.churn import BaseRate, SbgChurn, anchor_alone, baseline_from_state
from cvm.models.churn_anchor import ANCHOR, ChurnAnchor, LogitLine, anchor_p_churn
from cvm.models.churn_level import at_level, learn_level
from cvm.models.retention import Retention
from cvm.models.samples import SnapshotReader, is_judged_for_churn
from cvm.models.training import Recipe, fit_churn_models, fit_winners, judge
from simulated import TRUTH, sample, silent

AS_OF = date(2024, 3, 1)
CONTRACT = ChurnDefinition("subscription")
SILENCE = ChurnDefinition("inactivity", inactivity_days=20)
RETENTION = Retention(Sbg(0.7, 3.8), 1000, 500)
WINDOW = {"btyd": TRUTH, "horizon_days": 90, "lead_days": 0, "as_of": AS_OF}

EVERYONE = pd.DataFrame(
    {
        "as_of": str(AS_OF),
        "customer_id": ["ex-holder", "holder", "holder without order", "prospect"],
        "n_orders": [5.0, 3.0, 0.0, 0.0],
        "recency_days": [10.0, 200.0, np.nan, np.nan],
        "tenure_days": [100.0, 300.0, np.nan, np.nan],
        "mean_order_value": [20.0, 30.0, np.nan, np.nan],
        "n_subscriptions": [0.0, 2.0, 1.0, 0.0],
        "subscription_tenure_days": [np.nan, 60.0, 0.0, np.nan],
    }
)
KNOWN = pd.concat([EVERYONE, TRUTH.predict(EVERYONE, horizon_days=90)], axis=1)


class TestAnchor:
    def test_no_order_is_btyds_own(self):
        assert ChurnAnchor().with_anchor(KNOWN, **WINDOW) is KNOWN
        np.testing.assert_array_equal(anchor_p_churn(KNOWN), KNOWN["btyd_p_no_order"])

    def test_inactivity_asks_btyd_for_the_silence_and_puts_it_at_its_level(self):
        level = LogitLine(intercept=-0.4, slope=0.5)
        found = ChurnAnchor(SILENCE, level=level).with_anchor(KNOWN, **WINDOW)[ANCHOR][:2]
        silence = TRUTH.predict(EVERYONE, horizon_days=20)["btyd_p_no_order"][:2]
        np.testing.assert_allclose(found, expit(-0.4 + 0.5 * logit(silence)))

    def test_holders_get_the_retention_curve_and_others_btyd(self):
        found = ChurnAnchor(CONTRACT, RETENTION).with_anchor(KNOWN, **WINDOW)[ANCHOR].to_numpy()
        assert found[0] == KNOWN["btyd_p_no_order"][0]
        np.testing.assert_allclose(found[1:3], RETENTION.p_end_within(90, tenure_days=np.array([60.0, 0.0])))
        assert np.isnan(found[3])

    def test_the_lead_is_part_of_the_time_to_leave_in(self):
        window = {**WINDOW, "lead_days": 30}
        found = ChurnAnchor(CONTRACT, RETENTION).with_anchor(KNOWN, **window)[ANCHOR].to_numpy()
        np.testing.assert_allclose(found[2], RETENTION.p_end_within(120, tenure_days=np.zeros(1)))

    def test_a_holder_of_unknown_age_is_refused(self):
        known = KNOWN.assign(subscription_tenure_days=[np.nan, np.nan, -1.0, np.nan])
        with pytest.raises(FeatureMismatchError, match="2 of 4 rows have n_subscriptions > 0 and no subscription_tenure"):
            ChurnAnchor(CONTRACT, RETENTION).with_anchor(known, **WINDOW)

    @pytest.mark.parametrize(
        "anchor", [ChurnAnchor(), ChurnAnchor(CONTRACT, RETENTION), ChurnAnchor(SILENCE, level=LogitLine(-0.4, 0.5))]
    )
    def test_it_survives_json(self, anchor):
        assert ChurnAnchor.from_state(json.loads(json.dumps(anchor.state()))) == anchor

    def test_who_is_judged_depends_on_the_definition(self):
        assert is_judged_for_churn(EVERYONE, CONTRACT, 30).tolist() == [False, True, True, False]
        assert is_judged_for_churn(EVERYONE, SILENCE, 30).tolist() == [True, False, False, False]


class TestReader:
    @pytest.fixture
    def folder(self, tmp_path):
        features_file(tmp_path, AS_OF).parent.mkdir()
        EVERYONE.to_parquet(features_file(tmp_path, AS_OF), index=False)
        outcome = pd.DataFrame(
            {
                "customer_id": ["ex-holder", "holder", "holder without order"],
                "n_orders": [2, 1, 0],
                "revenue": [50.0, 9.0, 0.0],
                "stayed": [False, False, True],
            }
        )
        outcome.to_parquet(outcome_file(tmp_path, AS_OF, 90), index=False)
        spells = pd.DataFrame({"periods": [1.0, 4.0], "churned": [1.0, 0.0], "n_spells": [100, 100]})
        spells.to_parquet(renewals_file(tmp_path, AS_OF), index=False)
        return tmp_path

    def read(self, folder, definition):
        reader = SnapshotReader(folder, lambda *_, **__: TRUTH, 0, None, definition=definition)
        return reader.sample(AS_OF, 90)

    def test_churn_of_contracts_is_asked_of_holders_and_value_of_buyers(self, folder):
        found = self.read(folder, CONTRACT)
        assert found.features["customer_id"].tolist() == ["ex-holder", "holder"]
        assert found.revenue.tolist() == [50.0, 9.0]
        assert found.of_churn.features["customer_id"].tolist() == ["holder", "holder without order"]
        assert found.of_churn.churned.tolist() == [1.0, 0.0]
        assert found.of_churn.features[list(BTYD_COLUMNS)].isna().all(axis=1).tolist() == [False, True]
        assert found.of_churn.features[ANCHOR].between(0, 1).all()

    def test_inactivity_is_asked_of_buyers(self, folder):
        found = self.read(folder, SILENCE)
        assert found.of_churn is found
        assert found.churned.tolist() == [1.0, 1.0]
        assert found.features[ANCHOR].between(0, 1).all()

    def test_no_order_knows_nothing_of_contracts(self, folder):
        found = self.read(folder, ChurnDefinition())
        assert found.of_churn is found
        assert found.churned.tolist() == [0.0, 0.0]
        assert ANCHOR not in found.features

    def test_without_spells_there_is_no_retention(self, folder):
        renewals_file(folder, AS_OF).unlink()
        assert SnapshotReader(folder, lambda *_, **__: TRUTH, 0, None).retention(AS_OF) is None

    def test_a_folder_without_a_word_on_churn_means_orders(self, folder):
        assert read_churn_definition(folder) == ChurnDefinition()
        (folder / CHURN_FILE).write_text(json.dumps(CONTRACT.state()))
        assert read_churn_definition(folder) == CONTRACT


def silenced(seed, *, intercept=-0.5, slope=0.6, n_customers=3000):
    """A sample under inactivity: activity keeps people whom orders alone would give up."""
    given = sample(n_customers=n_customers, seed=seed)
    features = ChurnAnchor(SILENCE).with_anchor(given.features, **WINDOW)
    p = expit(intercept + slope * logit(features[ANCHOR].to_numpy()))
    stayed = (np.random.default_rng(seed).random(n_customers) >= p).astype(float)
    return replace(given, features=features, stayed=stayed)


class TestLevel:
    def test_contracts_are_put_at_the_level_of_their_holders(self):
        found = at_level(given := contracts(7), learn_level([given]))
        assert anchor_p_churn(found.of_churn.features).mean() == pytest.approx(given.of_churn.churned.mean(), abs=1e-4)
        assert found.features is given.features

    def test_an_anchor_that_tells_nothing_becomes_the_rate(self):
        given = silenced(5, slope=-0.5)
        p = anchor_p_churn(at_level(given, learn_level([given])).features)
        np.testing.assert_allclose(p, given.churned.mean())

    def test_the_line_through_the_logits_is_recovered(self):
        level = learn_level([silenced(1), silenced(2)])
        assert (level.intercept, level.slope) == (pytest.approx(-0.5, abs=0.15), pytest.approx(0.6, abs=0.08))

    def test_at_its_level_the_anchor_is_right_on_average(self):
        taught = silenced(3)
        found = at_level(taught, learn_level([taught]))
        assert anchor_p_churn(found.features).mean() == pytest.approx(taught.churned.mean(), abs=1e-4)

    @pytest.mark.parametrize("stayed", [0.0, 1.0])
    def test_a_label_that_always_or_never_happens_shifts_and_stays_finite(self, stayed):
        given = silenced(4, n_customers=200)
        given = replace(given, stayed=np.full(200, stayed))
        p = anchor_p_churn(at_level(given, learn_level([given])).features)
        assert p.mean() == pytest.approx((200 * (1 - stayed) + 0.5) / 201, abs=1e-3)
        assert ((p > 0) & (p < 1)).all()

    def test_nothing_teaches_nothing(self):
        assert learn_level([]) == LogitLine()
        np.testing.assert_allclose(LogitLine().apply(np.array([0.2, 0.9])), [0.2, 0.9])


def contracts(seed, *, n_customers=1500, p=None):
    """A sample under the end of subscriptions, of which half of the base holds one."""
    rng = np.random.default_rng(seed)
    given = sample(n_customers=n_customers, seed=seed)
    holders = given.features[: n_customers // 2].assign(
        n_subscriptions=1.0, subscription_tenure_days=rng.uniform(1, 900, n_customers // 2)
    )
    holders = ChurnAnchor(CONTRACT, RETENTION).with_anchor(holders, **WINDOW)
    ends = rng.random(len(holders)) < (holders[ANCHOR] if p is None else p)
    half = slice(0, n_customers // 2)
    part = replace(
        given,
        features=holders,
        n_orders=given.n_orders[half],
        revenue=given.revenue[half],
        stayed=1.0 - ends.to_numpy(float) if p is None else np.full(len(holders), 1.0 - p),
    )
    return replace(given, holders=part)


RECIPE = Recipe(("recency_days", "noise"), 1, 90, CONTRACT, {"num_threads": 1}, {"num_threads": 1})


class TestCandidates:
    def test_contracts_are_judged_against_base_rate_and_retention(self):
        judged = judge([contracts(1), contracts(2)], contracts(3), RECIPE, progress=silent)
        assert set(judged.judgement.churn) == {"recency rule", "base rate", "sBG", "blended LightGBM"}
        metrics = judged.judgement.churn
        assert metrics["sBG"]["brier"] < metrics["base rate"]["brier"]
        assert metrics["sBG"]["calibration_error"] < 0.05
        churn, _ = fit_winners(
            [contracts(4)], contracts(5).ahead, RECIPE, churn=judged.winners[0], value=judged.winners[1], progress=silent
        )
        assert churn.name == judged.judgement.churn_winner

    @pytest.mark.parametrize("p", [0.0, 1.0])
    def test_a_label_that_always_or_never_happens_gives_finite_probabilities(self, p):
        judged = judge([contracts(1, p=p)], contracts(3, p=p), RECIPE, progress=silent)
        assert "blended LightGBM" not in judged.judgement.churn
        assert all(np.isfinite(found).all() for found in judged.p_churn.values())
        assert judged.judgement.churn_winner in {"recency rule", "base rate"}

    def test_snapshots_without_a_holder_leave_the_retention_curve(self):
        empty = contracts(1)
        empty = replace(
            empty,
            holders=replace(
                empty.holders,
                features=empty.holders.features.head(0),
                n_orders=np.empty(0),
                revenue=np.empty(0),
                stayed=np.empty(0),
            ),
        )
        assert [model.name for model in fit_churn_models([empty], empty.ahead, RECIPE, progress=silent)] == ["sBG"]

    def test_inactivity_competes_without_the_churn_factor(self):
        recipe = replace(RECIPE, definition=SILENCE)
        names = [model.name for model in fit_churn_models([silenced(1)], silenced(2).ahead, recipe, progress=silent)]
        assert names == ["recency rule", "base rate", "BTYD", "blended LightGBM"]

    def test_baselines_survive_json(self):
        for model in (SbgChurn(), BaseRate.fit([contracts(1).of_churn])):
            assert baseline_from_state(model.name, json.loads(json.dumps(model.state()))) == model

    def test_a_base_rate_is_never_certain(self):
        assert BaseRate.fit([contracts(1, p=0.0).of_churn]).rate == pytest.approx(0.5 / 751)
        assert BaseRate(0.3).p_churn(EVERYONE).tolist() == [0.3] * 4

    def test_the_anchor_alone_bears_its_own_name(self):
        assert anchor_alone(CONTRACT).name == "sBG"
        assert anchor_alone(SILENCE).name == anchor_alone(ChurnDefinition()).name == "BTYD"
