from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cvm.errors import BundleError, FeatureMismatchError, SourceError
from cvm.models.btyd import Btyd
from cvm.models.btyd.clv import clv_per_horizon_revenue
from cvm.models.btyd.spend import ConstantSpend
from cvm.models.churn import RecencyRule
from cvm.models.clv import NaiveRate
from cvm.models.samples import ProspectRate
from cvm.scoring.schema import SCORE_COLUMNS, SCORE_SCHEMA
from cvm.scoring.score import parse_as_of, score, score_table
from cvm.segments import LIFECYCLE_STAGES, RFM_SEGMENTS, SEGMENTS, VALUE_TIERS
from simulated import TRUTH, bundle

AS_OF = date(2024, 6, 1)

REASON = pa.struct(
    [("feature", pa.string()), ("value", pa.float64()), ("direction", pa.string()), ("sentence", pa.string())]
)
# DESIGN.md, section 4, in its order.
DESIGNED = {
    "customer_id": pa.string(),
    "horizon_days": pa.int64(),
    "clv_days": pa.int64(),
    "currency": pa.string(),
    "model_version": pa.string(),
    "sufficient_data": pa.bool_(),
    "p_churn": pa.float64(),
    "p_alive": pa.float64(),
    "expected_orders": pa.float64(),
    "expected_order_value": pa.float64(),
    "clv": pa.float64(),
    "clv_lower": pa.float64(),
    "clv_upper": pa.float64(),
    "historic_value": pa.float64(),
    "expected_next_order_date": pa.date32(),
    "value_percentile": pa.float64(),
    "value_tier": pa.string(),
    "loss_making": pa.bool_(),
    "growth_potential": pa.float64(),
    "lifecycle_stage": pa.string(),
    "rfm_recency": pa.int64(),
    "rfm_frequency": pa.int64(),
    "rfm_monetary": pa.int64(),
    "rfm_segment": pa.string(),
    "segment": pa.string(),
    "previous_segment": pa.string(),
    "reasons": pa.list_(REASON),
    "next_best_action": pa.string(),
    "expected_uplift": pa.float64(),
    "expected_net_value": pa.float64(),
}


def buyer(customer_id="buyer", **values):
    """Six orders in 300 days, the last a fortnight ago."""
    return {
        "customer_id": customer_id,
        "n_orders": 6.0,
        "recency_days": 14.0,
        "tenure_days": 300.0,
        "mean_order_value": 40.0,
        "spend": 240.0,
        "historic_value": 96.0,
        "last_gap_days": 50.0,
        "recency_over_mean_gap": 14 / 57.2,
        "noise": 0.3,
        "colour": "red",
        **values,
    }


def prospect(customer_id="prospect", **values):
    unknown = dict.fromkeys(
        ("recency_days", "tenure_days", "mean_order_value", "last_gap_days", "recency_over_mean_gap", "noise")
    )
    known = {"customer_id": customer_id, "n_orders": 0.0, "spend": 0.0, "historic_value": 0.0, "colour": None}
    return {**known, **dict.fromkeys(unknown, np.nan), **values}


def frame(*rows):
    return pd.DataFrame(list(rows))


def rows(scores):
    return {row["customer_id"]: row for row in scores.to_pylist()}


def scored(*customers, model=None, as_of=AS_OF):
    return rows(score_table(model or bundle(), frame(*customers), as_of=as_of))


