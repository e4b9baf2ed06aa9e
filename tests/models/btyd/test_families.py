"""What must hold of every purchase process, whichever it is."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest

from cvm.models.btyd import FAMILIES, BgNbd, MbgNbd, ParetoNbd
from cvm.models.btyd.distinct import distinct
from cvm.models.btyd.lifetimes_backend import fit_process
from simulated import histories

PROCESSES = (BgNbd(0.8, 30.0, 0.8, 3.0), MbgNbd(0.9, 30.0, 0.8, 3.0), ParetoNbd(0.9, 30.0, 0.8, 90.0))
each_process = pytest.mark.parametrize("process", PROCESSES, ids=[process.family for process in PROCESSES])


@pytest.fixture(scope="module")
def base():
    frame = histories(n_customers=3000, seed=11)
    x, T = frame["n_orders"].to_numpy() - 1, frame["tenure_days"].to_numpy()
    return x, np.floor(T - frame["recency_days"].to_numpy()), T


def test_each_family_is_found_by_its_name():
    assert [process.family for process in FAMILIES.values()] == list(FAMILIES)
    assert len({process.label for process in FAMILIES.values()}) == len(FAMILIES)


@each_process
def test_a_fit_ignores_the_order_of_rows_and_their_repetition(base, process):
    fitted = astuple(type(process).fit(*base))
    groups = distinct(*base)
    assert astuple(type(process).fit(*groups.columns, groups.weight)) == pytest.approx(fitted, rel=1e-4)
    shuffled = np.random.default_rng(0).permutation(len(base[0]))
    assert astuple(type(process).fit(*(column[shuffled] for column in base))) == pytest.approx(fitted, rel=1e-4)


@each_process
def test_another_unit_of_time_only_rescales(base, process):
    x, t_x, T = base
    weekly = type(process).fit(x, t_x / 7, T / 7).state()
    in_days = {name: value * (7 if name in ("alpha", "beta") else 1) for name, value in weekly.items()}
    assert in_days == pytest.approx(type(process).fit(*base).state(), rel=1e-3)


@each_process
def test_the_median_wait_is_where_silence_and_an_order_are_as_likely(base, process):
    x, t_x, T = (column[:500] for column in base)
    waits, alive = process.median_wait(x, t_x, T), process.p_alive(x, t_x, T)
    finite = np.flatnonzero(waits < 5000)
    assert 50 < len(finite) < 500
    for i in finite[:60]:
        silent = process.p_no_order_if_alive(x[[i]], T[[i]], days=waits[i])[0]
        assert 1 - alive[i] * (1 - silent) == pytest.approx(0.5, abs=1e-6)
    never = np.isinf(waits)
    silent = process.p_no_order_if_alive(x[never], T[never], days=20_000)
    assert (1 - alive[never] * (1 - silent) > 0.499).all()


@each_process
@pytest.mark.parametrize(("history", "start"), [((0.0, 50.0), 0.0), ((4.0, 300.0), 30.0)])
def test_draws_have_the_moments_the_formulas_say(process, history, start):
    n = 200_000
    one_x, one_T = (np.array([value]) for value in history)
    x, T = np.full(n, one_x), np.full(n, one_T)
    orders = process.draw_orders_if_alive(x, T, start=start, end=start + 120, rng=np.random.default_rng(4))
    expected = process.expected_if_alive(one_x, one_T, days=start + 120)[0]
    expected -= process.expected_if_alive(one_x, one_T, days=start)[0] if start else 0.0
    silent = process.p_no_order_if_alive(one_x, one_T, days=120, lead_days=start)[0]
    # Four standard errors.
    assert orders.mean() == pytest.approx(expected, abs=4 * orders.std() / np.sqrt(n))
    assert (orders == 0).mean() == pytest.approx(silent, abs=2 / np.sqrt(n))


@each_process
def test_nobody_comes_back_to_life(process):
    x, T = np.array([0.0, 3.0, 5000.0]), np.array([10.0, 300.0, 20000.0])
    still = np.array([process.p_alive_after(x, T, days=days) for days in (0.0, 1.0, 100.0, 20000.0)])
    assert still[0] == pytest.approx(1.0)
    assert (np.diff(still, axis=0) <= 0).all()
    assert (still >= 0).all()


@each_process
def test_standard_errors_shrink_with_the_root_of_the_base(base, process):
    fitted = type(process).fit(*base)
    once, four_times = fitted.estimates(*base), fitted.estimates(*base, np.full(len(base[0]), 4.0))
    for name, error in once.standard_error.items():
        assert 0 < error < once.value[name]
        assert four_times.standard_error[name] == pytest.approx(error / 2, rel=1e-6)


@pytest.mark.parametrize("family", ["mbg_nbd", "pareto_nbd"])
def test_lifetimes_finds_the_same_process(base, family):
    x, t_x, T = (column[:800] for column in base)
    theirs, ours = fit_process(family, x, t_x, T, np.ones_like(x)), FAMILIES[family].fit(x, t_x, T)
    assert theirs.log_likelihood(x, t_x, T) == pytest.approx(ours.log_likelihood(x, t_x, T), rel=1e-6)
    assert theirs.state() == pytest.approx(ours.state(), rel=0.02)
