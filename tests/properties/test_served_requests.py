"""Whatever is sent to the served models, they answer in strict JSON or refuse in words."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shop
import simulated
from cvm.errors import CvmError, FeatureMismatchError
from cvm.features.economics import Economics
from cvm.features.query import Schema
from cvm.features.raw_tables import RawTables
from cvm.scoring.pyfunc import ScoringModel
from cvm.scoring.raw_history import HistoryModel
from cvm.scoring.schema import SCORE_SCHEMA

FAST = 5
SLOW = 50

NUMBERS = (0.0, 1.0, 2.0, 3.5, 12.0, 40.0, 90.0, 300.0, -1.0, 1e-300, 1e14, 1e15, 1e16, 1e300, -1e300)
STRANGE: tuple[Any, ...] = (
    None,
    float("nan"),
    float("inf"),
    "12",
    "x",
    "",
    "'; DROP TABLE x; --",
    True,
    [1],
    {"a": 1},
    "\ud800",
)
TYPES = {"string": (str,), "int64": (int,), "double": (float,), "bool": (bool,), "date32[day]": (str,)}

sizes = st.integers(1, 6)
seeds = st.integers(0, 2**32 - 1)
shares = st.sampled_from([0.0, 0.0, 0.002, 0.05])


def raw_tables() -> RawTables:
    """Of a warehouse with every table."""
    with shop.typed_warehouse(
        transactions=[
            shop.order("a", on="2024-01-02", amount=5.0, channel="web", order_id="o", quantity=1.0, recorded_at=None)
        ],
        events=[shop.event("a", "visit", on="2024-01-02", value=1.0), shop.event("a", "email_sent", on="2024-01-02")],
        customers=[{"customer_id": "a", "signed_up_at": shop.noon("2024-01-01"), "city": "Kyiv"}],
        subscriptions=[shop.subscription("a", "2024-01-01", "2024-02-01", price_per_month=5.0)],
    ) as engine:
        return RawTables.of(
            Schema.of(engine), timezone="Europe/Kyiv", economics=Economics("EUR", 0.4, {}, 2.0, {"visit": 1.0})
        )


BUNDLE = simulated.bundle(raw=raw_tables())
FEATURES, HISTORIES = ScoringModel(BUNDLE), HistoryModel(BUNDLE)


def spoiled(rng: np.random.Generator, rows: list[dict[str, Any]], share: float) -> list[dict[str, Any]]:
    """Rows of which a share of the values is something strange."""
    for row in rows:
        for name in row:
            if rng.random() < share:
                row[name] = STRANGE[rng.integers(len(STRANGE))]
    return rows


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """As the server makes it of JSON; it refuses half surrogates itself, the model must too."""
    try:
        return pd.DataFrame(rows)
    except UnicodeEncodeError:
        return pd.DataFrame(rows, dtype=object)


def feature_rows(seed: int, share: float, *, n: int = 100) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    few = NUMBERS if rng.random() < 0.5 else NUMBERS[:8]
    rows = []
    for number in range(n):
        drawn = rng.choice(few, 8)
        recency, tenure = sorted(np.abs(drawn[:2]))
        rows.append(
            {
                "customer_id": f"c{number}",
                "as_of": "2024-06-01",
                "n_orders": float(abs(int(min(drawn[2], 1e15)))),
                "recency_days": recency,
                "tenure_days": tenure + 1,
                "mean_order_value": abs(drawn[3]),
                "spend": drawn[4],
                "historic_value": drawn[5],
                "last_gap_days": drawn[6],
                "noise": drawn[7],
                "colour": str(rng.choice(["red", "green", "unheard of"])),
            }
        )
    return frame(spoiled(rng, rows, share))


def history_rows(seed: int, share: float, *, n: int = 100) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    amounts = (0.0, 5, 12.5, "7.5", -5.0, 1e13, 9e13) if rng.random() < 0.3 else (0.0, 5, 12.5, "7.5", -5.0)
    moments = ("2024-01-05", "2024-02-29T23:59:59Z", "2024-05-31T22:30:00+03:00", "2030-01-01", "1902-01-01", "2024-05-31")

    def lines(most: int) -> list[dict[str, Any]]:
        made = [
            {
                "occurred_at": moments[rng.integers(len(moments))],
                "amount": amounts[rng.integers(len(amounts))],
                "order_id": str(rng.integers(3)),
                "channel": str(rng.choice(["web", "app"])),
                "recorded_at": None,
            }
            for _ in range(rng.integers(most))
        ]
        return spoiled(rng, made, share / 10)

    rows = [
        {
            "customer_id": f"c{number}",
            "as_of": "2024-06-01",
            "transactions": lines(6),
            "events": [{"occurred_at": "2024-03-01", "event_type": "visit", "value": 3}][: rng.integers(2)],
            "customer": {"signed_up_at": "2023-12-01", "city": "Lviv"} if rng.random() < 0.5 else None,
            "subscriptions": [{"started_at": "2024-01-01", "price_per_month": 9}][: rng.integers(2)],
        }
        for number in range(n)
    ]
    return frame(spoiled(rng, rows, share / 10))


def check(model: ScoringModel | HistoryModel, rows: pd.DataFrame) -> None:
    """A refusal in words, or an answer of the right types."""
    try:
        answer = model.predict(rows)
    except CvmError as error:
        refusal = str(error)
    else:
        refusal = ""
        check_answer(answer, rows)
    assert len(refusal) < 1000


def check_answer(answer: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Columns and types of the scores, in strict JSON."""
    assert list(answer.columns) == SCORE_SCHEMA.names
    assert len(answer) == len(rows)
    for field in SCORE_SCHEMA:
        for value in answer[field.name]:
            if str(field.type).startswith("list"):
                assert value is None or {type(reason) for reason in value} <= {dict}
            else:
                assert value is None or type(value) in TYPES[str(field.type)], (field.name, value)
                assert not isinstance(value, float) or math.isfinite(value), field.name
    json.dumps(answer.to_dict("records"), allow_nan=False)