class TestShape:
    def test_columns_and_types_are_those_of_the_design(self, trained):
        assert {column.name: column.kind for column in SCORE_COLUMNS} == DESIGNED
        assert [column.name for column in SCORE_COLUMNS] == list(DESIGNED)
        for scores in (
            score_table(trained.bundle, trained.features, as_of=AS_OF),
            score_table(bundle(), frame(prospect()), as_of=AS_OF),
        ):
            assert scores.schema.equals(pa.schema(list(DESIGNED.items())))
            assert scores.schema.equals(SCORE_SCHEMA)

    def test_every_customer_has_one_row_in_the_order_given(self, trained):
        shuffled = trained.features.sample(frac=1, random_state=1)
        scores = score_table(trained.bundle, shuffled, as_of=trained.as_of)
        assert scores["customer_id"].to_pylist() == shuffled["customer_id"].tolist()

    def test_a_customers_score_depends_on_nobody_else(self, trained):
        together = score_table(trained.bundle, trained.features, as_of=trained.as_of).to_pylist()
        for position in (0, 150, 339):
            (alone,) = score_table(trained.bundle, trained.features.iloc[[position]], as_of=trained.as_of).to_pylist()
            for name, value in alone.items():
                expected = together[position][name]
                assert value == (pytest.approx(expected, rel=1e-9) if isinstance(expected, float) else expected), name

    def test_scoring_twice_gives_the_same(self, trained):
        first, second = (score_table(trained.bundle, trained.features, as_of=trained.as_of) for _ in range(2))
        assert first.equals(second)

    def test_the_features_given_are_left_as_they_were(self, trained):
        before = trained.features.copy(deep=True)
        score_table(trained.bundle, trained.features, as_of=trained.as_of)
        pd.testing.assert_frame_equal(trained.features, before)

    def test_nobody_to_score_gives_no_row(self, trained):
        scores = score_table(trained.bundle, trained.features.head(0), as_of=trained.as_of)
        assert scores.num_rows == 0
        assert scores.schema.equals(SCORE_SCHEMA)

    def test_the_index_of_the_features_is_irrelevant(self):
        customers = frame(buyer("a"), prospect("b"), buyer("c", n_orders=1.0))
        expected = score_table(bundle(), customers, as_of=AS_OF)
        for index in ([7, 7, 7], ["x", "y", "z"], [2, 1, 0]):
            assert score_table(bundle(), customers.set_axis(index), as_of=AS_OF).equals(expected)


@pytest.fixture(scope="module")
def scores(trained):
    return score_table(trained.bundle, trained.features, as_of=trained.as_of).to_pandas(date_as_object=True)


@pytest.fixture(scope="module")
def is_buyer(trained):
    return trained.features["n_orders"].to_numpy() > 0


class TestValues:
    def test_probabilities_lie_between_0_and_1_and_are_null_for_prospects(self, scores, is_buyer):
        assert 0 < (~is_buyer).sum() < len(scores)
        for name in ("p_churn", "p_alive"):
            assert scores[name][is_buyer].between(0, 1).all()
            assert scores[name][~is_buyer].isna().all()

    def test_money_is_finite_and_not_negative_for_everybody(self, scores):
        for name in ("expected_orders", "expected_order_value", "clv"):
            assert np.isfinite(scores[name]).all()
            assert (scores[name] >= 0).all()

    def test_orders_times_their_value_are_the_judged_models_revenue(self, trained, scores, is_buyer):
        buyers = trained.features[is_buyer]
        btyd = trained.bundle.btyd.predict(buyers, horizon_days=90, as_of=trained.as_of)
        expected = pd.concat([buyers, btyd], axis=1)
        revenue = trained.bundle.value.expected_revenue(expected)
        product = (scores["expected_orders"] * scores["expected_order_value"])[is_buyer]
        np.testing.assert_allclose(product, revenue, rtol=1e-9)
        np.testing.assert_allclose(scores["p_churn"][is_buyer], trained.bundle.churn.p_churn(expected), rtol=1e-9)

    def test_what_this_version_cannot_know_is_null(self, scores):
        unknown = ["next_best_action", "expected_uplift", "expected_net_value"]
        assert scores[[*unknown, "previous_segment"]].isna().all().all()

    def test_names_are_of_their_lists(self, scores, is_buyer):
        assert set(scores["value_tier"]) == set(VALUE_TIERS)
        assert set(scores["lifecycle_stage"]) <= set(LIFECYCLE_STAGES)
        assert set(scores["segment"]) <= set(SEGMENTS)
        assert set(scores["rfm_segment"][is_buyer]) <= set(RFM_SEGMENTS)
        for name in ("rfm_recency", "rfm_frequency", "rfm_monetary"):
            assert scores[name][is_buyer].between(1, 5).all()

    def test_cut_points_frozen_in_training_hold_for_the_base_they_were_frozen_on(self, scores):
        shares = scores["value_tier"].value_counts(normalize=True)
        assert shares["top"] == pytest.approx(0.05, abs=0.01)
        assert shares["high"] == pytest.approx(0.15, abs=0.01)
        assert scores["value_percentile"].between(0, 100).all()
        assert scores["clv"][scores["value_percentile"] == 100].tolist() == [scores["clv"].max()]

    def test_the_bundle_is_named(self, trained, scores):
        assert set(scores["model_version"]) == {trained.bundle.model_version}
        assert set(scores["currency"]) == {"UAH"}
        assert set(scores["horizon_days"]) == {90}
        assert set(scores["clv_days"]) == {180}


