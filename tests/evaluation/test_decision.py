from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cvm.evaluation import ContactTerms, contact_decision, expected_profit

TERMS = ContactTerms(cost=1.0, save_rate=0.1)
# Two who leave and two who stay; the second is worth too little.
CHURNED = np.array([1.0, 1.0, 0.0, 0.0])
P = np.array([0.9, 0.8, 0.3, 0.05])
VALUE = np.array([100.0, 5.0, 100.0, 100.0])


def simulated(seed: int, *, n: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Calibrated probabilities, what happened, and values."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 2, n)
    return (rng.random(n) < p).astype(float), p, rng.gamma(2, 20, n)


def test_expected_profit_is_what_is_saved_less_the_contact():
    assert expected_profit(P, VALUE, TERMS) == pytest.approx([8.0, -0.6, 2.0, -0.5])


def test_a_contact_pays_from_the_own_threshold_on():
    value = np.array([20.0, 50.0])
    threshold = TERMS.cost / (TERMS.save_rate * value)
    assert expected_profit(threshold, value, TERMS) == pytest.approx([0, 0])


def test_ways_to_choose_are_compared_by_what_they_would_have_brought():
    found = contact_decision(CHURNED, P, VALUE, TERMS)
    assert found.threshold == 0.9
    assert (found.by_threshold.n_contacted, found.by_threshold.profit) == (1, pytest.approx(9.0))
    # The first and the third, who stayed and cost a contact.
    assert (found.by_customer.n_contacted, found.by_customer.profit) == (2, pytest.approx(8.0))
    assert (found.everybody.n_contacted, found.everybody.profit) == (4, pytest.approx(10.5 - 4))


def test_curves_begin_with_nobody_and_end_with_everybody():
    found = contact_decision(CHURNED, P, VALUE, TERMS, n_points=5)
    assert found.share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.profit_by_risk == pytest.approx([0, 9, 8.5, 7.5, 6.5])
    assert found.profit_by_gain == pytest.approx([0, 9, 8, 7, 6.5])


def test_where_no_contact_pays_nobody_is_contacted():
    found = contact_decision(CHURNED, P, VALUE, replace(TERMS, cost=50.0))
    assert found.threshold is None
    assert (found.by_threshold.n_contacted, found.by_threshold.profit) == (0, 0)
    assert (found.by_customer.n_contacted, found.by_customer.profit) == (0, 0)


def test_a_free_contact_pays_for_everybody_who_may_leave():
    found = contact_decision(CHURNED, P, VALUE, replace(TERMS, cost=0.0))
    assert found.by_customer.n_contacted == 4
    assert found.by_threshold.profit == pytest.approx(found.everybody.profit)


def test_customers_of_equal_probability_are_contacted_together():
    found = contact_decision(np.array([1.0, 0.0, 0.0]), np.full(3, 0.5), np.full(3, 25.0), TERMS)
    assert found.threshold is None  # 2.5 - 3 for all three
    assert contact_decision(np.array([1.0, 1.0, 0.0]), np.full(3, 0.5), np.full(3, 25.0), TERMS).threshold == 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_calibrated_probabilities_the_own_profit_beats_any_threshold(seed):
    churned, p, value = simulated(seed)
    found = contact_decision(churned, p, value, replace(TERMS, cost=2.0))
    assert found.by_customer.profit > found.by_threshold.profit > max(0.0, found.everybody.profit)
    assert found.by_customer.profit == pytest.approx(expected_profit(p, value, found.terms).clip(0).sum(), rel=0.2)


def test_a_dearer_contact_reaches_fewer():
    churned, p, value = simulated(4)
    reached = [contact_decision(churned, p, value, ContactTerms(cost, 0.1)).by_customer.n_contacted for cost in (0.5, 2, 8)]
    assert reached == sorted(reached, reverse=True)
    assert reached[0] > reached[2]
