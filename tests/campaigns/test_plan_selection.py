"""Who is chosen, explored or put in by hand, of those who may be contacted."""

from __future__ import annotations

import numpy as np

from cvm.campaigns.plan_selection import BEYOND, CHOSEN, EXPLORED, INCLUDED, NOT_WORTH, UNKNOWN, Pool, select, treated_value
from planned import LETTER, MAIL, settings


def pool(values, **changes):
    values = np.array(values, dtype=float)
    n = len(values)
    rng = np.random.default_rng(5)
    fields = {
        "values": values,
        "is_open": np.ones(values.shape, dtype=bool),
        "is_included": np.zeros(n, dtype=bool),
        "is_low": np.zeros(n, dtype=bool),
        "growth_potential": np.full(n, np.nan),
        "tie": rng.permutation(n),
        "lottery": rng.permutation(n),
    }
    return Pool(**{**fields, **changes})


def test_everyone_gets_one_role():
    found = select(pool([[3.0], [2.0], [-1.0], [np.nan]]), settings(limits={"budget": 1.0}, control_share=0.2))
    assert found.role.tolist() == [CHOSEN, BEYOND, NOT_WORTH, UNKNOWN]
    assert found.arm.tolist() == [0, -1, -1, -1]


def test_nobody_at_all_is_no_error():
    found = select(pool(np.empty((0, 1))), settings(exploration_share=0.1))
    assert found.role.tolist() == []


def test_who_is_put_in_by_hand_is_paid_first_and_gets_the_best_open_treatment():
    given = pool([[5.0, 6.0], [1.0, np.nan], [9.0, 9.0]], is_included=np.array([True, True, False]))
    given.is_open[1, 0] = False  # and of the mail nothing is known
    found = select(given, settings(treatments=(LETTER, MAIL), limits={"capacity": {"email": 2}}, control_share=0.5))
    assert found.role.tolist() == [INCLUDED, INCLUDED, CHOSEN]
    assert found.arm.tolist() == [1, 1, 0]


def test_a_budget_that_is_spent_to_the_last_cent_holds():
    given = pool(np.full((3, 1), 2.0), is_included=np.ones(3, dtype=bool))
    asked = settings(treatments=(MAIL,), limits={"budget": 0.3})
    assert 3 * MAIL.cost > 0.3  # as floats
    found = select(given, asked)
    assert found.role.tolist() == [INCLUDED] * 3


def test_the_explored_are_those_whom_all_treatments_may_reach():
    given = pool(np.full((100, 2), np.nan))
    given.is_open[:50, 1] = False
    found = select(given, settings(treatments=(LETTER, MAIL), exploration_share=0.2))
    explored = np.flatnonzero(found.role == EXPLORED)
    assert len(explored) == 10
    assert explored.min() >= 50
    assert set(explored) == set(50 + np.argsort(given.lottery[50:])[:10])


def test_nobody_is_explored_where_too_few_are_left_for_all_arms():
    few, enough = (np.array([[2.0]] * (100 - n) + [[-1.0]] * n) for n in (10, 11))
    found = select(pool(few), settings(exploration_share=0.1))
    assert EXPLORED not in found.role
    assert "nobody is drawn to learn from" in found.notes[0]
    assert (select(pool(enough), settings(exploration_share=0.1)).role == EXPLORED).sum() == 2


def test_what_is_set_aside_to_learn_from_is_no_more_than_it_can_cost():
    given = pool(np.full((1000, 1), 2.0))
    found = select(given, settings(limits={"budget": 100.0}, exploration_share=0.1, control_share=0.5))
    assert (found.role == EXPLORED).sum() == 20  # ten letters
    assert (found.role == CHOSEN).sum() == 180  # ninety letters
    too_little = select(given, settings(limits={"budget": 9.0}, exploration_share=0.1))
    assert (too_little.role == EXPLORED).sum() == 0
    assert (too_little.role == CHOSEN).sum() == 10
    assert "nobody is drawn to learn from" in too_little.notes[0]


def test_growth_counts_only_where_there_is_some():
    assert not pool([[1.0]] * 4, growth_potential=np.zeros(4)).in_floor.any()
    grows = pool([[1.0]] * 5, growth_potential=np.array([np.nan, -1.0, 1.0, 2.0, 9.0])).in_floor
    assert grows.tolist() == [False, False, False, False, True]


def test_without_effects_nobody_is_worth_more_than_is_at_risk():
    found = treated_value((LETTER, MAIL), np.array([[0.5, 0.5], [np.nan, np.nan]]), by_uplift=False)
    np.testing.assert_array_equal(found, [[0.0, 0.5], [np.nan, np.nan]])
