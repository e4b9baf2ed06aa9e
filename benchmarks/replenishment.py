"""How near expected replenishment comes to the true cycle, by how noisy purchases are.

    python benchmarks/replenishment.py

Pairs of customer and item with two gaps or more; their cycles lie 27 % (log scale) around the item's, gaps are gamma around
the cycle with a coefficient of variation; of the gaps some span two cycles (a purchase skipped, or made elsewhere), some are
cut in two by a purchase out of turn. Compared with the mean of the own gaps, and with the most that anybody could reach who
knows noise and spread and meets neither skips nor strays. Writes ``benchmarks/replenishment.md``.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

import cvm
from cvm.actions.cycles import Gaps, item_cycles, pair_cycles

CENTRES, SPREAD, WITHIN = np.array([28.0, 35.0, 60.0, 90.0]), 0.27, 0.15
N_PAIRS, MEAN_GAPS, SEEDS = 4_000, 5, 5
CASES = [(cv, *noise) for cv, noise in product((0.1, 0.2, 0.25, 0.3, 0.4), ((0.0, 0.0), (0.1, 0.0), (0.1, 0.1)))]
REPORT = Path(__file__).with_suffix(".md")
Floats = NDArray[np.float64]


def drawn(*, cv: float, skipped: float, stray: float, seed: int) -> tuple[Gaps, Floats, Floats]:
    """Gaps, the true cycle of each pair, and how many whole gaps it had."""
    rng = np.random.default_rng(seed)
    item = np.arange(N_PAIRS) % len(CENTRES)
    cycle = CENTRES[item] * np.exp(rng.normal(0, SPREAD, N_PAIRS))
    n = 1 + rng.geometric(1 / (MEAN_GAPS - 1), N_PAIRS)
    pair = np.repeat(np.arange(N_PAIRS), n)
    gap = rng.gamma(1 / cv**2, cv**2, len(pair)) * cycle[pair]
    gap += np.where(rng.random(len(pair)) < skipped, rng.gamma(1 / cv**2, cv**2, len(pair)) * cycle[pair], 0.0)
    cut = np.where(rng.random(len(pair)) < stray, rng.random(len(pair)), 1.0)
    days = np.concatenate([gap * cut, (gap * (1 - cut))[cut < 1]])
    of = np.concatenate([pair, pair[cut < 1]])
    order = np.argsort(of, kind="stable")
    return Gaps(np.log(np.maximum(np.rint(days[order]), 1)), of[order], item, len(CENTRES)), cycle, n.astype(float)


def shares(cv: float, skipped: float, stray: float) -> tuple[float, float, float]:
    """Share of pairs within 15 % of the truth: ours, the own mean, the most that could be."""
    found = []
    for seed in range(SEEDS):
        gaps, cycle, n = drawn(cv=cv, skipped=skipped, stray=stray, seed=seed)
        days = pair_cycles(gaps, item_cycles(gaps)).days
        own = np.bincount(gaps.pair, np.exp(gaps.log_days)) / gaps.n_of_pair
        error = 1 / np.sqrt(n / cv**2 + 1 / SPREAD**2)
        bound = (2 * norm.cdf(WITHIN / error) - 1).mean()
        found.append([(np.abs(one / cycle - 1) <= WITHIN).mean() for one in (days, own)] + [bound])
    return tuple(np.mean(found, axis=0))


def main() -> None:
    """Measure and write."""
    lines = [
        "# Replenishment: how near the true cycle",
        "",
        f"Measured by `python benchmarks/replenishment.py` with cvm {cvm.__version__}: {N_PAIRS:,} pairs of customer",
        f"and item with two gaps or more ({MEAN_GAPS} on average), {SEEDS} seeds. Share of pairs whose cycle is found",
        "within 15 % of the truth; the most possible is that of one who knows noise and spread, without skips or strays.",
        "",
        "| CV of gaps | skipped cycles | purchases out of turn | cvm | mean of own gaps | most possible |",
        "|---|---|---|---|---|---|",
    ]
    for cv, skipped, stray in CASES:
        ours, own, bound = shares(cv, skipped, stray)
        lines.append(f"| {cv:g} | {skipped:.0%} | {stray:.0%} | **{ours:.3f}** | {own:.3f} | {bound:.3f} |")
    REPORT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
