"""Estimates against scipy, against regressions solved directly, and their promises under repetition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cvm.evaluation import (
    Moments,
    cuped_means,
    difference,
    fieller,
    lin_means,
    plain_means,
    ratio_means,
    relative,
)


def groups(seed: int, *, n: tuple[int, int] = (400, 700), effect: float = 0.0) -> tuple[dict, dict]:
    """A treated and a control group of skewed spenders, with what they spent before."""
    rng = np.random.default_rng(seed)

    def group(size: int, extra: float) -> dict[str, np.ndarray]:
        before = rng.gamma(1.5, 10, size)
        orders = rng.poisson(1 + before / 20).astype(float)
        return {"y": 0.8 * before + rng.gamma(1, 6, size) + extra, "before": before, "orders": orders}

    return group(n[0], effect), group(n[1], 0.0)


def moments(seed: int, **options) -> tuple[Moments, Moments]:
    treated, control = groups(seed, **options)
    return Moments.from_values(treated), Moments.from_values(control)


def test_the_plain_difference_is_welchs_test():
    treated, control = groups(1, effect=1.0)
    expected = stats.ttest_ind(treated["y"], control["y"], equal_var=False)
    found = difference(plain_means(Moments.from_values(treated), Moments.from_values(control), "y"))
    interval = expected.confidence_interval()
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.lower, found.upper) == pytest.approx((interval.low, interval.high))


def test_lin_is_the_regression_with_the_centred_covariate_and_its_interaction():
    treated, control = groups(2, effect=1.0)
    x = np.concatenate([treated["before"], control["before"]])
    t = np.concatenate([np.ones(400), np.zeros(700)])
    centred = x - x.mean()
    design = np.column_stack([np.ones(1100), t, centred, t * centred])
    slopes = np.linalg.lstsq(design, np.concatenate([treated["y"], control["y"]]), rcond=None)[0]
    pair = lin_means(Moments.from_values(treated), Moments.from_values(control), "y", ["before"])
    assert difference(pair).value == pytest.approx(slopes[1])


def test_covariates_that_repeat_each_other_change_nothing():
    treated, control = groups(2, effect=1.0)
    for group in (treated, control):
        group["twice"] = 2 * group["before"]
    both = [Moments.from_values(group) for group in (treated, control)]
    one, two = (difference(lin_means(*both, "y", names)) for names in (["before"], ["before", "twice"]))
    assert two.value == pytest.approx(one.value)
    assert two.standard_error == pytest.approx(one.standard_error, rel=0.01)


def test_adjusting_sharpens_and_agrees_with_the_plain_difference():
    treated, control = moments(3, effect=1.0)
    plain = difference(plain_means(treated, control, "y"))
    for pair in (cuped_means(treated, control, "y", "before"), lin_means(treated, control, "y", ["before"])):
        assert difference(pair).standard_error < 0.6 * plain.standard_error
        assert abs(difference(pair).value - plain.value) < 3 * plain.standard_error


def test_nothing_known_before_is_no_adjustment():
    treated, control = groups(3)
    for group in (treated, control):
        group["before"] = np.zeros_like(group["y"])
    both = Moments.from_values(treated), Moments.from_values(control)
    assert cuped_means(*both, "y", "before") is None
    assert lin_means(*both, "y", ["before"]) is None


def test_too_few_customers_are_not_regressed():
    assert lin_means(*moments(3, n=(12, 500)), "y", ["before"]) is None


def test_the_ratios_error_is_that_of_repeated_draws():
    ratios = []
    for seed in range(300):
        treated, control = moments(1000 + seed)
        pair = ratio_means(treated, control, "y", "orders")
        ratios.append((pair.treated - pair.control, difference(pair).standard_error))
    found = np.array(ratios)
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.12)


def test_a_ratio_without_denominator_is_none():
    treated, control = groups(3)
    control["orders"] = np.zeros_like(control["orders"])
    assert ratio_means(Moments.from_values(treated), Moments.from_values(control), "y", "orders") is None


def test_fieller_without_covariance_solves_its_equation():
    lower, upper = fieller((12.0, 10.0), (1.0, 0.8, 0.0), critical=1.96)
    for bound in (lower, upper):
        assert (12 - bound * 10) ** 2 == pytest.approx(1.96**2 * (1 + bound**2 * 0.8))
    assert lower < 1.2 < upper


def test_a_denominator_that_may_be_zero_bounds_nothing():
    assert fieller((1.0, 0.1), (1.0, 1.0, 0.0), critical=1.96) == (-np.inf, np.inf)


def test_what_does_not_vary_is_not_identified():
    zeros = Moments.from_values({"y": np.zeros(50)})
    found = difference(plain_means(zeros, zeros, "y"))
    assert found.value == 0
    assert np.isnan([found.standard_error, found.lower, found.p_value, relative(plain_means(zeros, zeros, "y")).value]).all()


@pytest.mark.parametrize("estimate", ["plain", "cuped", "lin"])
def test_false_alarms_and_coverage_are_what_they_promise(estimate):
    """A/A: 1,500 draws, in 95 % of which the interval must hold 0; the tolerance is 3 standard errors of that share."""
    rng = np.random.default_rng(11)
    means = {
        "plain": lambda t, c: plain_means(t, c, "y"),
        "cuped": lambda t, c: cuped_means(t, c, "y", "before"),
        "lin": lambda t, c: lin_means(t, c, "y", ["before"]),
    }
    alarms, n_draws = 0, 1_500
    for _ in range(n_draws):
        both = []
        for size in (300, 150):
            before = rng.gamma(1.0, 10, size)
            both.append(Moments.from_values({"y": 0.5 * before + rng.exponential(5, size), "before": before}))
        alarms += difference(means[estimate](*both)).p_value < 0.05
    assert abs(alarms / n_draws - 0.05) < 3 * (0.05 * 0.95 / n_draws) ** 0.5


@pytest.mark.parametrize(("outcome", "least"), [("rare conversion", 0.93), ("lognormal spend", 0.91)])
def test_intervals_hold_where_outcomes_are_far_from_normal(outcome, least):
    rng = np.random.default_rng(13)

    def group(n: int, effect: float) -> Moments:
        if outcome == "rare conversion":
            return Moments.from_values({"y": (rng.random(n) < 0.01 + effect).astype(float)})
        return Moments.from_values({"y": rng.lognormal(2, 1.2, n) + effect})

    held, n_draws = 0, 800
    for _ in range(n_draws):
        found = difference(plain_means(group(1_500, 0.005), group(1_000, 0.0), "y"))
        held += found.lower < 0.005 < found.upper
    assert least < held / n_draws < 0.975


def test_relative_intervals_hold_the_true_lift():
    rng = np.random.default_rng(12)
    held, n_draws = 0, 1_000
    for _ in range(n_draws):
        treated = Moments.from_values({"y": rng.exponential(12, 200)})
        control = Moments.from_values({"y": rng.exponential(10, 100)})
        found = relative(plain_means(treated, control, "y"))
        held += found.lower < 0.2 < found.upper
    assert abs(held / n_draws - 0.95) < 3 * (0.05 * 0.95 / n_draws) ** 0.5
