from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from cvm.models.anchor_attribution import Outlook
from cvm.models.attribution import Contributions, Reference, attribute_churn, by_theme, churn_drivers
from cvm.models.btyd import BTYD_COLUMNS
from cvm.models.churn import CHURN_BASELINES, BtydChurn, ChurnFactorRule, ChurnModel, LogisticBaseline, RecencyRule
from cvm.models.churn_blend import BlendedChurn, fit_blended_churn
from cvm.models.samples import Sample
from simulated import TRUTH, sample

ONE_THREAD = {"num_threads": 1}
OUTLOOK = Outlook(TRUTH, 90)
COLUMNS = [
    "n_orders",
    "recency_days",
    "tenure_days",
    "mean_order_value",
    "recency_over_mean_gap",
    "noise",
    "colour",
    "btyd_p_alive",
    "btyd_p_no_order",
    "btyd_expected_orders",
    "btyd_expected_order_value",
]


def with_outcome(part: Sample, p_churn: np.ndarray, *, seed: int) -> Sample:
    stays = np.random.default_rng(seed).random(len(p_churn)) >= p_churn
    return replace(part, n_orders=stays.astype(float))


def by_recency(part: Sample, *, seed: int = 9) -> Sample:
    """Nothing but recency decides who churns."""
    return with_outcome(part, expit((part.features["recency_days"].to_numpy() - 60) / 10), seed=seed)


def by_colour(part: Sample, *, seed: int = 9) -> Sample:
    """Whoever is red leaves."""
    return with_outcome(part, np.where(part.features["colour"] == "red", 0.9, 0.2), seed=seed)


SAMPLES = [sample(n_customers=1500, seed=1)]
ASKED = sample(n_customers=1200, seed=2).features


def reference(model: ChurnModel) -> Reference:
    return Reference.fit(SAMPLES[0].features.drop(columns=list(BTYD_COLUMNS)), OUTLOOK, model)


def attributed(model: ChurnModel, asked: pd.DataFrame = ASKED) -> Contributions:
    return attribute_churn(model, asked, OUTLOOK, reference(model))


def drivers_of(model: ChurnModel, asked: pd.DataFrame = ASKED) -> dict[str, float]:
    return churn_drivers(model, asked, OUTLOOK, reference(model))


def boosted(samples: list[Sample]) -> BlendedChurn:
    return fit_blended_churn(samples, samples[0].ahead, columns=COLUMNS, settings=ONE_THREAD, seed=1)


@pytest.fixture(scope="module")
def models() -> dict[str, ChurnModel]:
    return {
        "blended": boosted([by_colour(SAMPLES[0])]),
        "BTYD": BtydChurn(),
        **{name: rule.fit(SAMPLES) for name, rule in CHURN_BASELINES.items()},
    }


@pytest.mark.parametrize("name", ["blended", "BTYD", *CHURN_BASELINES])
@pytest.mark.parametrize("n_customers", [1, 300, 1200])
def test_contributions_add_up_to_the_logit_of_every_model(models, name: str, n_customers: int) -> None:
    asked = ASKED.head(n_customers)
    found = attributed(models[name], asked)
    assert found.added.shape == (n_customers, len(found.fields))
    assert len(set(found.fields)) == len(found.fields)
    total = found.reference + found.added.sum(axis=1)
    p = models[name].p_churn(asked)
    inner = (p > 1e-6) & (p < 1 - 1e-6)  # beyond, BTYD's logit is kept finite
    np.testing.assert_allclose(total[inner], logit(p[inner]), rtol=0, atol=1e-9)
    themes, added = by_theme(found)
    assert len(set(themes)) == len(themes)
    np.testing.assert_allclose(found.reference + added.sum(axis=1), total, rtol=0, atol=1e-9)


def test_few_and_many_customers_are_attributed_alike(models) -> None:
    many = attributed(models["blended"], ASKED)
    few = attributed(models["blended"], ASKED.tail(50))
    assert few.fields == many.fields
    assert few.reference == pytest.approx(many.reference, abs=1e-12)
    np.testing.assert_allclose(few.added, many.added[-50:], rtol=0, atol=1e-12)


def test_the_order_of_customers_is_irrelevant(models) -> None:
    shuffled = ASKED.sample(frac=1, random_state=1)
    for model in models.values():
        expected = attributed(model, ASKED).added[shuffled.index]
        found = attributed(model, shuffled.reset_index(drop=True)).added
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_what_btyd_knows_is_told_of_the_history_and_not_of_btyd(models) -> None:
    found = attributed(models["blended"], ASKED)
    assert any(name.startswith("btyd_") for name in models["blended"].free.encoder.columns)
    assert not any(name.startswith("btyd_") for name in found.fields)


def test_where_recency_alone_drives_churn_it_is_the_strongest_theme() -> None:
    model = boosted([by_recency(sample(n_customers=1500, seed=seed)) for seed in (1, 3)])
    drivers = drivers_of(model, ASKED)
    assert next(iter(drivers)) == "recent orders"
    themes, added = by_theme(attributed(model, ASKED))
    silent = (ASKED["recency_days"] > 120).to_numpy()
    strongest = np.abs(added[silent]).argmax(axis=1)
    recent = themes.index("recent orders")
    assert (strongest == recent).mean() > 0.95
    assert (added[silent, recent] > 0).all()


def test_a_category_that_drives_churn_is_named(models) -> None:
    assert next(iter(drivers_of(models["blended"]))) == "colour"


