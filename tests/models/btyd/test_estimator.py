from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from cvm.errors import CvmError, FeatureMismatchError, InsufficientDataError, ParamsError, SourceError
from cvm.models.btyd import BTYD_COLUMNS, Btyd
from cvm.models.btyd.clv import clv_by_period
from cvm.models.btyd.estimator import HISTORY_COLUMNS, BuyTillYouDie
from simulated import histories as drawn

MAKERS = [pl.from_pandas, pa.Table.from_pandas, lambda frame: frame[[*HISTORY_COLUMNS]].to_numpy()]


@pytest.fixture(scope="module")
def histories() -> pd.DataFrame:
    return drawn(n_customers=600, seed=5)[["customer_id", *HISTORY_COLUMNS]]


@pytest.fixture(scope="module")
def fitted(histories: pd.DataFrame) -> BuyTillYouDie:
    return BuyTillYouDie(horizon_days=90).fit(histories)


@pytest.fixture(scope="module")
def numbers(histories: pd.DataFrame) -> np.ndarray:
    return histories[[*HISTORY_COLUMNS]].to_numpy(float)


@pytest.fixture(scope="module")
def fitted_to_numbers(numbers: np.ndarray) -> BuyTillYouDie:
    return BuyTillYouDie(horizon_days=90).fit(numbers)


def test_it_says_what_the_models_of_the_loop_say(histories, fitted):
    plain = Btyd.fit(histories)
    expected = plain.predict(histories, horizon_days=90)
    pd.testing.assert_frame_equal(fitted.transform(histories), expected)
    revenue = expected["btyd_expected_orders"] * expected["btyd_expected_order_value"]
    assert fitted.predict(histories) == pytest.approx(revenue.to_numpy())
    assert fitted.score(histories) == plain.log_likelihood(histories)
    assert fitted.parameters_ == {**plain.process.state(), **plain.spend.state()}


def test_clv_is_that_of_the_periods_added_up(histories, fitted):
    periods = clv_by_period(
        fitted.btyd_, histories, horizon_days=200, lead_days=0, clv_days=200, discount_rate_per_year=0.2, margin_rate=0.3
    )
    found = fitted.clv(histories, clv_days=200, discount_rate_per_year=0.2, margin_rate=0.3)
    assert found == pytest.approx(periods.clv)
    assert (found < fitted.clv(histories, clv_days=200, discount_rate_per_year=0.0, margin_rate=0.3)).all()


@pytest.mark.parametrize("make", MAKERS, ids=["polars", "arrow", "array"])
def test_every_kind_of_input_gives_the_same_in_kind(histories, fitted, make):
    other = BuyTillYouDie(horizon_days=90).fit(make(histories))
    assert other.parameters_ == fitted.parameters_
    told = other.transform(make(histories))
    assert type(told) is type(make(histories))
    plain = told if isinstance(told, np.ndarray) else told.to_pandas().to_numpy()
    assert np.array_equal(plain, fitted.transform(histories).to_numpy())


def test_values_may_be_decimals(histories, fitted):
    table = pa.Table.from_pandas(histories)
    cents = table["mean_order_value"].cast(pa.decimal128(30, 20))
    told = fitted.predict(table.set_column(table.schema.get_field_index("mean_order_value"), "mean_order_value", cents))
    assert told == pytest.approx(fitted.predict(histories))


def test_who_never_ordered_teaches_nothing_and_gets_no_figure(histories, fitted):
    nobody = pd.DataFrame({"customer_id": ["p1", "p2"], "n_orders": [0.0, 0.0]})
    more = pd.concat([histories, nobody], ignore_index=True)
    other = BuyTillYouDie(horizon_days=90).fit(more)
    assert other.parameters_ == fitted.parameters_
    for found in (other.predict(more), other.clv(more), other.transform(more).to_numpy()[:, 0]):
        assert np.isnan(found[-2:]).all()
        assert np.isfinite(found[:-2]).all()


def test_where_nobody_ordered_there_is_nothing_to_score(fitted):
    nobody = pd.DataFrame({name: [0.0, 0.0] if name == "n_orders" else [np.nan, np.nan] for name in HISTORY_COLUMNS})
    assert np.isnan(fitted.predict(nobody)).all()
    assert np.isnan(fitted.clv(nobody)).all()
    with pytest.raises(InsufficientDataError, match="No customer has an order"):
        fitted.score(nobody)


def test_input_is_left_as_it_is_and_its_index_comes_back(histories):
    given = histories.set_axis(np.arange(len(histories)) * 7, axis=0)
    before = given.copy()
    told = BuyTillYouDie().fit(given).transform(given)
    pd.testing.assert_frame_equal(given, before)
    assert told.index.equals(given.index)


