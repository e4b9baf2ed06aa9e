"""Whatever rules somebody writes: refused, or everybody is in exactly one segment and every segment can have somebody."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.segments import LIFECYCLE_STAGES, VALUE_TIERS, Condition, RuleSet, SegmentRule, SegmentRulesError

bounded = settings(derandomize=True, deadline=None, database=None, max_examples=150)

# Every number that differs from all others of its column to bounds among -1, 0, 1 and 2, and no number.
GRID = [np.nan, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]
CELLS = list(product(VALUE_TIERS, LIFECYCLE_STAGES, GRID, GRID))
COLUMNS = {
    name: np.array(values)
    for name, values in zip(
        ("value_tier", "lifecycle_stage", "clv", "growth_potential"), zip(*CELLS, strict=True), strict=True
    )
}

texts = st.fixed_dictionaries(
    {},
    optional={
        "value_tier": st.lists(st.sampled_from(VALUE_TIERS), min_size=1, unique=True),
        "lifecycle_stage": st.lists(st.sampled_from(LIFECYCLE_STAGES), min_size=3, unique=True),
    },
)
numbers = st.dictionaries(st.sampled_from(["clv", "growth_potential"]), st.sampled_from([-1.0, 0.0, 1.0, 2.0]), max_size=2)
conditions = st.builds(Condition, texts, numbers, numbers)
rule_lists = st.lists(conditions, min_size=1, max_size=5).flatmap(lambda some: st.sampled_from([some, [*some, Condition()]]))


def decided(rules: list[Condition]) -> tuple[set[int], int]:
    """Numbers of the rules that decide for some cell, and how many cells no rule decides; by brute force."""
    first = np.full(len(CELLS), -1)
    for number, when in reversed(list(enumerate(rules))):
        first[when.holds(COLUMNS, n=len(CELLS))] = number
    return set(first.tolist()) - {-1}, int((first == -1).sum())


@bounded
@given(rule_lists)
def test_rules_are_refused_exactly_where_brute_force_finds_a_hole_or_an_idle_rule(conditions):
    reached, n_left = decided(conditions)
    rules = tuple(SegmentRule(f"s{number}", "goal", when) for number, when in enumerate(conditions))
    if n_left == 0 and len(reached) == len(conditions):
        found = RuleSet(rules).segment(COLUMNS, n=len(CELLS))
        assert set(found) == {rule.name for rule in rules}
        return
    with pytest.raises(SegmentRulesError, match=r"falls under no rule|can never decide") as error:
        RuleSet(rules)
    said = str(error.value)
    assert ("falls under no rule" in said) == (n_left > 0)
    assert {number for number in range(len(rules)) if f"('s{number}') can never decide" in said} == set(
        range(len(rules))
    ) - reached
