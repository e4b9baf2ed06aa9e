from __future__ import annotations

import math

import pyarrow as pa
import pytest

import shop
from cvm.errors import ParamsError
from cvm.params_playbook import UPLIFT_COLUMNS
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.segments import NUMBER_COLUMNS
from cvm.segments.conditions import Condition

GOALS, TREATMENTS = (
    [{"name": "keep vips", "metric": "churn_rate", "target": "-15%", "deadline": "2030-12-31"}],
    {"treatments": {"letter": {"channel": "post", "cost": 1.1}}},
)


def params(folder, *rules):
    return shop.params_for(folder, goals=GOALS, campaigns=TREATMENTS, playbook=list(rules))


def test_a_rule_reads_as_a_condition_on_scores(tmp_path) -> None:
    when = {"segments": ["vip"], "rfm_segments": ["champions"], "min": {"p_churn": 0.4}, "uplift": "positive"}
    rule = params(tmp_path, {"name": "a", "goal": "keep vips", "when": when, "treatment": "letter"}).playbook[0]
    condition = Condition(**rule.when.condition())
    assert condition.values == {"segment": ["vip"], "rfm_segment": ["champions"]}
    assert condition.minimum == {"p_churn": 0.4, "expected_uplift": math.nextafter(0, 1)}


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"goal": "keep vip"}, "rule 'a' serves the goal 'keep vip', which is not under goals; did you mean 'keep vips'"),
        ({"goal": None}, "playbook.0.goal"),
        ({"treatment": "leter"}, "rule 'a' gives 'leter', which is not under campaigns.treatments; did you mean 'letter'"),
        ({"when": {"segments": ["vips"]}}, "rule 'a' asks for segments 'vips', which nobody can have; did you mean 'vip'"),
        ({"when": {"min": {"p_chrun": 1.0}}}, "rule 'a' bounds 'p_chrun', which is no column of numbers of the scores"),
        ({"when": {"min": {"clv": 2.0}, "max": {"clv": 1.0}}}, "asks for clv from 2 to 1, which nobody has"),
        ({"when": {"uplift": "positive"}}, "asks for uplift: positive and names no treatment"),
        ({"when": {"segment": ["vip"]}}, "playbook.0.when.segment: unknown key; did you mean 'segments'"),
        ({"treatment": "letter", "cost": 2.0}, "has a treatment, and a channel or cost of its own"),
        ({"cost": 2.0}, "has a cost and no channel"),
        ({"cap": 0}, "playbook.0.cap"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(tmp_path, rule, problem: str) -> None:
    with pytest.raises(ParamsError, match=problem):
        params(tmp_path, {"name": "a", "goal": "keep vips", **rule})


def test_rules_that_share_a_name_or_never_decide_are_refused(tmp_path) -> None:
    rest = {"name": "rest", "goal": "keep vips"}
    with pytest.raises(ParamsError, match=r"2 rules are called 'rest'.*takes everybody, so the 1 after it never decide"):
        params(tmp_path, rest, rest)


def test_numbers_that_a_rule_may_bound_are_those_of_the_scores() -> None:
    constant = {"horizon_days", "clv_days"}
    numbers = {field.name for field in SCORE_SCHEMA if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)}
    assert {*NUMBER_COLUMNS, *UPLIFT_COLUMNS} == numbers - constant


@pytest.mark.parametrize("key", ["window_days", "cart_hours", "inactive_days", "falling_days", "falling_against_days"])
def test_a_span_that_no_calendar_holds_is_refused(tmp_path, key: str) -> None:
    with pytest.raises(ParamsError, match=f"triggers.{key}: 999999999: input should be less than or equal to"):
        shop.params_for(tmp_path, triggers={key: 999_999_999})


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "a name of 0 characters, blanks at its ends left out; write 1 to 60"),
        ("  ", "a name of 0 characters, blanks at its ends left out; write 1 to 60"),
        ("x" * 61, "a name of 61 characters, blanks at its ends left out; write 1 to 60"),
        ("two\nlines", r"'two\\nlines' holds '\\n' at character 4, which no line of text shows; remove it"),
        ("a\x00", r"'a\\x00' holds '\\x00' at character 2"),
    ],
)
@pytest.mark.parametrize("where", ["playbook", "goals", "segments"])
def test_a_name_that_no_table_can_show_is_refused(tmp_path, where: str, name: str, problem: str) -> None:
    sections = {
        "playbook": {"goals": GOALS, "playbook": [{"name": name, "goal": "keep vips"}]},
        "goals": {"goals": [{**GOALS[0], "name": name}]},
        "segments": {"segments": {"rules": [{"name": name, "goal": "keep"}]}},
    }
    with pytest.raises(ParamsError, match=rf"{where}.*name: {problem}"):
        shop.params_for(tmp_path, **sections[where])


def test_blanks_at_the_ends_of_a_name_are_no_part_of_it(tmp_path) -> None:
    rules = [{"name": " everybody ", "goal": "keep"}]
    assert shop.params_for(tmp_path, segments={"rules": rules}).segments.rule_set.names == ("everybody",)
