from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_ind

from cvm.campaigns.assignment import Split
from cvm.campaigns.power import (
    Baseline,
    Design,
    PowerError,
    check_outcome,
    detectable_effect,
    given_baseline,
    power_at,
    power_of_difference,
    required_customers,
    smallest_control_share,
)

HALVES = Design.even(0.5)
SALES = Baseline("revenue", mean=4.0, variance=400.0, active_share=0.2)
CONVERSION = Baseline.of_conversion(0.05)


def unchanging(effect: float) -> Baseline:
    """A mean so high that the effect leaves the variance of 1 as it is."""
    return Baseline("revenue", mean=effect * 1e7, variance=1.0)


@pytest.mark.parametrize(
    ("size", "power"),
    [
        # R, help(power.t.test): power.t.test(n = 20, delta = 1, sd = 1).
        (20, 0.8689528),
        # The same: power.t.test(power = .90, delta = 1) gives n = 22.02110.
        (22.02110, 0.90),
    ],
)
def test_power_of_two_means_is_that_of_the_textbook(size: float, power: float) -> None:
    found = power_of_difference(1.0, variances=(1.0, 1.0), sizes=(size, size), alpha=0.05)
    assert found == pytest.approx(power, abs=2e-6)


def test_a_medium_effect_needs_64_in_each_group() -> None:
    # Cohen (1988), table 2.4.1: d = .5, power .80, two-sided 5 %.
    assert required_customers(unchanging(0.5), HALVES, effect=0.5) == 128


def test_two_proportions_need_what_the_textbook_says() -> None:
    # Chow, Shao & Wang, Sample Size Calculations in Clinical Research, section 4.2: .65 against .85 needs 70 in each group.
    assert required_customers(Baseline.of_conversion(0.65), HALVES, effect=0.20) == 140


def test_unequal_arms_need_what_the_formula_says() -> None:
    # (z_a + z_b)^2 (p1 q1 / n1 + p2 q2 / n2) = d^2, written out for 10 % in control.
    z = 1.959963984540054 + 0.8416212335729143
    total = z**2 * (0.05 * 0.95 / 0.1 + 0.06 * 0.94 / 0.9) / 0.01**2
    found = required_customers(CONVERSION, Design.even(0.1), effect=0.01)
    assert total <= found <= total + 2


@pytest.mark.parametrize(("n_treatments", "z"), [(2, 2.241403), (3, 2.393980)])
def test_several_treatments_are_tested_at_their_part_of_alpha(n_treatments: int, z: float) -> None:
    shares = 1 / (n_treatments + 1)
    total = (z + 0.8416212) ** 2 * (0.05 * 0.95 + 0.06 * 0.94) / 0.01**2 / shares
    design = Design.even(shares, n_treatments=n_treatments)
    assert required_customers(CONVERSION, design, effect=0.01) == pytest.approx(total, rel=1e-4)


def test_the_smallest_treatment_decides() -> None:
    design = Design.of(Split({"control": 0.4, "mail": 0.5, "sms": 0.1}))
    assert (design.control_share, design.treatment_share, design.n_treatments) == (0.4, 0.1, 2)
    even = Design.of(Split({"control": 0.4, "mail": 0.3, "sms": 0.3}))
    assert required_customers(CONVERSION, design, effect=0.01) > required_customers(CONVERSION, even, effect=0.01)


@pytest.mark.parametrize("baseline", [CONVERSION, SALES, Baseline("orders", 0.4, 0.9, 0.25)])
@pytest.mark.parametrize("design", [HALVES, Design.even(0.1, n_treatments=2, power=0.9)])
def test_size_effect_and_power_agree(baseline: Baseline, design: Design) -> None:
    effect = 0.1 * baseline.mean
    n = required_customers(baseline, design, effect=effect)
    assert power_at(baseline, design, n_customers=n, effect=effect) >= design.power
    assert power_at(baseline, design, n_customers=n - 2 / design.control_share, effect=effect) < design.power
    assert detectable_effect(baseline, design, n_customers=n) == pytest.approx(effect, rel=1e-3)


def test_the_smallest_holdout_has_just_the_power() -> None:
    share = smallest_control_share(CONVERSION, HALVES, n_customers=50_000, effect=0.01)
    assert share is not None
    assert power_at(CONVERSION, Design.even(share), n_customers=50_000, effect=0.01) == pytest.approx(0.8)
    assert smallest_control_share(CONVERSION, HALVES, n_customers=1_000, effect=0.01) is None
    assert smallest_control_share(CONVERSION, HALVES, n_customers=3, effect=0.01) is None


