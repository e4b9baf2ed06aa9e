from __future__ import annotations

import json
import re
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from cvm.errors import BundleError, FeatureMismatchError
from cvm.scoring.pyfunc import ScoringModel, _load_pyfunc
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.scoring.score import score_table


@pytest.fixture(scope="module")
def model(trained):
    return ScoringModel(trained.bundle)


@pytest.fixture(scope="module")
def request_rows(trained):
    """As a scoring server hands them over: ``as_of`` is text, prospects are among them."""
    assert trained.features["as_of"].unique().tolist() == [str(trained.as_of)]
    assert (trained.features["n_orders"] == 0).any()
    return trained.features


@pytest.fixture(scope="module")
def answer(model, request_rows):
    return model.predict(request_rows)


def as_json(answer):
    return json.loads(json.dumps(answer.to_dict("records"), allow_nan=False))


class TestAnswer:
    def test_it_is_what_the_batch_job_scores(self, trained, answer):
        expected = score_table(trained.bundle, trained.features, as_of=trained.as_of).to_pylist()
        for row in expected:
            day = row["expected_next_order_date"]
            row["expected_next_order_date"] = day.isoformat() if day else None
        assert answer.to_dict("records") == expected

    def test_columns_are_those_of_the_scores(self, answer):
        assert list(answer.columns) == SCORE_SCHEMA.names

    def test_it_is_json_as_it_stands(self, answer):
        assert len(as_json(answer)) == len(answer)

    def test_nulls_are_none_and_never_nan(self, answer):
        values = [value for column in answer for value in answer[column]]
        assert not any(isinstance(value, float) and np.isnan(value) for value in values)
        assert answer["p_churn"].map(lambda value: value is None).sum() == 40
        assert answer["expected_next_order_date"].map(lambda value: value is None).any()

    def test_whole_numbers_stay_whole_beside_nulls(self, answer):
        for name in ("rfm_recency", "rfm_frequency", "rfm_monetary", "horizon_days"):
            assert {type(value) for value in answer[name]} <= {int, type(None)}

    def test_dates_are_iso_text(self, answer):
        dates = [value for value in answer["expected_next_order_date"] if value is not None]
        assert dates
        assert all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) for value in dates)

    def test_a_single_prospect_is_json_too(self, model, request_rows):
        (row,) = as_json(model.predict(request_rows[request_rows["n_orders"] == 0].head(1)))
        assert row["p_churn"] is None
        assert row["rfm_recency"] is None
        assert row["segment"] == "prospect"

    def test_no_rows_give_no_rows(self, model, request_rows):
        answer = model.predict(request_rows.head(0))
        assert list(answer.columns) == SCORE_SCHEMA.names
        assert len(answer) == 0


class TestRequest:
    def test_rows_are_answered_in_their_order(self, model, request_rows, answer):
        shuffled = request_rows.sample(frac=1, random_state=2)
        found = model.predict(shuffled)
        assert found["customer_id"].tolist() == shuffled["customer_id"].tolist()
        expected = answer.set_index("customer_id").loc[shuffled["customer_id"]].reset_index()
        assert found.to_dict("records") == expected.to_dict("records")

    def test_several_dates_are_scored_at_once_each_at_its_own(self, model, trained, request_rows):
        later = str(trained.as_of + timedelta(days=10))
        mixed = pd.concat([request_rows.head(100), request_rows.head(100).assign(as_of=later)]).sample(
            frac=1, random_state=3
        )
        found = model.predict(mixed)
        assert found["customer_id"].tolist() == mixed["customer_id"].tolist()
        for as_of in (str(trained.as_of), later):
            alone = model.predict(mixed[mixed["as_of"] == as_of])
            together = found[(mixed["as_of"] == as_of).to_numpy()]
            assert together.to_dict("records") == alone.to_dict("records")
        dates = found.groupby((mixed["as_of"] == later).to_numpy())["expected_next_order_date"].min()
        assert dates[False] >= str(trained.as_of)
        assert dates[True] >= later

    def test_the_index_of_the_rows_is_irrelevant(self, model, request_rows, answer):
        found = model.predict(request_rows.set_axis([5] * len(request_rows)))
        assert found.to_dict("records") == answer.to_dict("records")

    def test_the_request_is_left_as_it_was(self, model, request_rows):
        before = request_rows.copy(deep=True)
        model.predict(request_rows)
        pd.testing.assert_frame_equal(request_rows, before)

    def test_parameters_of_the_server_change_nothing(self, model, request_rows, answer):
        assert model.predict(request_rows, {"temperature": 0}).to_dict("records") == answer.to_dict("records")

    def test_previous_segments_are_passed_on(self, model, request_rows):
        found = model.predict(request_rows.head(2).assign(previous_segment=["vip", None]))
        assert found["previous_segment"].tolist() == ["vip", None]

    def test_a_request_without_dates_is_refused(self, model, request_rows):
        with pytest.raises(FeatureMismatchError, match=r"lack \['as_of'\]"):
            model.predict(request_rows.drop(columns="as_of"))

    def test_a_null_date_is_refused(self, model, request_rows):
        with pytest.raises(FeatureMismatchError, match="as_of is null in some rows"):
            model.predict(request_rows.assign(as_of=[None, *request_rows["as_of"][1:]]))

    def test_nothing_but_null_dates_is_refused(self, model, request_rows):
        with pytest.raises(FeatureMismatchError, match="as_of is null in some rows"):
            model.predict(request_rows.head(2).assign(as_of=None))

    def test_a_date_that_is_none_is_refused(self, model, request_rows):
        with pytest.raises(FeatureMismatchError, match="'soon' is no ISO date"):
            model.predict(request_rows.assign(as_of="soon"))

    def test_one_customer_twice_on_one_date_is_refused(self, model, request_rows):
        with pytest.raises(FeatureMismatchError, match="occurs twice in 1 rows"):
            model.predict(pd.concat([request_rows, request_rows.head(1)]))

    def test_features_that_do_not_fit_are_refused(self, model, request_rows):
        with pytest.raises(FeatureMismatchError, match=r"lack \['n_orders'\]"):
            model.predict(request_rows.drop(columns="n_orders"))


class TestLoad:
    def test_a_bundle_directory_becomes_a_model_that_answers_alike(self, trained, tmp_path, request_rows, answer):
        trained.bundle.write(tmp_path)
        assert _load_pyfunc(str(tmp_path)).predict(request_rows).to_dict("records") == answer.to_dict("records")

    def test_a_damaged_bundle_is_not_served(self, trained, tmp_path):
        trained.bundle.write(tmp_path)
        (tmp_path / "bundle.json").write_text("{}\n")
        with pytest.raises(BundleError, match="was changed after it was written"):
            _load_pyfunc(str(tmp_path))
