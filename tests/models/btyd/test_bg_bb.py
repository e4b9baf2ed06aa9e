from __future__ import annotations

from dataclasses import astuple
from itertools import product

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from cvm.errors import InsufficientDataError
from cvm.models.btyd import BgBb
from cvm.models.btyd.bg_bb import _Likelihood
from cvm.models.btyd.distinct import distinct

TRUTH = BgBb(1.2, 0.75, 0.66, 2.8)


def lives(truth: BgBb, *, n_customers: int, occasions: int, seed: int) -> np.ndarray:
    """Orders of each customer at each occasion, drawn as the story is told: of shape (n_customers, occasions)."""
    rng = np.random.default_rng(seed)
    p = rng.beta(truth.alpha, truth.beta, n_customers)
    last = rng.geometric(rng.beta(truth.gamma, truth.delta, n_customers)) - 1
    return (rng.random((n_customers, occasions)) < p[:, None]) & (np.arange(occasions) < last[:, None])


def history(ordered: np.ndarray) -> tuple[np.ndarray, ...]:
    n = ordered.shape[1]
    t_x = np.where(ordered.any(axis=1), n - ordered[:, ::-1].argmax(axis=1), 0)
    return ordered.sum(axis=1).astype(float), t_x.astype(float), np.full(len(ordered), float(n))


@pytest.fixture(scope="module")
def base():
    return distinct(*history(lives(TRUTH, n_customers=40_000, occasions=8, seed=1)))


def test_what_was_simulated_is_found_again(base):
    found = BgBb.fit(*base.columns, base.weight)
    errors = found.estimates(*base.columns, base.weight).standard_error
    for name, value in TRUTH.state().items():
        assert abs(getattr(found, name) - value) < 4 * errors[name] < value


def test_the_gradient_agrees_with_finite_differences(base):
    likelihood = _Likelihood(*base.columns, base.weight)
    for at in ((0.5, 2.0, 1.5, 0.7), (30.0, 4.0, 0.1, 9.0)):
        numeric = approx_fprime(np.array(at), lambda parameters: likelihood(parameters)[0], 1e-7)
        np.testing.assert_allclose(likelihood(np.array(at))[1], numeric, rtol=2e-4, atol=0.5)


def test_all_courses_of_events_have_probability_one_in_all():
    # The likelihood is that of one order of events, so it sums to 1 over all of them.
    for n in (1, 4, 7):
        ordered = np.array(list(product((False, True), repeat=n)))
        x, t_x, occasions = history(ordered)
        total = sum(
            np.exp(TRUTH.log_likelihood(*(np.array([v]) for v in one))) for one in zip(x, t_x, occasions, strict=True)
        )
        assert total == pytest.approx(1.0, rel=1e-12)


@pytest.mark.slow
def test_a_weight_counts_like_repetition_and_the_order_of_rows_not_at_all(base):
    x, t_x, n = base.columns
    once = BgBb.fit(x, t_x, n, base.weight)
    rows = np.random.default_rng(2).permutation(np.repeat(np.arange(len(x)), base.weight.astype(int)))
    assert astuple(BgBb.fit(x[rows], t_x[rows], n[rows])) == pytest.approx(astuple(once), rel=1e-3)


def test_orders_and_life_are_right_on_average_for_whom_they_are_said():
    ordered = lives(TRUTH, n_customers=200_000, occasions=11, seed=3)
    x, t_x, n = history(ordered[:, :6])
    later = ordered[:, 6:].sum(axis=1)
    expected = TRUTH.expected_orders(x, t_x, n, periods=5)
    for group in (x == 0, (x == 3) & (t_x == 3), (x == 3) & (t_x == 6), x == 6):
        assert abs(later[group].mean() - expected[group].mean()) < 4 * later[group].std() / np.sqrt(group.sum())
    assert TRUTH.expected_new(periods=11) == pytest.approx(ordered.sum(axis=1).mean(), rel=0.01)
    alive = TRUTH.p_alive(x, t_x, n)
    assert (alive[t_x == 6] == 1).all()  # who ordered at the last occasion lived through it
    assert (TRUTH.p_alive(x, t_x, n, ahead=3) < alive).all()


def test_everything_is_finite_for_long_histories():
    x, t_x, n = (np.array(column, dtype=float) for column in zip((0, 0, 2000), (1, 5, 2000), (900, 900, 2000), strict=True))
    for model in (TRUTH, BgBb(0.01, 50.0, 0.01, 0.01)):
        assert np.isfinite(model.log_likelihood(x, t_x, n))
        expected = model.expected_orders(x, t_x, n, periods=12)
        assert np.isfinite(expected).all()
        assert ((expected >= 0) & (expected <= 12)).all()


def test_what_cannot_be_learned_from_is_refused():
    with pytest.raises(InsufficientDataError, match="1 of 2 histories are impossible, for example x == 3, t_x == 2"):
        BgBb.fit(np.array([1.0, 3]), np.array([1.0, 2]), np.array([6.0, 6]))
    with pytest.raises(InsufficientDataError, match="Nobody ordered at any occasion"):
        BgBb.fit(np.zeros(4), np.zeros(4), np.full(4, 6.0))
