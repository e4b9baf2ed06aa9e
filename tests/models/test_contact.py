from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cvm.evaluation import ContactTerms
from cvm.models.contact import decision_state, judged_decision, margin_at_stake
from simulated import sample

TERMS = ContactTerms(cost=1.0, save_rate=0.1)


def btyd_says(p_no_order, orders, order_value) -> pd.DataFrame:
    return pd.DataFrame(
        {"btyd_p_no_order": p_no_order, "btyd_expected_orders": orders, "btyd_expected_order_value": order_value}
    )


def test_at_stake_is_the_margin_of_the_orders_given_that_there_is_one():
    features = btyd_says([0.5, 0.9], [2.0, 0.12], [10.0, 30.0])
    assert margin_at_stake(features, margin_rate=0.4) == pytest.approx([0.4 * 4 * 10, 0.4 * 1.2 * 30])


@pytest.mark.parametrize("p_no_order", [1.0, 1 - 1e-15])
def test_who_will_never_order_again_would_order_once_if_kept(p_no_order):
    features = btyd_says([p_no_order], [1e-18], [10.0])
    assert margin_at_stake(features, margin_rate=1.0) == pytest.approx([10.0])


def test_by_the_true_process_it_is_what_those_who_ordered_spent():
    seen = sample(n_customers=20_000, seed=3)
    ordered = seen.n_orders > 0
    stake = margin_at_stake(seen.features, margin_rate=1.0)[ordered]
    assert stake.sum() == pytest.approx(seen.revenue[ordered].sum(), rel=0.05)


def test_the_decision_is_json_without_its_curves():
    test = sample(n_customers=500, seed=1)
    decision = judged_decision(test, test.features["btyd_p_no_order"].to_numpy(), margin_rate=0.4, terms=TERMS)
    assert decision is not None
    state = json.loads(json.dumps(decision_state(decision), allow_nan=False))
    assert state["terms"] == {"cost": 1.0, "save_rate": 0.1}
    assert state["n_customers"] == 500
    assert 0 < state["threshold"] < 1
    assert "share" not in state


def test_without_terms_or_customers_there_is_none():
    test = sample(n_customers=500, seed=1)
    p = test.features["btyd_p_no_order"].to_numpy()
    assert judged_decision(test, p, margin_rate=0.4, terms=None) is None
    nobody = replace(test, features=test.features[:0], n_orders=np.empty(0), revenue=np.empty(0))
    assert judged_decision(nobody, p[:0], margin_rate=0.4, terms=TERMS) is None