class TestMoney:
    def test_clv_is_margin_of_the_horizon_extended_and_discounted(self):
        model = bundle()
        customers = frame(buyer())
        ratio = clv_per_horizon_revenue(
            TRUTH, customers, horizon_days=90, lead_days=0, clv_days=365, discount_rate_per_year=0.1
        )
        row = scored(buyer(), model=model)["buyer"]
        assert row["clv"] == pytest.approx(0.4 * row["expected_orders"] * row["expected_order_value"] * ratio[0])

    def test_over_the_horizon_undiscounted_clv_is_the_margin_of_expected_orders(self):
        row = scored(buyer(), model=bundle(clv_days=90, discount_rate_per_year=0.0))["buyer"]
        assert row["clv"] == pytest.approx(0.4 * row["expected_orders"] * row["expected_order_value"])

    def test_the_value_model_decides_the_revenue_and_btyd_the_order_value(self):
        row = scored(buyer(), model=bundle(value=NaiveRate(90)))["buyer"]
        assert row["expected_orders"] * row["expected_order_value"] == pytest.approx(6 / 300 * 90 * 40)
        assert row["expected_order_value"] == scored(buyer())["buyer"]["expected_order_value"]

    def test_a_price_that_never_varies_is_the_order_value(self):
        row = scored(buyer(), model=bundle(btyd=Btyd(TRUTH.process, ConstantSpend(9.99))))["buyer"]
        assert row["expected_order_value"] == 9.99

    def test_prospects_get_the_rate_of_prospects_and_no_churn(self):
        row = scored(prospect())["prospect"]
        assert row["p_churn"] is None
        assert row["p_alive"] is None
        assert (row["expected_orders"], row["expected_order_value"]) == (0.1, 30.0)
        # A year of equal months, each discounted at its middle.
        middles = (np.arange(12) + 0.5) / 12
        assert row["clv"] == pytest.approx(0.4 * 0.1 * 30 * 365 / 90 * np.mean(1.1**-middles))
        assert row["sufficient_data"] is False
        assert row["expected_next_order_date"] is None
        assert (row["lifecycle_stage"], row["segment"]) == ("prospect", "prospect")
        assert [row[name] for name in ("rfm_recency", "rfm_frequency", "rfm_monetary", "rfm_segment")] == [None] * 4

    def test_prospects_of_a_business_that_never_saw_one_are_worth_nothing(self):
        row = scored(prospect(), model=bundle(prospects=ProspectRate(0, 0.0, 0.0)))["prospect"]
        assert row["clv"] == 0.0

    def test_customers_beyond_eligible_days_are_left_to_btyd(self):
        judged = {"churn": RecencyRule(0.0, 0.0, 0.5), "value": NaiveRate(90)}
        near, far = buyer("near", recency_days=100.0), buyer("far", recency_days=101.0)
        limited = scored(near, far, model=bundle(**judged, eligible_days=100))
        unlimited, btyd = scored(near, far, model=bundle(**judged)), scored(near, far)
        assert limited["near"]["sufficient_data"] is True
        assert limited["far"]["sufficient_data"] is False
        for name in ("p_churn", "expected_orders", "expected_order_value", "clv"):
            assert limited["near"][name] == unlimited["near"][name]
            assert limited["far"][name] == btyd["far"][name]
        assert limited["far"]["p_churn"] != unlimited["far"]["p_churn"]

    def test_nobody_eligible_leaves_all_to_btyd(self):
        limited = scored(buyer(), model=bundle(value=NaiveRate(90), eligible_days=1))
        assert limited["buyer"]["clv"] == scored(buyer())["buyer"]["clv"]

    def test_the_next_order_is_dated_at_the_median_wait(self):
        wait = TRUTH.median_wait_days(frame(buyer()))[0]
        row = scored(buyer())["buyer"]
        assert row["expected_next_order_date"] == AS_OF + timedelta(days=int(wait))

    def test_the_next_order_has_no_date_where_none_within_clv_days_is_likelier(self):
        wait = TRUTH.median_wait_days(frame(buyer()))[0]
        short = {"horizon_days": 30, "clv_days": int(wait)}
        assert scored(buyer(), model=bundle(**short))["buyer"]["expected_next_order_date"] is None
        long_gone = buyer(recency_days=250.0)
        assert scored(long_gone)["buyer"]["expected_next_order_date"] is None

    def test_growth_is_expected_margin_per_year_less_margin_per_year_so_far(self):
        row = scored(buyer(tenure_days=730.0, historic_value=200.0))["buyer"]
        expected = 0.4 * row["expected_orders"] * row["expected_order_value"] * 365 / 90
        assert row["growth_potential"] == pytest.approx(expected - 100.0)

    def test_a_short_past_is_not_blown_up_to_a_year(self):
        row = scored(buyer(tenure_days=30.0, historic_value=96.0))["buyer"]
        expected = 0.4 * row["expected_orders"] * row["expected_order_value"] * 365 / 90
        assert row["growth_potential"] == pytest.approx(expected - 96.0)

    def test_a_margin_below_zero_so_far_is_flagged(self):
        found = scored(
            buyer("loss", historic_value=-0.01), buyer("even", historic_value=0.0), buyer("null", historic_value=None)
        )
        assert {name: row["loss_making"] for name, row in found.items()} == {"loss": True, "even": False, "null": False}
        assert found["null"]["historic_value"] == 0.0

    @pytest.mark.parametrize("n_orders", [1.0, 2.0, 5000.0])
    @pytest.mark.parametrize("recency_days", [0.0, 1.0, 10_000.0, 20_000.0])
    def test_the_oddest_histories_give_finite_money(self, n_orders, recency_days):
        row = scored(buyer(n_orders=n_orders, recency_days=recency_days, tenure_days=20_000.0, mean_order_value=0.0))[
            "buyer"
        ]
        for name in ("p_churn", "p_alive", "expected_orders", "expected_order_value", "clv", "growth_potential"):
            assert np.isfinite(row[name])
        assert row["clv"] >= 0


