from __future__ import annotations

import numpy as np
import pytest

from cvm.actions.cycles import Gaps, item_cycles, may_be_as_quiet, pair_cycles

CENTRES = np.array([28.0, 60.0])


def drawn(*, cv: float, skipped: float = 0.0, stray: float = 0.0, n_pairs: int = 1_000, seed: int = 1):
    """Gaps of pairs whose cycles lie 27 % around their item's, and the true cycles."""
    rng = np.random.default_rng(seed)
    item = np.repeat([0, 1], n_pairs // 2)
    cycle = CENTRES[item] * np.exp(rng.normal(0, 0.27, n_pairs))
    pair = np.repeat(np.arange(n_pairs), 2 + rng.poisson(2, n_pairs))
    one = rng.gamma(1 / cv**2, cv**2, len(pair)) * cycle[pair]
    gap = one + np.where(rng.random(len(pair)) < skipped, cycle[pair], 0.0)
    cut = np.where(rng.random(len(pair)) < stray, rng.random(len(pair)), 1.0)
    days, of = np.concatenate([gap * cut, (gap * (1 - cut))[cut < 1]]), np.concatenate([pair, pair[cut < 1]])
    order = np.argsort(of, kind="stable")
    return Gaps(np.log(np.maximum(np.rint(days[order]), 1)), of[order], item, 2), cycle


def share_within(gaps: Gaps, cycle, bound: float = 0.15) -> float:
    days = pair_cycles(gaps, item_cycles(gaps)).days
    return float((np.abs(days / cycle - 1) <= bound).mean())


@pytest.mark.parametrize(
    ("cv", "skipped", "stray", "least"),
    [(0.1, 0.0, 0.0, 0.97), (0.1, 0.1, 0.1, 0.92), (0.2, 0.0, 0.0, 0.84), (0.2, 0.1, 0.0, 0.80)],
)
def test_cycles_are_told_from_a_few_noisy_gaps(cv: float, skipped: float, stray: float, least: float) -> None:
    gaps, cycle = drawn(cv=cv, skipped=skipped, stray=stray)
    assert share_within(gaps, cycle) >= least
    own = np.bincount(gaps.pair, np.exp(gaps.log_days)) / gaps.n_of_pair
    assert share_within(gaps, cycle) >= (np.abs(own / cycle - 1) <= 0.15).mean() - 0.02


def test_what_holds_of_an_item_is_recovered() -> None:
    gaps, _ = drawn(cv=0.15, skipped=0.1, n_pairs=2_000)
    found = item_cycles(gaps)
    np.testing.assert_allclose(np.exp(found.level), CENTRES, rtol=0.05)
    np.testing.assert_allclose(found.spread, 0.27, atol=0.03)
    np.testing.assert_allclose(found.noise, 0.15, atol=0.02)
    np.testing.assert_allclose(found.skip_share, 0.1, atol=0.03)
    assert (found.stray_share < 0.05).all()


def test_purchases_without_a_memory_show_no_cycle() -> None:
    rng = np.random.default_rng(2)
    pair = np.repeat(np.arange(500), 6)
    gaps = Gaps(np.log(np.maximum(np.rint(rng.exponential(60.0, len(pair))), 1)), pair, np.zeros(500, dtype=np.int64), 1)
    items = item_cycles(gaps)
    assert items.noise[0] > 0.6
    assert not may_be_as_quiet(gaps, items, 0.45).any()


def test_more_gaps_of_ones_own_weigh_more() -> None:
    usual = np.tile(np.log(30.0), 300)
    few, many = np.log([60.0, 60.0]), np.log([60.0] * 20)
    pair = np.concatenate([np.repeat(np.arange(100), 3), [100, 100], np.repeat(101, 20)])
    gaps = Gaps(np.concatenate([usual, few, many]) + 0.02 * np.sin(np.arange(322)), pair, np.zeros(102, dtype=np.int64), 1)
    found = pair_cycles(gaps, item_cycles(gaps))
    assert found.error[101] < found.error[100]
    assert abs(found.days[101] - 60) <= abs(found.days[100] - 60) + 1e-9


def test_a_subset_of_pairs_keeps_their_gaps() -> None:
    gaps, _ = drawn(cv=0.2, n_pairs=10)
    kept = np.arange(10) % 3 == 0
    found = gaps.of_pairs(kept)
    assert found.n_pairs == 4
    np.testing.assert_array_equal(found.n_of_pair, gaps.n_of_pair[kept])
    np.testing.assert_array_equal(found.log_days[found.pair == 1], gaps.log_days[gaps.pair == 3])
