from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from cvm.engines import DuckDBEngine
from cvm.errors import BundleError, FeatureMismatchError, HistoryError
from cvm.scoring.pyfunc import ScoringModel
from cvm.scoring.raw_history import HistoryModel
from serving import histories


@pytest.fixture(scope="module")
def model(trained):
    return HistoryModel(trained.bundle)


@pytest.fixture(scope="module")
def asked(trained):
    """Thirty customers, prospects among them, with all that the warehouse holds of them."""
    features = trained.features
    ids = [*features["customer_id"].head(25), *features.loc[features["n_orders"] == 0, "customer_id"].head(5)]
    with DuckDBEngine(trained.workspace.warehouse, read_only=True) as engine:
        return pd.DataFrame(histories(engine, ids, as_of=trained.as_of))


@pytest.fixture(scope="module")
def answer(model, asked):
    return model.predict(asked)


def test_scores_are_those_of_the_features_on_file(trained, asked, answer):
    features = trained.features.set_index("customer_id", drop=False).loc[asked["customer_id"]]
    expected = ScoringModel(trained.bundle).predict(features)
    assert answer.to_dict("records") == expected.to_dict("records")
    assert (answer["segment"] == "prospect").sum() == 5


def test_what_happened_at_as_of_or_later_is_not_looked_at(trained, model, asked, answer):
    later = {"occurred_at": f"{trained.as_of}T00:00:00Z", "amount": 1000.0}
    told = asked.head(3).assign(transactions=[[*lines, later] for lines in asked["transactions"].head(3)])
    assert model.predict(told).to_dict("records") == answer.head(3).to_dict("records")


def test_a_history_of_which_nothing_was_known_at_as_of_is_refused(model, asked, answer):
    with pytest.raises(HistoryError, match=r"Row 1: the whole history lies at or after as_of \(1950-06-01\).*; 1 such rows"):
        model.predict(asked.head(2).assign(as_of=[asked["as_of"][0], "1950-06-01"]))
    assert model.predict(asked.head(1)).to_dict("records") == answer.head(1).to_dict("records")


def test_rows_are_answered_in_their_order_whatever_their_dates(trained, model, asked, answer):
    other = str(trained.as_of - timedelta(days=30))
    mixed = asked.iloc[[3, 1, 2]].assign(as_of=[str(trained.as_of), other, str(trained.as_of)])
    found = model.predict(mixed)
    assert found["customer_id"].tolist() == mixed["customer_id"].tolist()
    expected = answer.iloc[[3, 2]].to_dict("records")
    assert found.iloc[[0, 2]].to_dict("records") == expected


def test_a_customer_of_whom_nothing_is_known_is_a_prospect(trained, model):
    (row,) = model.predict(pd.DataFrame([{"customer_id": "new", "as_of": str(trained.as_of), "transactions": []}])).to_dict(
        "records"
    )
    assert (row["segment"], row["p_churn"]) == ("prospect", None)


def test_the_segment_before_is_passed_on(model, asked):
    assert model.predict(asked.head(1).assign(previous_segment="vip"))["previous_segment"].tolist() == ["vip"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transactions": [[{"occurred_at": "soon", "amount": 1}]]}, r"Row 0: transactions\[0\]\.occurred_at is no date"),
        ({"customer": [{"town": "Kyiv"}]}, r"customer holds \['town'\], which the model does not know"),
        ({"transactions": ["x"]}, "transactions must be an array of objects"),
    ],
)
def test_what_cannot_be_read_is_refused_and_leaves_nothing_behind(model, asked, answer, change, message):
    with pytest.raises(HistoryError, match=message):
        model.predict(asked.head(1).assign(**change))
    assert model.predict(asked.head(2)).to_dict("records") == answer.head(2).to_dict("records")


def test_columns_that_must_be_there_are_named(model, asked):
    with pytest.raises(HistoryError, match=r"lacks \['transactions'\]"):
        model.predict(asked.drop(columns="transactions"))
    with pytest.raises(FeatureMismatchError, match=r"lack \['as_of'\]"):
        model.predict(asked.drop(columns="as_of"))


def test_a_bundle_that_does_not_know_its_raw_tables_is_refused(trained):
    with pytest.raises(BundleError, match="does not tell how its features are computed"):
        HistoryModel(replace(trained.bundle, raw=None))