def test_few_customers_can_show_no_possible_effect() -> None:
    assert detectable_effect(Baseline.of_conversion(0.9), HALVES, n_customers=20) is None


def test_an_effect_on_conversion_keeps_the_variance_of_a_conversion() -> None:
    assert CONVERSION.variance_after(0.02) == pytest.approx(0.07 * 0.93)


def test_more_buyers_of_the_usual_kind_and_then_more_from_each() -> None:
    # A fifth spends 20 on average with variance 1680; a quarter of them does after an effect of 1, all of twice after 36.
    second_moment = (400 + 16) / 0.2
    assert SALES.variance_after(1.0) == pytest.approx(0.25 * second_moment - 25)
    assert SALES.variance_after(36.0) == pytest.approx(4 * second_moment - 1600)


def simulated_power(outcomes: tuple[np.ndarray, np.ndarray]) -> float:
    return float(np.mean(ttest_ind(*outcomes, axis=1, equal_var=False).pvalue < 0.05))


def test_the_promised_power_of_a_conversion_is_reached() -> None:
    rng, runs = np.random.default_rng(1), 4000
    n = required_customers(CONVERSION, Design.even(0.2), effect=0.02)
    sizes = (round(0.2 * n), round(0.8 * n))
    rates = [rng.binomial(size, rate, runs) / size for size, rate in zip(sizes, (0.05, 0.07), strict=True)]
    error = np.sqrt(sum(rate * (1 - rate) / size for rate, size in zip(rates, sizes, strict=True)))
    found = np.mean(np.abs(rates[1] - rates[0]) > 1.959964 * error)
    assert found == pytest.approx(0.8, abs=0.025)


def test_the_promised_power_of_zero_inflated_revenue_is_reached() -> None:
    rng, runs, share, sigma = np.random.default_rng(2), 1500, 0.3, 0.6
    mean, second = share * math.exp(sigma**2 / 2), share * math.exp(2 * sigma**2)
    baseline = Baseline("revenue", mean, second - mean**2, share)
    n = required_customers(baseline, Design.even(0.3), effect=0.5 * mean)

    def revenue(size: int, active: float) -> np.ndarray:
        return (rng.random((runs, size)) < active) * rng.lognormal(0, sigma, (runs, size))

    outcomes = revenue(round(0.3 * n), share), revenue(round(0.7 * n), 1.5 * share)
    assert simulated_power(outcomes) == pytest.approx(0.8, abs=0.04)


def test_power_is_smooth_where_the_normal_takes_over() -> None:
    powers = [
        power_of_difference(0.04, variances=(1, 1), sizes=(size, size), alpha=0.05) for size in (4999, 5000, 5001, 5002)
    ]
    assert np.ptp(np.diff(powers)) < 1e-4


def test_strong_signals_are_certain() -> None:
    assert power_of_difference(50.0, variances=(1, 1), sizes=(20, 20), alpha=0.05) == pytest.approx(1.0)


@pytest.mark.parametrize("effect", [0.0, -0.01, float("nan"), float("inf")])
def test_an_effect_that_is_none_is_refused(effect: float) -> None:
    with pytest.raises(PowerError, match=r"The effect == .*, must be above 0"):
        required_customers(CONVERSION, HALVES, effect=effect)


def test_a_conversion_above_one_is_refused() -> None:
    with pytest.raises(PowerError, match=r"effect of 0.96 on a conversion of 0.05 would reach 1.01, must stay below 1"):
        required_customers(CONVERSION, HALVES, effect=0.96)


def test_an_effect_too_small_for_any_number_of_customers_is_refused() -> None:
    with pytest.raises(PowerError, match=r"Not even 1,000,000,000,000 customers show an effect of 1e-09"):
        required_customers(SALES, HALVES, effect=1e-9)


def test_too_few_customers_are_refused() -> None:
    with pytest.raises(PowerError, match=r"Of 10 customers the smallest arm gets 1.0, must be at least 2"):
        power_at(SALES, Design.even(0.1), n_customers=10, effect=1.0)


