from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from cvm.segments import (
    DEFAULT_RULES,
    LIFECYCLE_STAGES,
    NUMBER_COLUMNS,
    SEGMENTS,
    TEXT_COLUMNS,
    VALUE_TIERS,
    Condition,
    RuleSet,
    SegmentRule,
    SegmentRulesError,
)

POTENTIALS = (-1.0, 0.0, 1.0)
PRODUCT = list(product(VALUE_TIERS, LIFECYCLE_STAGES, POTENTIALS))


def segments(rows: list[tuple[str, str, float]]) -> list[str]:
    tiers, stages, potentials = (np.array(column) for column in zip(*rows, strict=True))
    columns = {"value_tier": tiers, "lifecycle_stage": stages, "growth_potential": potentials.astype(float)}
    return [str(name) for name in DEFAULT_RULES.segment(columns, n=len(rows))]


def by_the_table(tier: str, stage: str, potential: float) -> str:
    """The default rules, case by case."""
    if stage in ("prospect", "lost", "new"):
        return stage
    if tier == "top":
        return "vip"
    if tier in ("high", "medium"):
        if stage in ("slowing", "lapsing"):
            return "at_risk"
        return "core" if tier == "high" else "promising"
    return "promising" if potential > 0 else "low_value"


def refused(*rules: tuple[str, Condition]) -> str:
    with pytest.raises(SegmentRulesError, match="rule") as error:
        RuleSet(tuple(SegmentRule(name, "a goal", when) for name, when in rules))
    return str(error.value)


def values(**columns: list[str]) -> Condition:
    return Condition(columns)


class TestTheDefault:
    def test_every_combination_has_exactly_the_segment_of_the_table(self):
        assert len(PRODUCT) == 4 * 7 * 3
        assert segments(PRODUCT) == [by_the_table(*row) for row in PRODUCT]

    def test_all_eight_segments_are_reached_and_no_other(self):
        assert len(set(SEGMENTS)) == 8
        assert set(segments(PRODUCT)) == set(SEGMENTS) == set(DEFAULT_RULES.goals)

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            (("top", "prospect", 1.0), "prospect"),
            (("top", "lost", 1.0), "lost"),
            (("top", "lapsing", -1.0), "vip"),
            (("high", "lapsing", 1.0), "at_risk"),
            (("low", "lapsing", -1.0), "low_value"),
            (("low", "lapsing", 1.0), "promising"),
            (("high", "returned", -1.0), "core"),
            (("low", "active", 0.0), "low_value"),
            (("low", "active", 1e-9), "promising"),
        ],
    )
    def test_the_rules_hold_where_checked_by_hand(self, row, expected):
        assert segments([row]) == [expected]

    def test_it_survives_being_written_as_json(self):
        assert RuleSet.from_state(DEFAULT_RULES.state()) == DEFAULT_RULES

    def test_no_customers_give_no_segments(self):
        nobody = np.array([], dtype=str)
        columns = {"value_tier": nobody, "lifecycle_stage": nobody, "growth_potential": np.array([])}
        assert DEFAULT_RULES.segment(columns, n=0).shape == (0,)


class TestRefusals:
    def test_an_empty_list(self):
        assert "there is no rule" in refused()

    def test_a_name_that_stands_twice(self):
        said = refused(("a", values(value_tier=["top"])), ("b", values(value_tier=["low"])), ("a", Condition()))
        assert said == "rules 1 and 3 are both called 'a'; give each segment one rule"

    @pytest.mark.parametrize("other", ["At risk", "at_risk ", "AT__RISK"])
    def test_names_that_read_alike(self, other: str):
        said = refused(("at_risk", values(value_tier=["top"])), (other, Condition()))
        assert said == f"rules 'at_risk' and {other!r} read alike; give one segment another name"

    @pytest.mark.parametrize("name", ["unknown", "Unknown"])
    def test_the_name_of_customers_without_scores(self, name: str):
        said = refused(("a", values(value_tier=["top"])), (name, Condition()))
        assert said == f"rule {name!r} is called as customers without scores are; give the segment another name"

    def test_a_value_that_nobody_has_gets_the_nearest_that_somebody_has(self):
        assert "the lifecycle_stage 'slow'; did you mean 'slowing'?" in refused(
            ("a", values(lifecycle_stage=["slow"])), ("b", Condition())
        )

    def test_a_column_that_there_is_not(self):
        assert "bounds 'churn_p'; did you mean 'p_churn'?" in refused(
            ("a", Condition(minimum={"churn_p": 0.5})), ("b", Condition())
        )
        assert "asks for values of 'goal'; there are ['value_tier'" in refused(("a", values(goal=["x"])), ("b", Condition()))

    def test_a_hole_in_values_with_an_example_of_who_falls_in(self):
        said = refused(("a", values(value_tier=["top", "high"])), ("b", values(value_tier=["low"])))
        assert said.startswith("a customer with value_tier medium falls under no rule")

    def test_a_hole_between_two_bounds(self):
        said = refused(
            ("low", Condition(maximum={"clv": 100})),
            ("high", Condition(minimum={"clv": 100.5})),
            ("x", Condition(maximum={"p_churn": 1})),
        )
        assert "clv between 100 and 100.5, p_churn unknown" in said

    def test_where_there_is_no_number_no_bound_holds(self):
        said = refused(("low", Condition(maximum={"p_churn": 0.5})), ("high", Condition(minimum={"p_churn": 0.5})))
        assert "p_churn unknown falls under no rule" in said

    def test_a_rule_that_earlier_ones_leave_nobody(self):
        said = refused(
            ("a", values(value_tier=["top", "high"])),
            ("b", values(value_tier=["medium", "low"])),
            ("c", values(lifecycle_stage=["new"])),
            ("d", Condition()),
        )
        assert said.startswith("rule 3 ('c') can never decide: 'a' and 'b' together take everybody it asks for")
        assert "rule 4 ('d') can never decide" in said

    @pytest.mark.parametrize(
        ("when", "column"),
        [
            (Condition(minimum={"p_churn": 0.6}, maximum={"p_churn": 0.4}), "p_churn"),
            (Condition(minimum={"p_churn": 30}), "p_churn"),
            (Condition(minimum={"rfm_recency": 2.1}, maximum={"rfm_recency": 2.9}), "rfm_recency"),
            (Condition({"value_tier": []}), "value_tier"),
        ],
    )
    def test_a_rule_that_nobody_can_meet(self, when, column):
        assert f"nobody can meet what it asks of {column}" in refused(("a", when), ("b", Condition()))

    def test_all_values_of_a_column_need_nobody_else(self):
        tiers = np.array(["top", "high", "medium", "low"])
        rules = RuleSet(
            (
                SegmentRule("good", "keep", values(value_tier=["top", "high"])),
                SegmentRule("rest", "wait", values(value_tier=["medium", "low"])),
            )
        )
        assert rules.segment({"value_tier": tiers}, n=4).tolist() == ["good", "good", "rest", "rest"]


def test_the_columns_of_rules_are_columns_of_the_scores():
    from cvm.scoring.schema import SCORE_SCHEMA

    assert {*TEXT_COLUMNS, *NUMBER_COLUMNS} <= set(SCORE_SCHEMA.names)
