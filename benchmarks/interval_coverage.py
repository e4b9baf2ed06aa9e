"""Whether intervals hold what they promise: thousands of invented campaigns whose true effects are known.

    python benchmarks/interval_coverage.py [--replications 10000]

Every campaign is drawn anew, customers and all, and judged by the functions that ``cvm evaluate`` uses: sums by bin, Welch's
difference, the regression adjustment, Fieller's ROI, the bootstrap (of every fourth campaign), the Qini's influence, the
sample ratio test, the intervals for many looks. The seed was fixed before the first run. Prints Markdown tables;
``interval_coverage.md`` holds those of the last run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstest

from cvm.campaigns.effect_money import Cost, Replicates, earned
from cvm.campaigns.effect_result import ArmEffect
from cvm.evaluation import (
    REPLICATES,
    BinnedSums,
    Effect,
    Interval,
    Resample,
    adjusting,
    always_valid,
    covariance_with,
    cuped_means,
    difference,
    lin_means,
    middle,
    plain_means,
    qini_estimate,
    relative,
    resampled_pair,
    sample_ratio_test,
)

Floats = NDArray[np.float64]
SEED = 20_240_607
N_BINS = 1_024
BEFORE = ("before", "active_before")
# Campaigns that share the weights of their resamples, which are independent of the data: drawing them takes the longest.
_SHARED = 50
_BOOTSTRAP_EVERY = 4


@dataclass(frozen=True)
class World:
    """How customers buy; effects are exact.

    Attributes
    ----------
    name : str
    n : tuple of int
        Treated and control customers.
    p_active : tuple of float
        Chance to buy of those inactive before, what activity before adds, and what the treatment adds.
    basket : callable
        Margin of so many orders.
    mean_basket : float
    cost, cost_per_redemption : float
        Of a contact, and of each coupon; 60 % of treated buyers redeem one.
    """

    name: str
    n: tuple[int, int]
    p_active: tuple[float, float, float]
    basket: Callable[[np.random.Generator, int], Floats]
    mean_basket: float
    cost: float
    cost_per_redemption: float

    def without_effect(self) -> World:
        """The same, with a treatment that does nothing."""
        return World(
            self.name, self.n, (*self.p_active[:2], 0.0), self.basket, self.mean_basket, self.cost, self.cost_per_redemption
        )

    @property
    def effect(self) -> float:
        """On the margin per customer."""
        return self.p_active[2] * self.mean_basket

    @property
    def mean_cost(self) -> float:
        """Per treated customer; 40 % were active before."""
        base, more, effect = self.p_active
        return self.cost + self.cost_per_redemption * 0.6 * (base + 0.4 * more + effect)

    @property
    def roi(self) -> float:
        """Return on the cost."""
        return self.effect / self.mean_cost - 1

    def customers(self, rng: np.random.Generator, n: int, *, treated: bool) -> dict[str, Floats]:
        """Customers of one arm."""
        base, more, effect = self.p_active
        active_before = (rng.random(n) < 0.4).astype(float)
        active = (rng.random(n) < base + more * active_before + effect * treated).astype(float)
        redeemed = active * (rng.random(n) < 0.6) * treated
        margin = active * self.basket(rng, n)
        return {
            "margin": margin,
            "before": active_before * self.basket(rng, n),
            "active_before": active_before,
            "cost": self.cost * treated + self.cost_per_redemption * redeemed,
            "redeemed": redeemed,
        }


WORLDS = (
    World("spend", (2_000, 1_000), (0.15, 0.25, 0.05), lambda rng, n: rng.gamma(2.0, 5.0, n), 10.0, 0.2, 0.5),
    World("1 % conversion", (10_000, 5_000), (0.008, 0.005, 0.004), lambda _, n: np.full(n, 30.0), 30.0, 0.05, 2.0),
    World(
        "lognormal revenue",
        (4_000, 2_000),
        (0.2, 0.25, 0.05),
        lambda rng, n: rng.lognormal(2, 1.5, n),
        float(np.exp(3.125)),
        0.3,
        1.0,
    ),
)


@dataclass
class Tally:
    """How often each interval held the truth, or each test was alarmed."""

    hits: dict[str, list[bool]]

    def add(self, name: str, hit: bool) -> None:
        """Count one campaign."""
        self.hits.setdefault(name, []).append(hit)

    @property
    def shares(self) -> dict[str, float]:
        """By name."""
        return {name: float(np.mean(hits)) for name, hits in self.hits.items()}


def judge_worlds(world: World, *, replications: int, seed: int = SEED) -> dict[str, float]:
    """Coverage of effect, relative effect and ROI, plain and adjusted, by both kinds of interval, and false alarms."""
    rng, tally, null = np.random.default_rng(seed), Tally({}), world.without_effect()
    weights: list[Floats] = []
    for number in range(replications):
        if number % _SHARED == 0:
            weights = [rng.poisson(1.0, (REPLICATES, min(N_BINS, n))).astype(float) for n in world.n]
        treated, control = (
            BinnedSums.from_values(world.customers(rng, n, treated=arm == 0), n_bins=N_BINS) for arm, n in enumerate(world.n)
        )
        _tally_effects(tally, world, treated, control)
        drawn = _resampled(treated, control, weights) if number % _BOOTSTRAP_EVERY == 0 else None
        _tally_money(tally, world, treated, control, drawn)
        untouched = BinnedSums.from_values(null.customers(rng, world.n[0], treated=True), n_bins=N_BINS)
        for name, pair in (
            ("plain", plain_means(untouched.moments, control.moments, "margin")),
            ("CUPED", cuped_means(untouched.moments, control.moments, "margin", "before")),
            ("adjusted", lin_means(untouched.moments, control.moments, "margin", BEFORE)),
        ):
            if pair is not None:
                tally.add(f"A/A alarms, {name}", difference(pair).p_value < 0.05)
    return tally.shares


def _tally_effects(tally: Tally, world: World, treated: BinnedSums, control: BinnedSums) -> None:
    one, other = treated.moments, control.moments
    plain, adjusted = plain_means(one, other, "margin"), lin_means(one, other, "margin", BEFORE)
    base, more, effect = world.p_active
    tally.add("effect, Welch", _holds(difference(plain), world.effect))
    tally.add("relative effect, Fieller", _holds(relative(plain), effect / (base + 0.4 * more)))
    tally.add("effect, adjusted", _holds(difference(adjusted or plain), world.effect))


def _tally_money(
    tally: Tally, world: World, treated: BinnedSums, control: BinnedSums, drawn: tuple[Resample, Resample] | None
) -> None:
    one, other = treated.moments, control.moments
    pair = lin_means(one, other, "margin", BEFORE) or plain_means(one, other, "margin")
    effect = ArmEffect("mail", "margin", pair.control, difference(pair), None, None, relative(pair))
    used = adjusting(one, other, BEFORE)
    replicates = None
    if drawn:
        gained = _gained(drawn, used) * one.n
        replicates = Replicates(gained, gained, drawn[0].means(("cost",))[:, 0] * one.n)
    cost = _cost(treated, control, used)
    found = earned("mail", one, cost, orders=effect, revenue=effect, margin=effect, replicates=replicates, level=0.95)
    tally.add("ROI, Fieller", found.roi is not None and _holds(found.roi, world.roi))
    if drawn and found.bootstrap and found.bootstrap.roi:
        tally.add("ROI, bootstrap", _holds(found.bootstrap.roi, world.roi))
        tally.add("effect, bootstrap", _holds(middle(_gained(drawn, ()), level=0.95), world.effect))
        tally.add("effect, adjusted, bootstrap", _holds(middle(gained / one.n, level=0.95), world.effect))
        # Had contacts cost just what they bring, so that the true ROI is 0, that should seem unlikely one time in forty.
        tally.add("P(ROI > 0) above 97.5 % where ROI is 0", float((gained > world.effect * one.n).mean()) > 0.975)


def _gained(drawn: tuple[Resample, Resample], covariates: tuple[str, ...]) -> Floats:
    """Effect per customer in each resample."""
    one, other = resampled_pair(*drawn, ("margin",), covariates)
    return (one - other)[:, 0]


def _cost(treated: BinnedSums, control: BinnedSums, used: tuple[str, ...]) -> Cost:
    """Of the treated, margin standing in for revenue, too."""
    cost = treated.moments.of("cost")
    covariance = covariance_with(treated.moments, control.moments, "margin", "cost", used)
    return Cost(float(cost.mean[0]), float(cost.covariance[0, 0]), {"margin": covariance, "revenue": covariance})


def _resampled(treated: BinnedSums, control: BinnedSums, weights: Sequence[Floats]) -> tuple[Resample, Resample]:
    one, other = (Resample(group.columns, w @ group.bins) for group, w in zip((treated, control), weights, strict=True))
    return one, other


def _holds(found: Effect | Interval, truth: float) -> bool:
    return not isnan(found.lower) and found.lower < truth < found.upper


def judge_qini(*, replications: int, n: int = 3_000, binary: bool, seed: int = SEED) -> float:
    """Coverage of the Qini: a score of ranks u, the best first, whose customers gain (1 - u) times a most."""
    rng, held = np.random.default_rng(seed), []
    most = 0.2 if binary else 6.0
    # Area below the gain curve less that of its chord: the integral of (1/2 - u) times the effect at u.
    truth = most / 12
    for _ in range(replications):
        rank, treated = rng.random(n), rng.random(n) < 0.6
        gain = most * (1 - rank) * treated
        outcome = (rng.random(n) < 0.1 + gain).astype(float) if binary else rng.gamma(0.5, 10.0, n) + gain
        found = qini_estimate(outcome, treated, np.round(1 - rank, 3))
        held.append(found.lower < truth < found.upper)
    return float(np.mean(held))


def srm_uniform(*, replications: int, seed: int = SEED) -> float:
    """P-value of Kolmogorov and Smirnov for the sample ratio test's own p-values, each customer drawn alone."""
    rng, shares = np.random.default_rng(seed), np.array([0.1, 0.45, 0.45])
    p_values = [
        sample_ratio_test(counts.astype(float), shares)[1] for counts in rng.multinomial(1_000_000, shares, replications)
    ]
    return float(kstest(p_values, "uniform").pvalue)


