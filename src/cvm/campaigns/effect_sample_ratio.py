"""Whether the arms have the sizes that chance, or the draw itself, gave them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import norm

from cvm.campaigns.balance import SRM_ALPHA
from cvm.campaigns.effect_campaign import DrawnCampaign
from cvm.campaigns.effect_result import EffectGate
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.errors import ExperimentError
from cvm.evaluation import BinnedSums, sample_ratio_test

_NAME = "sample ratio"
# Of all customers; merged accounts and erased persons take a few from any ledger, and so few move no figure.
_TOLERATED = 0.001
_MAX_SHOWN = 5


def sample_ratio_gate(campaign: DrawnCampaign, settings: EvaluationSettings, sums: Mapping[str, BinnedSums]) -> EffectGate:
    """Sizes of the arms against the shares they were drawn with, or against each customer's own propensity.

    Raises
    ------
    ExperimentError
        If ``shares`` names other arms than the ledger, or a share that is not above 0.
    """
    if campaign.is_weighted and not settings.shares:
        return _weighted_ratio(sums)
    shares = _shares(campaign, settings)
    if isinstance(shares, str):
        return EffectGate(_NAME, "warning", f"not checked: {shares}")
    if settings.draw == "fixed" or (settings.draw is None and campaign.strata):
        return _fixed_ratio(campaign, shares)
    counts = np.array([arm.n for arm in campaign.arms], dtype=float)
    given = np.array([shares[arm.name] for arm in campaign.arms], dtype=float)
    statistic, p_value = sample_ratio_test(counts, given)
    sizes = ", ".join(f"{arm.name} {arm.n:,}" for arm in campaign.arms)
    if p_value < SRM_ALPHA:
        expected = ", ".join(
            f"{arm.name} {n:,.0f}" for arm, n in zip(campaign.arms, counts.sum() * given / given.sum(), strict=True)
        )
        return EffectGate(
            _NAME,
            "serious",
            f"SAMPLE RATIO MISMATCH: {sizes}, drawn for {expected} (chi2 {statistic:.1f}, p {p_value:.2g}). Customers "
            "were lost or added after the draw, and not by chance: believe no figure below before the cause is found",
        )
    return EffectGate(_NAME, "ok", f"{sizes}; chi2 {statistic:.4f}, p {p_value:.4f}")


def _shares(campaign: DrawnCampaign, settings: EvaluationSettings) -> dict[str, float] | str:
    """Share that each arm was drawn with, or why it is not known."""
    if settings.shares:
        names = sorted(arm.name for arm in campaign.arms)
        if sorted(settings.shares) != names or min(settings.shares.values()) <= 0:
            raise ExperimentError(
                f"shares is {dict(settings.shares)}, the arms of campaign {campaign.campaign_id!r} are {names}. "
                "Give each of them its share, above 0."
            )
        return dict(settings.shares)
    known = {arm.name: arm.propensity for arm in campaign.arms if arm.propensity is not None}
    missing = [arm.name for arm in campaign.arms if arm.name not in known]
    if len(missing) == 1 and len(known) == 1:
        known[missing[0]] = 1 - sum(known.values())
    elif missing:
        return "the ledger holds no propensity; give shares, e.g. {control: 0.1, mail: 0.9}"
    total = sum(known.values())
    if abs(total - 1) > 0.01:
        return (
            f"the propensities of the arms sum to {total:.3g}, not to 1. Each row should hold the "
            "probability of its own arm; correct the ledger or give shares"
        )
    return known


def _fixed_ratio(campaign: DrawnCampaign, shares: Mapping[str, float]) -> EffectGate:
    """Sizes that the draw fixed: no chance is left, each arm of each stratum is within one customer of its share."""
    strata = campaign.strata or {("", arm.name): arm.n for arm in campaign.arms}
    total, whole = (
        sum(shares.values()),
        f"{len({stratum for stratum, _ in strata}):,} strata" if campaign.strata else "in all",
    )
    wrong, lost = [], 0.0
    for stratum in sorted({stratum for stratum, _ in strata}):
        found = {arm: strata.get((stratum, arm), 0) for arm in shares}
        expected = {arm: sum(found.values()) * share / total for arm, share in shares.items()}
        # Customers left out because several arms claim them may be missing anywhere.
        off = [arm for arm in shares if abs(found[arm] - expected[arm]) >= 1 + (0 if campaign.strata else campaign.n_mixed)]
        label = f"stratum {stratum!r}: " if campaign.strata else ""
        lost += max((abs(found[arm] - expected[arm]) for arm in off), default=0.0)
        wrong += [f"{label}{arm} {found[arm]:,}, drawn for {expected[arm]:,.1f}" for arm in off]
    sizes = ", ".join(f"{arm.name} {arm.n:,}" for arm in campaign.arms)
    if wrong:
        more = f" and {len(wrong) - _MAX_SHOWN:,} more" if len(wrong) > _MAX_SHOWN else ""
        grave = lost > _TOLERATED * sum(strata.values())
        return EffectGate(
            _NAME,
            "serious" if grave else "warning",
            f"SIZES DIFFER FROM THE DRAW, which fixed them within one customer: {'; '.join(wrong[:_MAX_SHOWN])}{more}. "
            "Customers were lost or added after the draw"
            + (": believe no figure below before the cause is found" if grave else ", too few to move a figure"),
        )
    return EffectGate(_NAME, "ok", f"{sizes}; as drawn, within one customer of their shares, {whole}")


def _weighted_ratio(sums: Mapping[str, BinnedSums]) -> EffectGate:
    """One over the propensities of an arm sums to all customers, give or take the variance of Horvitz and Thompson."""
    n = sum(found.n for found in sums.values())
    gaps = {arm: (found.weight - n) / (found.squared_weight - found.weight) ** 0.5 for arm, found in sums.items()}
    p_value = min(1.0, len(gaps) * float(2 * norm.sf(max(abs(gap) for gap in gaps.values()))))
    sizes = ", ".join(f"{arm} stands for {found.weight:,.0f}" for arm, found in sums.items())
    text = f"propensities differ, each customer counts by one over its own: of {n:,} customers {sizes}; p {p_value:.3g}"
    if p_value < SRM_ALPHA:
        return EffectGate(
            _NAME, "serious", f"SAMPLE RATIO MISMATCH: {text}. Believe no figure below before the cause is found"
        )
    return EffectGate(_NAME, "ok", text)
