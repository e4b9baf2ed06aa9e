from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.segments import LIFECYCLE_STAGES, SEGMENTS, VALUE_TIERS, segment

POTENTIALS = (-1.0, 0.0, 1.0, np.nan)
PRODUCT = list(product(VALUE_TIERS, LIFECYCLE_STAGES, POTENTIALS))

bounded = settings(derandomize=True, deadline=None, database=None, max_examples=100)


def segments(rows: list[tuple[str, str, float]]) -> list[str]:
    tiers, stages, potentials = zip(*rows, strict=True)
    return [str(name) for name in segment(np.array(tiers), np.array(stages), np.array(potentials, dtype=float))]


def by_the_table(tier: str, stage: str, potential: float) -> str:
    """The rules of the table, case by case."""
    if stage in ("prospect", "lost", "new"):
        return stage
    if tier == "top":
        return "vip"
    if tier in ("high", "medium"):
        if stage in ("slowing", "lapsing"):
            return "at_risk"
        return "core" if tier == "high" else "promising"
    return "promising" if potential > 0 else "low_value"


def test_every_combination_has_exactly_the_segment_of_the_table():
    assert len(PRODUCT) == 4 * 7 * 4
    assert segments(PRODUCT) == [by_the_table(*row) for row in PRODUCT]


def test_all_eight_segments_are_reached_and_no_other():
    assert len(set(SEGMENTS)) == 8
    assert set(segments(PRODUCT)) == set(SEGMENTS)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (("top", "prospect", 1.0), "prospect"),
        (("top", "lost", 1.0), "lost"),
        (("top", "new", 1.0), "new"),
        (("top", "active", -1.0), "vip"),
        (("top", "lapsing", -1.0), "vip"),
        (("high", "lapsing", 1.0), "at_risk"),
        (("medium", "slowing", 1.0), "at_risk"),
        (("low", "lapsing", -1.0), "low_value"),
        (("low", "lapsing", 1.0), "promising"),
        (("high", "active", -1.0), "core"),
        (("high", "returned", -1.0), "core"),
        (("medium", "active", -1.0), "promising"),
        (("low", "active", 0.5), "promising"),
        (("low", "active", 0.0), "low_value"),
        (("low", "returned", np.nan), "low_value"),
    ],
)
def test_the_rules_hold_where_checked_by_hand(row, expected):
    assert segments([row]) == [expected]


def test_text_of_any_array_kind_is_understood():
    tiers, stages, potentials = (np.array(column, dtype=object) for column in zip(*PRODUCT, strict=True))
    assert segment(tiers, stages, potentials.astype(float)).tolist() == segments(PRODUCT)


def test_no_customers_give_no_segments():
    nobody = np.array([], dtype=str)
    assert segment(nobody, nobody, np.array([], dtype=float)).shape == (0,)


@bounded
@given(
    st.lists(
        st.tuples(st.sampled_from(VALUE_TIERS), st.sampled_from(LIFECYCLE_STAGES), st.floats(allow_infinity=True)),
        min_size=1,
        max_size=50,
    )
)
def test_the_segment_is_a_total_function_of_each_customer_alone(rows):
    together = segments(rows)
    assert set(together) <= set(SEGMENTS)
    assert together == [segments([row])[0] for row in rows]
    assert together == segments(rows[::-1])[::-1]