def test_drivers_come_largest_first_and_without_those_that_drive_nothing() -> None:
    drivers = drivers_of(RecencyRule(-1.0, 0.5, 0.3), ASKED)
    assert list(drivers) == ["recent orders"]
    sizes = list(drivers_of(BtydChurn(), ASKED).values())
    assert sizes == sorted(sizes, reverse=True)
    assert drivers_of(BtydChurn(), ASKED.head(0)) == {}


class TestReference:
    def test_it_comes_back_from_json(self, models) -> None:
        frozen = reference(models["blended"])
        assert Reference.from_state(json.loads(json.dumps(frozen.state(), allow_nan=False))) == frozen

    def test_trees_and_rhythm_of_customers_on_time_are_zero_on_average(self, models) -> None:
        base = SAMPLES[0].features
        late = reference(models["BTYD"]).usual.lateness(base, OUTLOOK)
        on_time = base[(late >= 0.5) & (late <= 2)].reset_index(drop=True)
        assert len(on_time) > 100
        for name in ("blended", "BTYD"):
            found = attributed(models[name], on_time)
            means = dict(zip(found.fields, found.added.mean(axis=0), strict=True))
            silence = means.pop("recency_days")
            assert all(abs(mean) < 0.1 for mean in means.values()), means
            assert abs(silence) < 0.3

    def test_typical_is_the_median_of_customers_on_time(self, models) -> None:
        prospects = pd.DataFrame({"customer_id": ["p1", "p2"], "n_orders": 0.0})
        base = pd.concat([SAMPLES[0].features.drop(columns=list(BTYD_COLUMNS)).assign(empty=np.nan), prospects])
        typical = Reference.fit(base, OUTLOOK, BtydChurn()).typical
        assert typical == reference(models["BTYD"]).typical
        assert not {"customer_id", "empty", "colour"} & set(typical)
        assert typical["recency_days"] < SAMPLES[0].features["recency_days"].median()

    def test_the_order_of_the_base_is_irrelevant(self, models) -> None:
        base = SAMPLES[0].features.drop(columns=list(BTYD_COLUMNS))
        one, other = (Reference.fit(b, OUTLOOK, models["blended"]) for b in (base, base.sample(frac=1, random_state=3)))
        assert one.typical == other.typical
        assert one.trees
        assert other.trees == pytest.approx(one.trees, abs=1e-12)

    def test_where_nobody_is_on_time_those_nearest_to_it_are_compared_with(self) -> None:
        base = pd.DataFrame({"n_orders": 2.0, "recency_days": 500.0 + np.arange(100), "mean_order_value": 40.0})
        base["tenure_days"] = base["recency_days"] + 10
        assert Reference.fit(base, OUTLOOK, BtydChurn()).typical["recency_days"] == 502


class TestRules:
    def test_recency_is_compared_with_that_of_customers_on_time(self) -> None:
        model = RecencyRule(-1.0, 0.5, 0.3)
        by_score = attributed(model, ASKED.head(2).assign(recency_days=[1.0, 500.0])).added[:, 0]
        assert by_score[0] < 0 < by_score[1]

    def test_who_has_no_churn_factor_is_told_of_the_single_order(self) -> None:
        model = ChurnFactorRule(-1.0, 0.5, 0.9)
        once = ASKED[ASKED["n_orders"] == 1].head(2)
        found = attributed(model, once)
        assert found.fields == ("recency_over_mean_gap", "n_orders")
        assert (found.added[:, 1] > 10 * np.abs(found.added[:, 0])).all()

    def test_a_rule_on_any_feature_is_compared_with_that_of_customers_on_time(self) -> None:
        class SpendRule(LogisticBaseline):
            name = "spend rule"
            score = "mean_order_value"

        model = SpendRule.fit(SAMPLES)
        found = attributed(model)
        typical = reference(model).typical["mean_order_value"]
        assert expit(found.reference) == pytest.approx(model.p_churn(pd.DataFrame({"mean_order_value": [typical]}))[0])
        np.testing.assert_allclose(found.reference + found.added.sum(axis=1), logit(model.p_churn(ASKED)), atol=1e-9)

    def test_where_nobody_on_time_has_a_score_reasons_start_from_the_rate_without_one(self) -> None:
        base = reference(BtydChurn())
        without = replace(base, typical={})
        found = attribute_churn(ChurnFactorRule(-1.0, 0.5, 0.9), ASKED, OUTLOOK, without)
        assert found.reference == pytest.approx(logit(0.9))

    def test_a_rate_of_certainty_stays_finite(self) -> None:
        model = ChurnFactorRule(-1.0, 0.5, 1.0)
        assert np.isfinite(attributed(model, ASKED).added).all()


def test_a_model_whose_reasons_nobody_wrote_is_refused() -> None:
    class Stranger:
        name = "stranger"

    with pytest.raises(TypeError, match=r"not known what drives 'stranger': .* cvm\.models\.attribution\.attribute_churn"):
        attribute_churn(Stranger(), ASKED, OUTLOOK, reference(BtydChurn()))


def test_fields_of_one_theme_are_added() -> None:
    added = np.array([[1.0, 2.0, 4.0], [0.5, -0.5, 3.0]])
    themes, totals = by_theme(Contributions(0.0, ("recency_days", "n_orders_30d", "colour"), added))
    assert themes == ["recent orders", "colour"]
    assert totals.tolist() == [[3.0, 4.0], [0.0, 3.0]]