def test_an_unknown_outcome_is_refused() -> None:
    with pytest.raises(PowerError, match=r"'clicks' is unknown; choose one of \['conversion', 'orders', 'revenue'\]"):
        check_outcome("clicks")


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"control_share": 0.0}, "The share held out == 0, must be above 0 and below 1"),
        ({"control_share": 1.0}, "The share held out == 1, must be above 0 and below 1"),
        ({"control_share": 0.1, "n_treatments": 0}, "The number of treatments == 0, must be at least 1"),
        ({"control_share": 0.1, "alpha": 0.0}, "The chance of a false alarm == 0, must be above 0"),
        ({"control_share": 0.1, "power": 1.0}, "The power == 1, must be at least 0.5 and below 1"),
    ],
)
def test_an_impossible_design_is_refused(design: dict[str, float], message: str) -> None:
    with pytest.raises(PowerError, match=message):
        Design.even(**design)  # type: ignore[arg-type]  # what is refused


def test_a_treatment_larger_than_what_is_left_is_refused() -> None:
    with pytest.raises(PowerError, match=r"smallest treatment == 0.6 does not fit the others"):
        Design(0.5, 0.6)


@pytest.mark.parametrize(
    ("outcome", "mean", "sd", "message"),
    [
        ("conversion", 0.0, None, "The mean conversion == 0, must be above 0"),
        ("conversion", -0.1, None, "The mean conversion == -0.1, must be above 0"),
        ("conversion", 1.0, None, r"The conversion == 1, must be below 0\.999999; write 0\.05 for 5 %"),
        ("conversion", 0.1, 0.3, "--sd is given, but the mean of a conversion says its spread"),
        ("revenue", 5.0, None, "--mean 5 is given without --sd; revenue needs both"),
        ("revenue", None, 5.0, "--sd 5 says the spread, and --mean is missing"),
        ("revenue", 5.0, -1.0, "The variance of revenue == -1, must be above 0"),
        ("orders", 5.0, 0.0, "The variance of orders == 0, must be above 0"),
    ],
)
def test_an_impossible_baseline_is_refused(outcome: str, mean: float | None, sd: float | None, message: str) -> None:
    with pytest.raises(PowerError, match=message):
        given_baseline(check_outcome(outcome), mean=mean, sd=sd)


def test_a_share_of_active_customers_outside_its_bounds_is_refused() -> None:
    with pytest.raises(PowerError, match="The share of active customers == 0, must be above 0"):
        Baseline("revenue", 1.0, 1.0, 0.0)


def test_the_smallest_holdout_keeps_the_proportions_of_unequal_treatments() -> None:
    design = Design(0.2, 0.2, n_treatments=2)
    share = smallest_control_share(CONVERSION, design, n_customers=50_000, effect=0.01)
    assert share is not None
    there = Design(share, (1 - share) / 4, n_treatments=2)
    assert power_at(CONVERSION, there, n_customers=50_000, effect=0.01) == pytest.approx(0.8, abs=1e-6)
    assert smallest_control_share(CONVERSION, Design(0.5, 0.001, 2), n_customers=2_000, effect=0.5) is None


def test_figures_too_large_or_small_to_calculate_with_are_refused() -> None:
    with pytest.raises(PowerError, match=r"The mean conversion == 1e-300, must be from 1e-09 to 1e\+15"):
        Baseline.of_conversion(1e-300)
    with pytest.raises(PowerError, match=r"standard deviation of revenue == 1e\+150, must be at most 1e\+09 times the mean"):
        Baseline("revenue", 1.0, 1e300)
    with pytest.raises(PowerError, match=r"The effect == 1e\+300 is more than 1e\+06 times the mean"):
        power_at(Baseline("revenue", 8.0, 900.0), HALVES, n_customers=100, effect=1e300)


@pytest.mark.parametrize(("mean", "sd"), [(1e-9, 1.0), (1e15, 1e24), (1e-9, 1e-30)])
def test_figures_at_the_bounds_can_be_calculated_with(mean: float, sd: float) -> None:
    found = detectable_effect(Baseline("revenue", mean, sd**2), HALVES, n_customers=10_000_000_000)
    assert found is None or 0 < found < 1e22


@pytest.mark.parametrize("rate", [1e-9, 0.999999])
def test_conversions_at_the_bounds_can_be_calculated_with(rate: float) -> None:
    found = detectable_effect(Baseline.of_conversion(rate), HALVES, n_customers=1_000_000)
    assert found is None or 0 < found < 1
