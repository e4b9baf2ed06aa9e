from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chisquare

from cvm.campaigns.assignment import AssignmentError, Split
from cvm.campaigns.balance import DrawCheck, draw_check, ratio_check
from memory import Memory
from python_draws import assign

TWO = Split({"control": 0.2, "mail": 0.8})
IDS = [f"c{number}" for number in range(4000)]


def checked(arms: list[str], split: Split = TWO, **covariates: object) -> DrawCheck:
    with Memory() as engine:
        engine.register("assigned", pa.table({"customer_id": IDS[: len(arms)], "arm": arms}))
        engine.register("known", pa.table({"customer_id": IDS[: len(arms)], **covariates}))
        return draw_check(engine, "assigned", "known", split)


def test_the_ratio_of_the_hillstrom_arms_is_as_published() -> None:
    # tests against reference figures of the Hillstrom e-mail test: chi2 .2025, p .9037.
    split = Split({"control": 1 / 3, "Mens": 1 / 3, "Womens": 1 / 3})
    found = ratio_check({"control": 21306, "Mens": 21307, "Womens": 21387}, split)
    assert (found.statistic, found.p_value) == (pytest.approx(0.2025, abs=5e-5), pytest.approx(0.9037, abs=5e-5))
    assert found.holds


def test_the_ratio_agrees_with_scipy_and_counts_an_arm_without_anybody() -> None:
    split = Split({"control": 0.1, "a": 0.2, "b": 0.7})
    for counts in ({"control": 90, "a": 230, "b": 680}, {"b": 680, "control": 120}):
        total = sum(counts.values())
        expected = chisquare(
            [counts.get(arm, 0) for arm in split.shares], [total * share for share in split.shares.values()]
        )
        found = ratio_check(counts, split)
        assert (found.statistic, found.p_value) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))


def test_p_values_of_the_ratio_are_uniform_under_independent_draws() -> None:
    rng = np.random.default_rng(5)
    p_values = [ratio_check({"control": int(n), "mail": 4000 - int(n)}, TWO).p_value for n in rng.binomial(4000, 0.2, 2000)]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.mean(np.array(p_values) < 0.5) == pytest.approx(0.5, abs=0.04)


def test_differences_are_in_standard_deviations() -> None:
    arms = ["control"] * 4 + ["mail"] * 4
    found = checked(
        arms, Split({"control": 0.5, "mail": 0.5}), spend=[1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 5.0, 6.0], flat=[7.0] * 8
    )
    (spend,) = found.balance
    assert (spend.covariate, spend.arm) == ("spend", "mail")
    assert spend.difference == pytest.approx(2 / math.sqrt(1.25))


def test_a_fair_draw_holds() -> None:
    rng = np.random.default_rng(3)
    arms = assign(IDS, TWO, campaign_id="fair", salt="s").tolist()
    found = checked(arms, spend=rng.lognormal(3, 1, 4000), orders=rng.poisson(2, 4000), vip=rng.random(4000) < 0.1)
    assert found.ratio.holds
    assert found.unbalanced == ()
    assert {one.covariate for one in found.balance} == {"spend", "orders", "vip"}
    assert found.sentence.startswith("The draw holds: control ")
    assert sorted(found.balance, key=lambda one: -abs(one.difference)) == list(found.balance)


def test_an_arm_that_lost_customers_is_told() -> None:
    arms = [arm for number, arm in enumerate(assign(IDS, TWO, campaign_id="a", salt="s")) if arm != "mail" or number % 5]
    found = checked(arms)
    assert not found.ratio.holds
    assert found.sentence.startswith("The draw failed: control ")
    assert "Find what removed or added customers after the draw" in found.sentence


def test_arms_that_are_not_alike_are_told() -> None:
    arms = ["control"] * 800 + ["mail"] * 3200
    found = checked(arms, tenure=np.arange(4000.0), city=["x"] * 4000)
    assert [one.covariate for one in found.unbalanced] == ["tenure"]
    assert (
        "sizes hold, but 1 of 1 differences are more than chance (in standard deviations: tenure of mail +" in found.sentence
    )


def test_columns_that_are_neither_numbers_nor_flags_nor_texts_are_left_out() -> None:
    arms = ["control"] * 800 + ["mail"] * 3200
    found = checked(arms, baskets=[[1, 2], [3]] * 2000, tags=[["a"], ["b"]] * 2000, age=[1.0, 2.0] * 2000)
    assert {one.covariate for one in found.balance} == {"age"}


def test_gaps_are_a_covariate_of_their_own() -> None:
    arms = ["control"] * 800 + ["mail"] * 3200
    ages = [None if number < 400 else float(number % 50) for number in range(4000)]
    assert [one.covariate for one in checked(arms, age=ages).unbalanced] == ["age is missing"]
    assert [one.covariate for one in checked(arms, age=[math.nan] * 400 + [1.0, 2.0] * 1800).unbalanced] == [
        "age is missing"
    ]


def test_texts_are_compared_by_the_shares_of_their_values() -> None:
    arms = ["control"] * 800 + ["mail"] * 3200
    cities = ["Kyiv", "Lviv", "Odesa", "Dnipro"]
    same = [cities[number % 4] for number in range(4000)]
    assert {one.covariate for one in checked(arms, city=same).balance} == {"city = Dnipro", "city = Kyiv", "city = Lviv"}
    moved = ["Kyiv" if number < 400 else cities[number % 4] for number in range(4000)]
    found = checked(arms, city=moved)
    assert found.balance[0].covariate == "city = Kyiv"
    assert not found.ratio.holds or found.unbalanced
    assert found.balance[0].difference < -0.5
    gone = [None if number < 200 else city for number, city in enumerate(same)]
    assert checked(arms, city=gone).unbalanced[0].covariate == "city is missing"


def test_values_of_few_customers_are_never_told() -> None:
    mails = [f"someone{number}@shop.com" for number in range(3900)] + ["rare"] * 19 + ["office@shop.com"] * 81
    arms = ["control"] * 800 + ["mail"] * 3200
    assert {one.covariate for one in checked(arms, email=mails).balance} == {"email = office@shop.com"}


def test_a_small_sample_may_differ_by_chance() -> None:
    found = checked(
        ["control", "mail"] * 10, Split({"control": 0.5, "mail": 0.5}), spend=list(np.tile([1.0, 1.5, 2.0, 2.5], 5))
    )
    assert "(chance in so few customers; stratify to avoid it)" in found.sentence


def test_an_arm_that_the_split_does_not_know_is_refused() -> None:
    with pytest.raises(AssignmentError, match=r"The arms \['sms'\] are not among \['control', 'mail'\]"):
        checked(["control", "mail", "sms"])


def test_nobody_at_all_is_refused() -> None:
    with pytest.raises(AssignmentError, match="No customer is in any arm"):
        ratio_check({}, TWO)
