from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.segments import LIFECYCLE_STAGES, lifecycle_stage

ACTIVE_DAYS = 400  # a quarter is 100 days
OLD = 1000

bounded = settings(derandomize=True, deadline=None, database=None, max_examples=150)


def stage(p_churn: float, **features: Any) -> str:
    """Stage of one customer, by default a repeat buyer of long ago."""
    row = {"n_orders": 5, "recency_days": 150, "tenure_days": OLD, "last_gap_days": 30, **features}
    (name,) = lifecycle_stage(pd.DataFrame([row], dtype=float), np.array([p_churn]), active_days=ACTIVE_DAYS)
    return str(name)


def one_time(recency_days: float, *, p_churn: float = 0.99) -> str:
    return stage(p_churn, n_orders=1, recency_days=recency_days, tenure_days=OLD, last_gap_days=None)


def test_without_an_order_one_is_a_prospect():
    assert stage(np.nan, n_orders=0, recency_days=None, tenure_days=None, last_gap_days=None) == "prospect"


@pytest.mark.parametrize(
    ("p_churn", "expected"),
    [
        (0.0, "active"),
        (0.5, "active"),
        (0.51, "slowing"),
        (0.75, "slowing"),
        (0.76, "lapsing"),
        (0.875, "lapsing"),
        (0.91, "lost"),
        (1.0, "lost"),
        (np.nan, "lost"),
    ],
)
def test_the_stage_of_a_repeat_buyer_follows_the_risk(p_churn, expected):
    assert stage(p_churn) == expected
    assert stage(p_churn, recency_days=OLD) == expected


@pytest.mark.parametrize(
    ("recency_days", "expected"),
    [
        (101, "active"),
        (200, "active"),
        (201, "slowing"),
        (300, "slowing"),
        (301, "lapsing"),
        (400, "lapsing"),
        (401, "lost"),
    ],
)
def test_the_stage_of_a_one_time_buyer_follows_the_days_since_the_order(recency_days, expected):
    assert one_time(recency_days) == expected
    assert one_time(recency_days, p_churn=0.0) == expected


@pytest.mark.parametrize(
    ("n_orders", "tenure_days", "expected"),
    [(1, 1, "new"), (1, 100, "new"), (1, 101, "active"), (5, 1, "new"), (5, 100, "new"), (5, 101, "lost")],
)
def test_new_is_who_first_bought_within_a_quarter_of_the_active_days(n_orders, tenure_days, expected):
    assert stage(1.0, n_orders=n_orders, recency_days=1, tenure_days=tenure_days, last_gap_days=1) == expected


@pytest.mark.parametrize(
    ("last_gap_days", "recency_days", "expected"),
    [(401, 100, "returned"), (400, 100, "active"), (401, 101, "active"), (900, 1, "returned")],
)
def test_returned_is_who_ended_a_long_silence_lately(last_gap_days, recency_days, expected):
    assert stage(0.1, last_gap_days=last_gap_days, recency_days=recency_days) == expected


def test_returning_counts_before_the_risk():
    assert stage(0.99, last_gap_days=500, recency_days=10) == "returned"


def test_every_stage_can_be_reached_and_every_combination_has_one():
    rows = list(product([0, 1, 2, 9], [1, 100, 150, 250, 350, 900], [1, 100, 101, OLD], [np.nan, 5, 401]))
    frame = pd.DataFrame(rows, columns=["n_orders", "recency_days", "tenure_days", "last_gap_days"], dtype=float)
    found = {
        str(name) for p in (0.0, 0.6, 0.8, 1.0) for name in lifecycle_stage(frame, np.full(len(frame), p), active_days=400)
    }
    assert found == set(LIFECYCLE_STAGES)


def test_no_customers_give_no_stages():
    frame = pd.DataFrame([], columns=["n_orders", "recency_days", "tenure_days", "last_gap_days"])
    assert lifecycle_stage(frame, np.array([]), active_days=ACTIVE_DAYS).shape == (0,)


CUSTOMERS = st.lists(
    st.tuples(
        st.integers(0, 20),
        st.integers(1, 2000),
        st.integers(0, 2000),
        st.one_of(st.none(), st.integers(0, 2000)),
        st.one_of(st.floats(0, 1), st.just(np.nan)),
    ),
    min_size=1,
    max_size=40,
)


@bounded
@given(CUSTOMERS, st.integers(1, 1000))
def test_the_stage_is_a_total_function_of_each_customer_alone(customers, active_days):
    frame = pd.DataFrame(
        [(n, recency, recency + before, gap) for n, recency, before, gap, _ in customers],
        columns=["n_orders", "recency_days", "tenure_days", "last_gap_days"],
        dtype=float,
    )
    p_churn = np.array([row[-1] for row in customers])
    together = lifecycle_stage(frame, p_churn, active_days=active_days)
    assert set(together) <= set(LIFECYCLE_STAGES)
    assert ((together == "prospect") == (frame["n_orders"] == 0)).all()
    alone = [lifecycle_stage(frame.iloc[[i]], p_churn[[i]], active_days=active_days)[0] for i in range(len(frame))]
    assert together.tolist() == alone


@bounded
@given(st.floats(0, 1), st.floats(0, 1))
def test_more_risk_never_means_an_earlier_stage(one, other):
    order = ["active", "slowing", "lapsing", "lost"]
    low, high = sorted((one, other))
    assert order.index(stage(low)) <= order.index(stage(high))


def test_who_subscribes_is_judged_by_the_probability_however_often_they_ordered():
    frame = pd.DataFrame(
        {"n_orders": [0.0, 1.0, 0.0], "recency_days": [np.nan, 900.0, np.nan], "tenure_days": [np.nan, 900.0, np.nan]}
    ).assign(last_gap_days=np.nan)
    subscribed = np.array([True, True, False])
    stages = lifecycle_stage(frame, np.array([0.1, 0.95, np.nan]), active_days=ACTIVE_DAYS, subscribed=subscribed)
    assert stages.tolist() == ["active", "lost", "prospect"]