# What scikit-learn's checks ask with numbers that are no histories, in ``tests/models/test_estimators.py``.
FORETOLD = [BuyTillYouDie.predict, BuyTillYouDie.transform, BuyTillYouDie.clv]


@pytest.mark.parametrize("ask", FORETOLD)
def test_what_is_foretold_of_a_customer_depends_on_nobody_else(numbers, fitted_to_numbers, ask):
    together = ask(fitted_to_numbers, numbers)
    parts = [ask(fitted_to_numbers, part) for part in (numbers[:1], numbers[1:250], numbers[250:])]
    assert np.concatenate(parts) == pytest.approx(together, rel=1e-9)


@pytest.mark.parametrize("ask", FORETOLD)
def test_the_order_of_customers_changes_nothing(numbers, fitted_to_numbers, ask):
    order = np.random.default_rng(2).permutation(len(numbers))
    assert ask(fitted_to_numbers, numbers[order]) == pytest.approx(ask(fitted_to_numbers, numbers)[order], rel=1e-9)
    assert fitted_to_numbers.score(numbers[order]) == pytest.approx(fitted_to_numbers.score(numbers), rel=1e-9)
    shuffled = BuyTillYouDie(horizon_days=90).fit(numbers[order])
    assert shuffled.parameters_ == pytest.approx(fitted_to_numbers.parameters_, rel=1e-5)


@pytest.mark.parametrize("ask", FORETOLD)
def test_arrays_that_cannot_be_written_to_or_run_by_column_will_do(numbers, fitted_to_numbers, ask):
    held, by_column = numbers.copy(), np.asfortranarray(numbers)
    held.flags.writeable = False
    for given in (held, by_column):
        model = BuyTillYouDie(horizon_days=90).fit(given)
        assert model.parameters_ == fitted_to_numbers.parameters_
        assert np.array_equal(ask(model, given), ask(fitted_to_numbers, numbers))


def test_fitting_again_gives_the_same_and_asking_changes_nothing(numbers, fitted_to_numbers):
    model = clone(fitted_to_numbers).fit(numbers[:300]).fit(numbers)
    assert model.parameters_ == fitted_to_numbers.parameters_
    before = copy.deepcopy({name: value for name, value in vars(model).items() if name != "btyd_"})
    for ask in (*FORETOLD, BuyTillYouDie.score):
        ask(model, numbers)
    assert {name: value for name, value in vars(model).items() if name != "btyd_"} == before
    assert model.n_features_in_ == 4


def test_columns_are_found_by_name_whatever_stands_beside_them(histories, fitted):
    turned = histories[histories.columns[::-1]].assign(note="x")
    assert fitted.predict(turned) == pytest.approx(fitted.predict(histories))
    assert fitted.n_features_in_ == 4
    assert tuple(fitted.feature_names_in_) == HISTORY_COLUMNS


def test_a_search_picks_the_family_that_foretells_best(histories):
    search = GridSearchCV(BuyTillYouDie(), {"family": ["bg_nbd", "mbg_nbd"]}, cv=3).fit(histories)
    scores = [cross_val_score(BuyTillYouDie(family), histories, cv=3).mean() for family in ("bg_nbd", "mbg_nbd")]
    assert search.cv_results_["mean_test_score"] == pytest.approx(scores)
    assert search.best_params_["family"] == ("bg_nbd", "mbg_nbd")[int(np.argmax(scores))]


def test_it_is_a_step_of_a_pipeline(histories, fitted):
    target = fitted.predict(histories)
    model = make_pipeline(BuyTillYouDie(horizon_days=90), Ridge()).fit(histories, target)
    assert model.score(histories, target) > 0.5
    assert list(model[0].get_feature_names_out()) == list(BTYD_COLUMNS)
    shown = clone(model[0]).set_output(transform="polars").fit_transform(histories)
    assert shown.columns == list(BTYD_COLUMNS)


