from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from cvm.campaigns.outcome_history import OutcomeHistory
from cvm.campaigns.power import Baseline, Design, PowerError, power_at
from cvm.campaigns.power_plan import EffectToFind, holding_out_cost, power_plan

SALES = Baseline("revenue", mean=4.0, variance=400.0, active_share=0.2)
HISTORY = OutcomeHistory(
    SALES,
    days=30,
    starts_on=(date(2024, 6, 1), date(2024, 5, 2)),
    means=(3.0, 5.0),
    n_customers=20_000,
    skewness=4.0,
    explained_share=0.25,
    revenue_per_customer=4.0,
    margin_rate=0.5,
)
TENTH = Design.even(0.1)


@pytest.mark.parametrize(
    ("text", "effect"),
    [("0.01", EffectToFind(0.01)), ("5%", EffectToFind(0.05, is_relative=True)), (" 2.5 % ", EffectToFind(0.025, True))],
)
def test_an_effect_is_read_as_written(text: str, effect: EffectToFind) -> None:
    found = EffectToFind.parse(text)
    assert (found.size, found.is_relative) == (pytest.approx(effect.size), effect.is_relative)


@pytest.mark.parametrize("text", ["", "%", "much", "5%%", "5 percent"])
def test_an_effect_that_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(PowerError, match=r"is no number; write 0.01 for one in the outcome's unit, or 5% for a relative"):
        EffectToFind.parse(text)


def test_a_relative_effect_is_one_of_the_mean() -> None:
    assert EffectToFind.parse("5%").of(SALES) == pytest.approx(0.2)
    assert EffectToFind.parse("0.3").of(SALES) == 0.3


def test_a_plan_takes_the_active_base_and_agrees_with_itself() -> None:
    plan = power_plan(HISTORY, TENTH, effect=EffectToFind.parse("10%"))
    assert plan.n_customers == 20_000
    assert plan.effect == pytest.approx(0.4)
    assert plan.chosen.power == power_at(SALES, TENTH, n_customers=20_000, effect=0.4)
    assert plan.required is not None
    assert plan.required > plan.n_customers
    assert plan.smallest_share is None
    assert [option.control_share for option in plan.options] == [0.05, 0.1, 0.2, 0.3, 0.5]
    found = [option.detectable for option in plan.options]
    assert all(found)
    assert found == sorted(found, reverse=True)


def test_a_holdout_costs_the_effect_of_those_held_out() -> None:
    # 2,000 held out, a tenth more of 4.00 revenue each, half of it margin.
    assert power_plan(HISTORY, TENTH, effect=EffectToFind.parse("10%")).chosen.cost == pytest.approx(2_000 * 0.4 * 0.5)
    assert holding_out_cost(SALES, None, n_control=2_000, effect=0.4) is None
    assert holding_out_cost(SALES, HISTORY, n_control=2_000, effect=None) is None


def test_without_a_size_a_given_baseline_takes_what_the_effect_needs() -> None:
    plan = power_plan(Baseline.of_conversion(0.05), TENTH, effect=EffectToFind.parse("10%"))
    assert plan.n_customers == plan.required
    assert plan.chosen.power == pytest.approx(0.8, abs=1e-4)
    assert plan.smallest_share == pytest.approx(0.1, rel=1e-3)
    with pytest.raises(PowerError, match="Neither the size of the campaign nor an effect is known; give --size"):
        power_plan(SALES, TENTH)


def test_the_curve_rises_through_the_power_wanted_at_the_detectable_effect() -> None:
    plan = power_plan(HISTORY, TENTH)
    effects, power = plan.curve(0.1)
    assert np.all(np.diff(power) > 0)
    assert plan.chosen.detectable is not None
    assert np.interp(plan.chosen.detectable / SALES.mean, effects, power) == pytest.approx(0.8, abs=0.005)


def test_a_curve_of_a_conversion_ends_below_one() -> None:
    plan = power_plan(Baseline.of_conversion(0.6), TENTH, n_customers=150)
    effects, power = plan.curve(0.1)
    assert len(effects) == len(power)
    assert 0.6 * (1 + effects.max()) < 1


def test_where_no_effect_can_be_found_there_is_no_curve() -> None:
    plan = power_plan(Baseline.of_conversion(0.9), TENTH, n_customers=30)
    assert plan.chosen.detectable is None
    assert [len(axis) for axis in plan.curve(0.1)] == [0, 0]


def test_unequal_treatments_keep_their_proportions_at_other_shares() -> None:
    plan = power_plan(HISTORY, Design(0.2, 0.2, n_treatments=2), n_customers=10_000)
    half = next(option for option in plan.options if option.control_share == 0.5)
    same = power_plan(HISTORY, Design(0.5, 0.125, n_treatments=2), n_customers=10_000).chosen
    assert half == same


def test_shares_that_would_leave_an_arm_next_to_empty_are_not_shown() -> None:
    plan = power_plan(SALES, Design.even(0.1, n_treatments=10), n_customers=150)
    assert [option.control_share for option in plan.options] == [0.1, 0.2, 0.3]


def test_heavy_tails_small_bases_and_several_treatments_are_told() -> None:
    assert power_plan(HISTORY, TENTH).notes == ()
    notes = power_plan(replace(HISTORY, skewness=20.0), Design.even(0.1, n_treatments=2), n_customers=30_000).notes
    assert len(notes) == 3
    assert "skewness 20.0): the figures hold from some 10,000 customers in the smallest arm on, which has 3,000" in notes[0]
    assert notes[1] == "Planned for 30,000 customers, more than the 20,000 of the active base."
    assert "2 treatments, each tested at 2.50%" in notes[2]


def test_a_rare_conversion_in_a_small_arm_is_told() -> None:
    (note,) = power_plan(Baseline.of_conversion(0.01), TENTH, n_customers=10_000).notes
    assert "(skewness 9.8): the figures hold from some 2,425 customers in the smallest arm on, which has 1,000" in note