@given(seed=seeds, share=shares)
@settings(max_examples=FAST, deadline=None, derandomize=True)
def test_features_are_scored_or_refused(seed, share):
    check(FEATURES, feature_rows(seed, share))


@given(seed=seeds, share=shares)
@settings(max_examples=FAST, deadline=None, derandomize=True)
def test_histories_are_scored_or_refused(seed, share):
    check(HISTORIES, history_rows(seed, share))


@pytest.mark.slow
@given(seed=seeds, share=shares)
@settings(max_examples=SLOW, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_twenty_thousand_rows_of_features_are_scored_or_refused(seed, share):
    check(FEATURES, feature_rows(seed, share, n=400))


@pytest.mark.slow
@given(seed=seeds, share=shares)
@settings(max_examples=SLOW, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_twenty_thousand_raw_histories_are_scored_or_refused(seed, share):
    check(HISTORIES, history_rows(seed, share, n=400))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["customer_id", "as_of", "transactions", "customer", "n_orders", "colour", "x"]), json_values
        ),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_anything_at_all_is_scored_or_refused(rows):
    request = pd.DataFrame(rows, dtype=object)
    for model in (FEATURES, HISTORIES):
        check(model, request.copy())


def test_a_date_far_away_is_no_trouble():
    rows = feature_rows(1, 0.0).head(3)
    for day in (date(1901, 1, 1), date(2199, 12, 31)):
        check(FEATURES, rows.assign(as_of=str(day)))
        check(HISTORIES, pd.DataFrame([{"customer_id": "a", "as_of": str(day), "transactions": []}]))


def test_features_that_raw_rows_cannot_give_are_taken_as_they_are():
    rows = pd.DataFrame([{"customer_id": "a", "as_of": "2024-06-01", "transactions": [], "noise": 3.0, "colour": "red"}])
    check(HISTORIES, rows)
    with pytest.raises(FeatureMismatchError, match=r"\['noise'\] must lie between"):
        HISTORIES.predict(rows.assign(noise=1e300))
