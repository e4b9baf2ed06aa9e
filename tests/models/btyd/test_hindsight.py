from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from cvm.models.btyd.hindsight import Hindsight, HindsightWindow, learn_hindsight

N = 40_000
LONG = 5000


def hindsight_window(*, intercept=0.0, slope=1.0, shift=0.0, n=N, seed=5) -> HindsightWindow:
    """Expectations, and outcomes of a world in which they are wrong in the ways given."""
    rng = np.random.default_rng(seed)
    p_alive, orders_if_alive = rng.beta(0.8, 0.8, n), rng.beta(3, 1, n)
    truly_alive = expit(intercept + slope * logit(p_alive))
    p_no_order = 1 - p_alive * orders_if_alive
    p_silent = expit(logit(1 - truly_alive * orders_if_alive) + shift)
    ordered = (rng.random(n) > p_silent).astype(float)
    return HindsightWindow(p_alive, p_no_order, (1 - p_no_order) * 50, ordered, ordered * rng.gamma(4, 12.5, n))


def test_the_default_corrects_nothing():
    p = np.array([0.0, 0.3, 1.0])
    assert Hindsight().p_alive(p) is p
    assert Hindsight().p_no_order(p) is p
    assert Hindsight().revenue_factor == 1


def test_a_wrong_level_of_revenue_is_found():
    seen = hindsight_window()
    for factor in (0.8, 1.3):
        level = seen.revenue.sum() / seen.expected_revenue.sum() / factor
        wrong = replace(seen, expected_revenue=seen.expected_revenue * level)
        assert learn_hindsight(wrong, seen, history_days=LONG).revenue_factor == pytest.approx(factor, rel=0.01)


def test_a_wrong_level_of_churn_is_found():
    seen = hindsight_window(shift=0.4)
    found = learn_hindsight(seen, seen, history_days=LONG)
    assert found.p_no_order(seen.p_no_order).mean() == pytest.approx(1 - seen.ordered.mean(), abs=1e-6)
    assert 0.3 < found.churn_shift < 0.5


@pytest.mark.parametrize(("intercept", "slope"), [(-0.5, 1.0), (0.3, 1.2), (0.0, 0.8)])
def test_half_of_what_silence_says_is_taken_for_leaving(intercept, slope):
    seen = hindsight_window(intercept=intercept, slope=slope)
    found = learn_hindsight(seen, seen, history_days=LONG)
    assert found.alive_intercept == pytest.approx(intercept / 2, abs=0.05)
    assert found.alive_slope == pytest.approx((1 + slope) / 2, abs=0.05)
    line = expit(found.alive_intercept + found.alive_slope * logit(seen.p_alive))
    assert found.p_alive(seen.p_alive) == pytest.approx(line)


def test_a_short_history_is_trusted_less():
    seen = hindsight_window(intercept=-0.5, shift=0.4)
    long, short = (learn_hindsight(seen, seen, history_days=days) for days in (LONG, 120))
    assert 0.3 * abs(long.churn_shift) < abs(short.churn_shift) < 0.5 * abs(long.churn_shift)
    assert 0.3 * abs(long.alive_intercept) < abs(short.alive_intercept) < 0.5 * abs(long.alive_intercept)
    assert abs(np.log(short.revenue_factor)) <= abs(np.log(long.revenue_factor))


def test_noise_is_shrunk():
    seen = hindsight_window(n=600)
    rng = np.random.default_rng(1)
    wild = replace(seen, revenue=seen.ordered * rng.pareto(1.1, 600) * 50)
    ratio = wild.revenue.sum() / wild.expected_revenue.sum()
    assert abs(np.log(learn_hindsight(wild, seen, history_days=LONG).revenue_factor)) < 0.8 * abs(np.log(ratio))


@pytest.mark.parametrize("ordered", [0.0, 1.0])
def test_where_everybody_did_the_same_nothing_is_learned(ordered):
    seen = hindsight_window(n=1000)
    same = replace(seen, ordered=np.full(1000, ordered))
    assert learn_hindsight(same, same, history_days=LONG) == Hindsight()


def test_a_base_of_a_few_teaches_nothing():
    seen = hindsight_window(n=300, shift=1.0)
    assert learn_hindsight(seen, seen, history_days=LONG) == Hindsight()


def test_certain_customers_stay_within_probabilities():
    found = Hindsight(churn_shift=0.5, alive_intercept=-0.3, alive_slope=1.1)
    for correct in (found.p_alive, found.p_no_order):
        corrected = correct(np.array([0.0, 0.5, 1.0]))
        assert ((corrected >= 0) & (corrected <= 1)).all()
        assert (np.diff(corrected) > 0).all()
