"""The binned bootstrap against a plain one and against the estimators it resamples."""

from __future__ import annotations

import numpy as np
import pytest

from cvm.evaluation import (
    BinnedSums,
    Moments,
    Resample,
    SumColumns,
    covariance_with,
    difference,
    lin_means,
    middle,
    plain_means,
    resampled_pair,
)


def spenders(rng, n: int, *, effect: float = 0.0) -> dict[str, np.ndarray]:
    before = rng.gamma(1.5, 10, n)
    return {"y": 0.8 * before + rng.lognormal(1, 1, n) + effect, "before": before}


def both(n: tuple[int, int] = (6_000, 4_000), *, n_bins: int = 1_024, seed: int = 1) -> tuple[BinnedSums, BinnedSums]:
    rng = np.random.default_rng(seed)
    treated, control = spenders(rng, n[0], effect=1.0), spenders(rng, n[1])
    return BinnedSums.from_values(treated, n_bins=n_bins), BinnedSums.from_values(control, n_bins=n_bins)


def gaps(treated: BinnedSums, control: BinnedSums, covariates=(), *, seed: int = 2, n_replicates: int = 4_000) -> np.ndarray:
    rng = np.random.default_rng(seed)
    resampled = [Resample.of(group, rng, n_replicates=n_replicates) for group in (treated, control)]
    one, other = resampled_pair(*resampled, ("y",), covariates)
    return (one - other)[:, 0]


def test_bins_add_up_to_the_group():
    values = spenders(np.random.default_rng(3), 1_000)
    binned, plain = BinnedSums.from_values(values, n_bins=64).moments, Moments.from_values(values)
    assert binned.mean == pytest.approx(plain.mean)
    assert binned.covariance == pytest.approx(plain.covariance)


def test_binning_hardly_changes_the_plain_bootstrap():
    """The same customers, each a bin of its own, resampled one by one with replacement."""
    rng = np.random.default_rng(4)
    treated, control = spenders(rng, 6_000, effect=1.0)["y"], spenders(rng, 4_000)["y"]
    drawn = [rng.choice(group, (1_200, len(group))).mean(axis=1) for group in (treated, control)]
    plain = drawn[0] - drawn[1]
    binned = gaps(*(BinnedSums.from_values({"y": group}, n_bins=1_024) for group in (treated, control)))
    assert binned.std() == pytest.approx(plain.std(), rel=0.08)
    error = plain.std()
    for found, expected in zip(np.quantile(binned, [0.025, 0.975]), np.quantile(plain, [0.025, 0.975]), strict=True):
        assert abs(found - expected) < 0.3 * error


@pytest.mark.parametrize("covariates", [(), ("before",)])
def test_it_agrees_with_the_delta_method(covariates):
    treated, control = both()
    one, other = treated.moments, control.moments
    effect = difference(lin_means(one, other, "y", covariates) or plain_means(one, other, "y"))
    found = gaps(treated, control, covariates)
    assert found.mean() == pytest.approx(effect.value, abs=0.1 * effect.standard_error)
    assert found.std() == pytest.approx(effect.standard_error, rel=0.08)
    interval = middle(found, level=0.95)
    assert (interval.lower, interval.upper) == pytest.approx((effect.lower, effect.upper), abs=0.3 * effect.standard_error)


def test_weights_of_one_change_nothing():
    treated, control = both()
    columns = treated.columns
    wide = SumColumns(columns.names, columns.pairs, is_weighted=True)
    k = len(columns.names)

    def weighted(group: BinnedSums) -> BinnedSums:
        n, first, second = np.split(group.bins, [1, 1 + k], axis=1)
        return BinnedSums(wide, np.hstack([n, n, n, first, first, second]))

    assert weighted(treated).moments.covariance == pytest.approx(treated.moments.covariance)
    plain, same = gaps(treated, control, ("before",)), gaps(weighted(treated), weighted(control), ("before",))
    assert same == pytest.approx(plain)


def test_groups_resampled_apart_add_up():
    treated, control = both()
    rng = np.random.default_rng(5)
    parts = [Resample.of(group, rng) for group in (treated, control)]
    together = Resample.together(parts)
    assert together.n == pytest.approx(parts[0].n + parts[1].n)
    assert together.means(("y",)).mean() == pytest.approx(BinnedSums.together([treated, control]).moments.mean[0], rel=0.01)


def test_too_few_customers_are_not_resampled():
    group = BinnedSums.from_values(spenders(np.random.default_rng(6), 49), n_bins=1_024)
    assert Resample.of(group, np.random.default_rng(1)) is None


def test_the_covariance_of_an_adjusted_effect_with_another_mean_is_that_of_repeated_draws():
    """Cost follows both the past and the outcome; adjusting takes the part of the past out."""
    rng = np.random.default_rng(7)
    found, claimed = [], []
    for _ in range(1_500):
        treated, control = spenders(rng, 150), spenders(rng, 100)
        treated["cost"], control["cost"] = 0.2 * treated["y"] + 0.1 * treated["before"], np.zeros(100)
        one, other = Moments.from_values(treated), Moments.from_values(control)
        found.append((difference(lin_means(one, other, "y", ["before"])).value, one.of("cost").mean[0]))
        claimed.append(covariance_with(one, other, "y", "cost", ["before"]))
    assert np.mean(claimed) == pytest.approx(np.cov(np.array(found).T)[0, 1], rel=0.15)