def test_the_previous_segment_is_passed_on():
    found = scored(*(buyer(name, previous_segment=segment) for name, segment in (("a", "vip"), ("b", None), ("c", np.nan))))
    assert {name: row["previous_segment"] for name, row in found.items()} == {"a": "vip", "b": None, "c": None}


class TestChecks:
    def refused(self, features, match):
        with pytest.raises(FeatureMismatchError, match=match):
            score_table(bundle(), features, as_of=AS_OF)

    def test_optional_features_may_be_missing(self, trained):
        optional = [feature.name for feature in trained.bundle.features if not feature.required]
        assert len(optional) > 30
        # BTYD needs none of them; the trees take them for unknown.
        scores = score_table(trained.bundle, trained.features.drop(columns=optional), as_of=trained.as_of)
        assert pc.all(pc.is_finite(scores["clv"])).as_py()
        assert pc.all(pc.is_finite(pc.drop_null(scores["p_churn"]))).as_py()

    def test_optional_features_may_be_null(self, trained):
        optional = [feature.name for feature in trained.bundle.features if not feature.required]
        nothing = trained.features.assign(**dict.fromkeys(optional, pd.Series([None] * len(trained.features), dtype=object)))
        expected = score_table(trained.bundle, trained.features.drop(columns=optional), as_of=trained.as_of)
        assert score_table(trained.bundle, nothing, as_of=trained.as_of).equals(expected)

    def test_further_columns_are_ignored(self):
        expected = score_table(bundle(), frame(buyer()), as_of=AS_OF)
        assert score_table(bundle(), frame(buyer(new="x", as_of="2020-01-01")), as_of=AS_OF).equals(expected)

    @pytest.mark.parametrize("name", ["customer_id", "n_orders", "recency_days", "historic_value", "last_gap_days"])
    def test_a_missing_required_feature_is_named(self, name):
        self.refused(frame(buyer()).drop(columns=name), rf"lack \['{name}'\].*cvm features")

    def test_all_missing_features_are_named_at_once(self):
        self.refused(frame(buyer()).drop(columns=["spend", "tenure_days"]), r"lack \['tenure_days', 'spend'\]")

    @pytest.mark.parametrize("name", ["recency_days", "noise"])
    def test_text_in_a_number_is_refused(self, name):
        self.refused(frame(buyer(**{name: "12"}), buyer("b")), rf"\['{name}'\] must be numbers; they came as \['object'\]")

    def test_infinite_numbers_are_refused(self):
        self.refused(frame(buyer(), buyer("b", noise=-np.inf)), r"\['noise'\] are infinite in 1 rows; send null")

    def test_dates_in_a_number_are_refused(self):
        self.refused(frame(buyer(noise=datetime(2024, 1, 1))), r"\['noise'\] must be numbers")

    @pytest.mark.parametrize("ids", [("a", "a"), ("a", None), (None, None), (1, "1"), (np.nan, "b")])
    def test_duplicate_or_null_ids_are_refused(self, ids):
        self.refused(frame(*(buyer(value) for value in ids)), "customer_id is null or occurs twice in [12] rows")

    def test_ids_that_are_numbers_become_text(self):
        scores = score_table(bundle(), frame(buyer(7), buyer(8)), as_of=AS_OF)
        assert scores["customer_id"].to_pylist() == ["7", "8"]

    @pytest.mark.parametrize("n_orders", [-1.0, np.nan, None, np.inf, 0.5, 2.5])
    def test_an_impossible_number_of_orders_is_refused(self, n_orders):
        self.refused(frame(buyer(), buyer("b", n_orders=n_orders)), "n_orders is no whole number from 0 on in 1 rows")

    @pytest.mark.parametrize(
        "values",
        [
            {"recency_days": -1.0},
            {"recency_days": np.nan},
            {"recency_days": 301.0},
            {"tenure_days": np.inf},
            {"tenure_days": np.nan},
            {"tenure_days": 0.0, "recency_days": 0.0},
            {"mean_order_value": np.nan},
            {"mean_order_value": np.inf},
            {"mean_order_value": -5.0},
        ],
        ids=str,
    )
    def test_an_impossible_history_is_refused(self, values):
        self.refused(
            frame(buyer(), buyer("b", **values), prospect()), "^1 rows with orders have impossible values: recency_days"
        )

    def test_a_history_of_nothing_but_nulls_is_refused(self):
        nothing = dict.fromkeys(("recency_days", "tenure_days", "mean_order_value"))
        self.refused(frame(buyer(**nothing)), "^1 rows with orders have impossible values")

    @pytest.mark.parametrize(
        "convert", [pd.DataFrame.convert_dtypes, lambda f: f.astype({"n_orders": "int64"}), lambda f: f.copy()]
    )
    def test_the_kind_of_number_is_irrelevant(self, convert):
        customers = frame(buyer("a"), prospect("b"), buyer("c", noise=np.nan))
        expected = score_table(bundle(), customers, as_of=AS_OF)
        assert score_table(bundle(), convert(customers), as_of=AS_OF).equals(expected)