@pytest.mark.parametrize("make", [pd.DataFrame.copy, *MAKERS], ids=["pandas", "polars", "arrow", "array"])
@pytest.mark.parametrize(("kind", "asked"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_the_output_is_of_the_kind_that_is_asked_for(histories, fitted, make, kind, asked):
    given = histories.set_axis(np.arange(len(histories)) * 7, axis=0)
    model = BuyTillYouDie(horizon_days=90).fit(make(given)).set_output(transform=kind)
    told = model.transform(make(given))
    assert type(told) is asked
    assert list(told.columns) == list(BTYD_COLUMNS)
    assert np.array_equal(told.to_numpy(), fitted.transform(histories).to_numpy())
    if make is pd.DataFrame.copy and asked is pd.DataFrame:
        assert told.index.equals(given.index)


def test_a_clone_has_the_parameters_and_nothing_learned(fitted):
    fresh = clone(fitted).set_params(family="pareto_nbd")
    assert fresh.get_params() == {"family": "pareto_nbd", "horizon_days": 90, "allow_constant_amount": False}
    assert not hasattr(fresh, "btyd_")
    assert fitted.family == "bg_nbd"


def test_it_can_be_copied_and_sent_to_another_process(histories, fitted):
    for again in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):  # noqa: S301 - our own bytes
        assert np.array_equal(again.predict(histories), fitted.predict(histories))


def test_a_notebook_shows_it_without_a_warning(fitted):
    assert "horizon_days" in fitted._repr_html_()


@pytest.mark.parametrize("ask", ["predict", "transform", "score", "clv"])
def test_nothing_is_foretold_before_a_fit(histories, ask):
    with pytest.raises(NotFittedError, match=r"This BuyTillYouDie is not fitted yet\. Call fit first.") as caught:
        getattr(BuyTillYouDie(), ask)(histories)
    assert isinstance(caught.value, CvmError)


@pytest.mark.parametrize(
    ("spoil", "error", "says"),
    [
        (lambda h: h.drop(columns="n_orders"), FeatureMismatchError, r"X lacks the columns \['n_orders'\]; it has \['cust"),
        (lambda h: h.assign(n_orders="ann@example.com"), FeatureMismatchError, r"\['n_orders'\] of X must be numbers"),
        (lambda h: h.assign(n_orders=1.5), FeatureMismatchError, "n_orders is no whole number from 0 on in 600 rows"),
        (lambda h: h.assign(recency_days=1e6), FeatureMismatchError, "600 rows with orders have impossible values"),
        (lambda h: h.assign(mean_order_value=np.inf), FeatureMismatchError, "Input X contains infinity"),
        (lambda h: h[["n_orders"]].to_numpy(), FeatureMismatchError, r"X has 1 feature\(s\); pass a frame with the columns"),
        (lambda h: h[[*HISTORY_COLUMNS]].to_numpy().astype(str) + "x", FeatureMismatchError, "an array that holds text"),
        (lambda h: h["n_orders"].to_numpy(), FeatureMismatchError, "Expected 2D array, got 1D array instead:\nReshape"),
        (lambda h: h["n_orders"], SourceError, "Table 'X': an object of type Series is one column, no frame"),
        (lambda h: pd.concat([h, h[["n_orders"]]], axis=1), SourceError, r"\['n_orders'\] are names of several columns"),
        (lambda h: h.head(5), InsufficientDataError, "Only 5 customers have an order"),
        (lambda h: h.assign(mean_order_value=5.0), InsufficientDataError, "Every order has the same amount"),
    ],
)
def test_what_is_no_history_is_refused_in_a_sentence(histories, spoil, error, says):
    with pytest.raises(error, match=says) as caught:
        BuyTillYouDie().fit(spoil(histories))
    assert "ann@" not in str(caught.value)


def test_parameters_out_of_range_are_refused_when_fitting(histories, fitted):
    with pytest.raises(ParamsError, match=r"family == 'bgnbd', must be one of \['bg_nbd', 'mbg_nbd', 'pareto_nbd'\]"):
        BuyTillYouDie("bgnbd").fit(histories)  # type: ignore[arg-type]
    with pytest.raises(ParamsError, match="horizon_days == 0, must be a number > 0"):
        BuyTillYouDie(horizon_days=0).fit(histories)


@pytest.mark.parametrize("horizon_days", [-5, "abc", np.nan, np.inf, None])
def test_a_window_that_cannot_be_is_refused_whenever_it_is_set(histories, fitted, horizon_days):
    later = copy.deepcopy(fitted).set_params(horizon_days=horizon_days)
    for ask in (later.fit, later.predict, later.transform):
        with pytest.raises(ParamsError, match=rf"^horizon_days == {horizon_days!r}, must be a number > 0\.$"):
            ask(histories)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"clv_days": 0}, "clv_days == 0, must be a number >= 1"),
        ({"clv_days": "365"}, "clv_days == '365', must be a number >= 1"),
        ({"clv_days": np.inf}, "clv_days == inf, must be a number >= 1"),
        ({"discount_rate_per_year": -0.1}, "discount_rate_per_year == -0.1, must be a number >= 0"),
        ({"discount_rate_per_year": np.nan}, "discount_rate_per_year == nan, must be a number >= 0"),
        ({"margin_rate": None}, "margin_rate == None, must be a number"),
    ],
)
def test_a_value_that_cannot_be_computed_is_refused(histories, fitted, asked, says):
    with pytest.raises(ParamsError, match=rf"^{says}\.$"):
        fitted.clv(histories, **asked)


def test_one_price_is_accepted_where_it_is_said(histories):
    model = BuyTillYouDie(allow_constant_amount=True).fit(histories.assign(mean_order_value=9.0))
    assert model.parameters_["amount"] == 9.0