def looks(*, replications: int, seed: int = SEED, days: int = 30, n: int = 300) -> tuple[float, float]:
    """Share of campaigns without effect that seem to have one on some day, by ordinary intervals and by those for looks."""
    rng, ordinary, held = np.random.default_rng(seed), [], []
    treated = np.arange(n) < 2 * n // 3
    n_treated, n_control = int(treated.sum()), int((~treated).sum())
    for _ in range(replications):
        orders = rng.poisson(rng.gamma(2.0, 0.05, n), (days, n))
        spend = np.cumsum(orders * rng.gamma(3.0, 5.0, (days, n)), axis=0)
        one, other = spend[:, treated], spend[:, ~treated]
        gap = one.mean(axis=1) - other.mean(axis=1)
        error = np.sqrt(one.var(axis=1, ddof=1) / n_treated + other.var(axis=1, ddof=1) / n_control)
        found = [Effect(g, e, g - 1.96 * e, g + 1.96 * e, 0.5) for g, e in zip(gap, error, strict=True)]
        ordinary.append(any(not _holds(effect, 0.0) for effect in found))
        held.append(
            any(always_valid(effect, information=(day + 1) / days).p_value < 0.05 for day, effect in enumerate(found))
        )
    return float(np.mean(ordinary)), float(np.mean(held))