class TestParseAsOf:
    @pytest.mark.parametrize(
        "value", ["2024-06-01", date(2024, 6, 1), datetime(2024, 6, 1), pd.Timestamp("2024-06-01 13:00")]
    )
    def test_a_date_in_any_dress_is_read(self, value):
        assert parse_as_of(value) == date(2024, 6, 1)

    @pytest.mark.parametrize("value", ["", "yesterday", "01.06.2024", "2024-13-01", "20240601", 45000, None, "2024-06-01st"])
    def test_anything_else_is_refused_with_an_example(self, value):
        with pytest.raises(FeatureMismatchError, match=r"is no ISO date; send for example 2026-01-31"):
            parse_as_of(value)


@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "arrow"])
def test_scores_come_back_as_the_features_came(trained, make):
    features = make(trained.features)
    found = score(trained.bundle, features, as_of=trained.as_of)
    expected = score_table(trained.bundle, trained.features, as_of=trained.as_of)
    assert type(found) is type(features)
    assert pa.table(found).drop_columns("reasons").to_pylist() == expected.drop_columns("reasons").to_pylist()
    assert len(pa.table(found)["reasons"]) == len(trained.features)


def test_scores_of_chosen_customers_keep_their_index(trained):
    chosen = trained.features[trained.features["n_orders"] > 2]
    found = score(trained.bundle, chosen, as_of=trained.as_of)
    assert not chosen.index.equals(pd.RangeIndex(len(chosen)))
    pd.testing.assert_series_equal(found["customer_id"], chosen["customer_id"], check_dtype=False)


def test_what_is_no_frame_or_no_date_cannot_be_scored():
    with pytest.raises(SourceError, match="Table 'features': an object of type list is no frame"):
        score(bundle(), [{"customer_id": "a"}], as_of=AS_OF)
    with pytest.raises(FeatureMismatchError, match="as_of == 'soon' is no ISO date"):
        score(bundle(), frame(buyer()), as_of="soon")


@pytest.mark.parametrize(("given", "kind"), [(None, "NoneType"), ("models/champion", "str")])
def test_what_is_no_bundle_cannot_score(given, kind):
    with pytest.raises(BundleError, match=rf"The bundle is of type {kind}; read it first, with cvm.read_bundle\(folder\)"):
        score(given, frame(buyer()), as_of=AS_OF)
