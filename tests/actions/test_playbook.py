from __future__ import annotations

import numpy as np
import pytest

from cvm.actions.playbook import NO_RULE, Candidates, PlaybookRule, resolved
from cvm.segments.conditions import Condition


def rule(name: str, cap: int | None = None, **more: object) -> PlaybookRule:
    return PlaybookRule(name, Condition(), cap=cap, **more)


def candidates(holds, *, reach=None, harmed=None, value=None) -> Candidates:
    n = len(holds)
    return Candidates(
        np.array(holds, dtype=bool),
        np.ones(n, dtype=bool) if reach is None else np.array(reach, dtype=bool),
        np.zeros(n, dtype=bool) if harmed is None else np.array(harmed, dtype=bool),
        np.zeros(n) if value is None else np.array(value, dtype=float),
    )


def test_the_first_rule_that_holds_and_has_room_decides() -> None:
    first = candidates([1, 1, 1, 0], value=[1.0, 3.0, np.nan, 9.0])
    second = candidates([1, 1, 0, 1])
    found, counts = resolved([rule("a", cap=1), rule("b")], [first, second])
    assert found.tolist() == [1, 0, NO_RULE, 1]
    assert (counts[0].n_held, counts[0].n_given, counts[0].n_over_cap) == (3, 1, 2)
    assert (counts[1].n_held, counts[1].n_given) == (2, 2)


def test_who_may_not_be_reached_or_is_known_to_be_harmed_goes_on_to_the_next_rule() -> None:
    first = candidates([1, 1, 1], reach=[0, 1, 1], harmed=[1, 1, 0])
    found, counts = resolved([rule("a"), rule("b")], [first, candidates([1, 1, 1])])
    assert found.tolist() == [1, 1, 0]
    assert (counts[0].n_out_of_reach, counts[0].n_harmed, counts[0].n_given) == (1, 1, 1)


def test_ties_go_to_the_first_by_id_and_unknown_values_last() -> None:
    found, _ = resolved([rule("a", cap=2)], [candidates([1, 1, 1, 1], value=[np.nan, 2.0, 2.0, 2.0])])
    assert found.tolist() == [NO_RULE, 0, 0, NO_RULE]


@pytest.mark.parametrize(("treatment", "action"), [("letter", "letter"), (None, "a")])
def test_an_action_is_called_by_its_treatment_or_its_rule(treatment: str | None, action: str) -> None:
    assert rule("a", treatment=treatment).action == action


def test_without_customers_nobody_gets_anything() -> None:
    found, counts = resolved([rule("a")], [candidates([])])
    assert (found.tolist(), counts[0].n_given) == ([], 0)