# What each figure must lie between; lognormal revenue may fall short by more, its tail is what no interval sees.
WANTED = {"A/A": (0.043, 0.057), "effect": (0.94, 0.96), "relative": (0.94, 0.96), "ROI": (0.94, 0.96)}
LOGNORMAL = (0.92, 1.0)


def wanted(world: World, name: str) -> tuple[float, float] | None:
    """Bounds of a figure of one world."""
    if world.name.startswith("lognormal") and not name.startswith("A/A"):
        return None if name.startswith("P(") else LOGNORMAL
    return next((bounds for start, bounds in WANTED.items() if name.startswith(start)), None)


def line(name: str, share: float, bounds: tuple[float, float] | None) -> str:
    """A row of the table."""
    if bounds is None:
        return f"| {name} | {share:.2%} | | |"
    word = "yes" if bounds[0] <= share <= bounds[1] else "**no**"
    low, high = bounds
    between = f"at least {low:.1%}" if high == 1 else f"at most {high:.1%}" if low == 0 else f"{low:.1%} to {high:.1%}"
    return f"| {name} | {share:.2%} | {between} | {word} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=10_000)
    n = parser.parse_args(arguments).replications
    print(f"{n:,} campaigns each, seed {SEED}, bootstraps of {REPLICATES:,} replicates on {N_BINS:,} bins.")
    head = "| figure | measured | wanted | held |\n|---|---|---|---|"
    for world in WORLDS:
        print(f"\n**{world.name}**, {world.n[0]:,} treated and {world.n[1]:,} control\n\n{head}", flush=True)
        for name, share in judge_worlds(world, replications=n).items():
            print(line(name, share, wanted(world, name)), flush=True)
    print(f"\n**the rest**\n\n{head}", flush=True)
    for kind in (True, False):
        share = judge_qini(replications=n, binary=kind)
        print(line(f"Qini, {'conversion' if kind else 'money'}", share, (0.925, 0.975)), flush=True)
    once, often = looks(replications=n)
    print(line("alarms on some of 30 days, ordinary intervals", once, None))
    print(line("alarms on some of 30 days, intervals for many looks", often, (0.0, 0.05)), flush=True)
    uniform = srm_uniform(replications=n)
    print(f"\nSample ratio test, 1,000,000 customers in three arms: its p-values are uniform (KS p = {uniform:.3f}).")


if __name__ == "__main__":
    main()
