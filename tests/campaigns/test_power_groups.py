from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.campaigns.assignment import Split
from cvm.campaigns.outcome_history import OutcomeHistory, SegmentHistory
from cvm.campaigns.power import Baseline, Design, PowerError, detectable_effect, power_at
from cvm.campaigns.power_groups import arm_powers, segment_powers, segment_relation
from cvm.campaigns.power_plan import EffectToFind, design_of, power_plan
from cvm.engines import DuckDBEngine
from memory import Memory

SALES = Baseline("revenue", mean=4.0, variance=400.0, active_share=0.2)
HISTORY = OutcomeHistory(
    SALES,
    days=30,
    starts_on=(date(2024, 6, 1),),
    means=(4.0,),
    n_customers=20_000,
    skewness=4.0,
    explained_share=0.25,
    revenue_per_customer=4.0,
    margin_rate=0.5,
)
SPLIT = Split({"control": 0.2, "letter": 0.5, "call": 0.3})


def test_the_smallest_treatment_shows_what_is_said_of_the_whole() -> None:
    plan = power_plan(HISTORY, Design.of(SPLIT), effect=EffectToFind.parse("10%"))
    letter, call = arm_powers(plan, SPLIT)
    assert [(arm.name, arm.n_customers) for arm in (letter, call)] == [("letter", 10_000), ("call", 6_000)]
    assert (call.detectable, call.power) == (pytest.approx(plan.chosen.detectable), pytest.approx(plan.chosen.power))
    assert letter.detectable is not None
    assert call.detectable is not None
    assert letter.detectable < call.detectable
    assert "Treatments differ in size" in plan.notes[-1]


def test_a_segment_is_planned_with_its_own_size_and_spread() -> None:
    small = Baseline("revenue", mean=20.0, variance=900.0, active_share=0.8)
    segments = [
        SegmentHistory("low", 15_000, HISTORY),
        SegmentHistory("top", 5_000, replace(HISTORY, baseline=small)),
        SegmentHistory("new", 0, None, "no revenue in past windows"),
    ]
    design = Design.even(0.1)
    plan = power_plan(HISTORY, design, n_customers=10_000, effect=EffectToFind.parse("10%"))
    low, top, new = segment_powers(plan, segments, EffectToFind.parse("10%"))
    assert (low.n_customers, top.n_customers) == (7_500, 2_500)
    assert top.detectable == detectable_effect(small, design, n_customers=2_500)
    assert top.power == power_at(small, design, n_customers=2_500, effect=2.0)
    assert (new.baseline, new.detectable, new.gap) == (None, None, "no revenue in past windows")


def test_a_segment_too_small_or_an_effect_too_large_is_no_error() -> None:
    often = replace(HISTORY, baseline=Baseline.of_conversion(0.95))
    plan = power_plan(often, Design.even(0.1), n_customers=10_000, effect=EffectToFind.parse("0.01"))
    tiny, large = segment_powers(
        plan, [SegmentHistory("tiny", 10, often), SegmentHistory("large", 9_990, often)], EffectToFind.parse("0.2")
    )
    assert tiny.gap == "fewer than two customers in an arm"
    assert large.power is None
    assert large.detectable is not None


@pytest.fixture
def engine() -> DuckDBEngine:
    engine = Memory()
    engine.register("given", pa.table({"customer_id": ["a", "b"], "region": ["x", None], "tags": [["t"], []]}))
    engine.replace_table("customers", "SELECT * FROM given")
    return engine


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "as_of=2024-01-01" / "scores.parquet"
    path.parent.mkdir()
    ids = [f"c{number}" for number in range(99)]
    pq.write_table(pa.table({"customer_id": ids, "value_tier": ["top"] * 99, "clv": np.arange(99.0)}), path)
    return path


def test_segments_come_from_the_scores_or_the_customers(engine: DuckDBEngine, scores: Path) -> None:
    for column, n in (("value_tier", 99), ("region", 2)):
        relation = segment_relation(engine, column, scores=scores)
        assert engine.row(f"SELECT count(*) AS n FROM {relation}") == {"n": n}


def test_columns_that_are_no_segments_are_refused(engine: DuckDBEngine, scores: Path) -> None:
    for column, cause in (
        ("clv", r"'clv' has 99 values, must be at most 50"),
        ("tags", r"'tags' holds lists"),
        ("as_of", r"have a column 'as_of'; they have \['clv', 'region', 'tags', 'value_tier'\]"),
    ):
        with pytest.raises(PowerError, match=cause):
            segment_relation(engine, column, scores=scores)
    with pytest.raises(PowerError, match=r"there are neither\. Run `cvm run` first"):
        segment_relation(Memory(), "value_tier", scores=None)


def test_arms_are_asked_for_in_one_way() -> None:
    usual = {"alpha": 0.05, "power": 0.8, "usual_share": 0.1}
    assert design_of(None, None, None, **usual) == (None, Design.even(0.1))
    assert design_of(None, 0.3, 2, **usual) == (None, Design.even(0.3, n_treatments=2))
    assert design_of("control=0.2, letter=0.5 ,call=0.3", None, None, **usual) == (SPLIT, Design.of(SPLIT))
    with pytest.raises(PowerError, match="--shares says all arms already; leave --holdout and --treatments out"):
        design_of("control=0.5,mail=0.5", 0.5, None, **usual)
