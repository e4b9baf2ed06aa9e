"""The knapsack: within its limits, near its bound, quick."""

from __future__ import annotations

import numpy as np
import pytest

from cvm.campaigns.limits import Limits, Treatment
from cvm.campaigns.plan_choice import NOBODY, choose

LETTER, CALL = Treatment("letter", "post", 1.0), Treatment("call", "phone", 4.0)


def values(n, *, seed=1):
    return np.random.default_rng(seed).normal([0.5, 1.0], [2.0, 4.0], (n, 2))


def test_without_limits_everybody_gets_their_best():
    given = values(500)
    found = choose(given, (LETTER, CALL), Limits())
    best = np.where(given.max(axis=1) > 0, given.argmax(axis=1), NOBODY)
    np.testing.assert_array_equal(found.arm, best)
    assert found.value == pytest.approx(found.bound) == pytest.approx(np.maximum(given.max(axis=1), 0).sum())


def test_with_one_treatment_the_best_are_taken_as_far_as_the_money_goes():
    given = np.arange(10.0)[:, None]
    found = choose(given, (LETTER,), Limits(budget=3.0))
    assert np.flatnonzero(found.arm == 0).tolist() == [7, 8, 9]
    assert found.gap == pytest.approx(0, abs=1e-6)
    # Of four chosen at most three are treated where a quarter is held out.
    assert (choose(given, (LETTER,), Limits(budget=3.0), treated_share=0.75).arm == 0).sum() == 4


@pytest.mark.parametrize(
    "limits", [Limits(120.0), Limits(capacity={"phone": 20}), Limits(120.0, {"phone": 9, "post": 60}), Limits(0.5)]
)
@pytest.mark.parametrize("share", [1.0, 0.9])
def test_limits_hold_and_the_gap_is_small(limits, share):
    found = choose(values(2000), (LETTER, CALL), limits, treated_share=share)
    contacts = found.contacts(2, share)
    assert limits.hold((LETTER, CALL), contacts)
    assert found.value <= found.bound * (1 + 1e-9)
    assert found.gap < 0.02 or limits.budget == 0.5


def test_equal_customers_are_taken_by_their_draw():
    given, ties = np.ones((6, 1)), np.array([5, 3, 0, 4, 1, 2])
    found = choose(given, (LETTER,), Limits(budget=3.0), ties=ties)
    assert np.flatnonzero(found.arm == 0).tolist() == [2, 4, 5]


def test_of_equal_treatments_the_first_is_preferred():
    found = choose(np.ones((4, 2)), (LETTER, CALL), Limits())
    assert found.arm.tolist() == [0, 0, 0, 0]


def test_closed_worthless_and_unknown_are_never_chosen():
    given = np.array([[np.nan, np.nan], [0.0, -1.0], [np.nan, 2.0], [-1.0, np.nan]])
    assert choose(given, (LETTER, CALL), Limits(budget=100.0)).arm.tolist() == [NOBODY, NOBODY, 1, NOBODY]
    assert choose(np.empty((0, 2)), (LETTER, CALL), Limits(budget=100.0)).bound == 0


def test_what_costs_nothing_is_not_held_back_by_a_budget():
    free = Treatment("push", "app", 0.0)
    found = choose(np.ones((5, 2)), (LETTER, free), Limits(budget=2.0))
    assert (found.arm >= 0).all()


def test_hundred_thousand_customers_take_no_time():
    given = values(100_000)
    found = choose(given, (LETTER, CALL), Limits(20_000.0, {"phone": 1000, "post": 15_000}), treated_share=0.9)
    assert found.gap < 1e-4


def test_limits_are_shared_and_used_up():
    limits = Limits(100.0, {"post": 10, "phone": 3})
    assert limits.share(0.5) == Limits(50.0, {"post": 5, "phone": 1})
    assert limits.less((LETTER, CALL), [4, 5]) == Limits(76.0, {"post": 6, "phone": -2})
    assert Limits().share(0.3) == Limits()
    assert limits.are_any
    assert not Limits().are_any
