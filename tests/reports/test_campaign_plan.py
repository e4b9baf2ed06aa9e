"""A plan at the terminal."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from cvm.campaigns.audiences import AudienceFile
from cvm.campaigns.plan_files import Approved
from cvm.campaigns.plan_result import Cell, Fate, PlannedArm, PlanSummary
from cvm.reports.campaign_plan import approved_sentences, plan_tables
from planned import AS_OF

CELL = Cell(
    campaign_id="spring",
    is_exploration=False,
    arms=(PlannedArm("control", None, 100, 0.0, None), PlannedArm("letter", "post", 900, 990.0, 5000.0)),
    n_by_hand=3,
    draw_holds=True,
    draw="The draw holds.",
    largest_difference=0.031,
    detectable_conversion=0.021,
    detectable_revenue=2.8,
)
PLAN = PlanSummary(
    name="spring",
    as_of=AS_OF,
    on=AS_OF,
    model_version="abc",
    currency="EUR",
    by_uplift=True,
    n_scored=5000,
    fates=(Fate("consent", "no consent", 3997), Fate("value", "value unknown", 0), Fate("drawn", "chosen", 1003)),
    cells=(CELL,),
    budget=1000.0,
    spent=993.3,
    capacity={"post": 1000},
    used={"post": 903},
    gap=0.0004,
    floor_share=0.1,
    n_floor=400,
    floor_cost=123.0,
    margin_rate=0.5,
    notes=(),
)


def shown(*renderables) -> str:
    console = Console(file=StringIO(), width=200, soft_wrap=True)
    console.print(*renderables, sep="\n")
    return console.file.getvalue()


def test_a_plan_tells_who_is_left_out_what_is_drawn_and_what_it_is_worth():
    text = shown(*plan_tables(PLAN))
    for part in (
        "who of 5,000 customers",
        "no consent",
        "1,003",
        "900  90.0%",
        "990.00",
        "Expected net value of those chosen: 5,000 EUR",
        "will know it to within 882 EUR: enough to tell it from 0.",
        "903 contacts for 993 EUR of 1,000 EUR (99.3%): post 903 of 1,000.",
        "at most 0.04% short of the best possible one",
        "The floor of 10% for customers of low value or high growth potential costs 123 EUR of net value; 400 of them",
        "holds",
        "0.03 SD",
        "+2.10 points",
        "+2.80",
    ):
        assert part in text
    assert "value unknown" not in text


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"by_uplift": False}, "nobody knows whom one moves"),
        ({"budget": None, "capacity": {}, "floor_cost": None}, "no budget set: post 903."),
        ({"floor_cost": None}, "nobody is crowded out"),
        ({"floor_cost": 0.0}, "costs nothing"),
        ({"gap": 0.0}, "less than 0.01% short"),
        ({"cells": (replace(CELL, detectable_revenue=280.0),)}, "not enough to tell it from 0 for sure"),
        ({"margin_rate": None}, "if effects are what the model expects.\n"),
        ({"cells": (replace(CELL, draw_holds=False, draw="The draw failed: why."),)}, "spring: The draw failed: why."),
        ({"cells": (replace(CELL, is_exploration=True),)}, "Expected net value: none, as nobody is chosen."),
        ({"cells": (replace(CELL, draw_holds=None, draw="Too few."),)}, "spring: Too few."),
    ],
)
def test_what_is_not_known_is_not_told(changes, part):
    assert part in shown(*plan_tables(replace(PLAN, **changes)))


def test_where_nobody_is_chosen_no_optimum_is_praised():
    text = shown(*plan_tables(replace(PLAN, fates=(Fate("drawn", "explored", 100),))))
    assert "short of the best" not in text
    assert "floor" not in text


def test_an_approval_lists_its_files_but_not_too_many():
    files = tuple(
        AudienceFile(Path(f"file{number}.csv"), "spring", "letter", "post", "plain", 45, {"no address": 2})
        for number in range(20)
    )
    text = shown(*approved_sentences(Approved("spring", Path("spring.parquet"), files, 1003, 903, 993.3), currency="EUR"))
    assert "1,003 customers drawn, 903 of them to be contacted for 993 EUR" in text
    assert "letter by post: 45 customers in file11.csv (plain); left out 2 with no address" in text
    assert "and 8 more" in text
