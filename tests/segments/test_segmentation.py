from __future__ import annotations

import json

import numpy as np

from cvm.segments import DEFAULT_RULES, Around, Condition, RuleSet, Segmentation, SegmentRule, may_stay

RICH = RuleSet((SegmentRule("rich", "keep", Condition(minimum={"clv": 100.0})), SegmentRule("rest", "wait")))
RISKY = RuleSet(
    (
        SegmentRule("leaving", "save", Condition(minimum={"p_churn": 0.8})),
        SegmentRule("rich", "keep", Condition({"value_tier": ["top", "high"]})),
        SegmentRule("rest", "wait"),
    )
)


def around(margin: float, *, tiers: list[list[str]] | None = None, **numbers: list[float]) -> Around:
    values = {name: np.array(each, dtype=float) for name, each in numbers.items()}
    texts = {"value_tier": [np.array(each) for each in tiers or []]}
    lower = {name: each - margin for name, each in values.items()}
    return Around(texts, lower, {name: each + margin for name, each in values.items()})


def test_who_is_near_a_border_may_stay_on_either_side_of_it():
    near = around(5.0, clv=[94.9, 95.0, 104.9, 105.0])
    assert may_stay(RICH, np.array(["rich"] * 4), near).tolist() == [False, True, True, True]
    assert may_stay(RICH, np.array(["rest"] * 4), near).tolist() == [True, True, True, False]


def test_a_rule_that_surely_holds_lets_nobody_stay_behind_it():
    sure = around(0.05, tiers=[["top"], ["high"]], p_churn=[0.9])
    assert not may_stay(RISKY, np.array(["rich"]), sure).any()
    unsure = around(0.05, tiers=[["top"], ["high"]], p_churn=[0.82])
    assert may_stay(RISKY, np.array(["rich"]), unsure).all()
    assert may_stay(RISKY, np.array(["leaving"]), unsure).all()
    assert not may_stay(RISKY, np.array(["rest"]), unsure).any()


def test_of_several_possible_values_one_must_fit():
    either = around(0.0, tiers=[["high"], ["medium"]], p_churn=[0.1])
    assert may_stay(RISKY, np.array(["rich"]), either).all()
    assert may_stay(RISKY, np.array(["rest"]), either).all()


def test_a_segment_that_there_is_no_more_keeps_nobody():
    assert not may_stay(RICH, np.array(["gold", ""]), around(50.0, clv=[100, 100])).any()


def test_where_there_is_no_number_there_is_no_margin():
    assert may_stay(RICH, np.array(["rich", "rest"]), around(5.0, clv=[np.nan, np.nan])).tolist() == [False, True]


def test_it_survives_being_written_as_json():
    for one in (Segmentation(), Segmentation(RISKY, 0.05)):
        assert Segmentation.from_state(json.loads(json.dumps(one.state()))) == one
    assert Segmentation().rules == DEFAULT_RULES
