"""Whether a campaign's effect can be believed: what must be right before the first figure is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.stats import chi2

from cvm.campaigns.balance import BALANCE_ALPHA, SMALL_DIFFERENCE
from cvm.campaigns.effect_campaign import DrawnCampaign, bears_campaign
from cvm.campaigns.effect_result import EffectGate
from cvm.campaigns.effect_sample_ratio import sample_ratio_gate
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.campaigns.effect_sums import CampaignSums
from cvm.engines import Engine, literal
from cvm.engines.sql import literals
from cvm.evaluation import Moments
from cvm.features.churn import EVENT_NAME
from cvm.features.contacts import SENT
from cvm.features.treatments import CONTROL, UNTREATED

# Checks whose serious failure leaves no comparison to make; others, such as contamination, only blur it.
BREAKS_RANDOMISATION = ("sample ratio", "balance", "mixed")
# One customer with more of an arm's variance makes its mean far from normal.
_MAX_SHARE_OF_ONE = 0.05
# Per arm: the more arms, the likelier two accounts of a person had drawn different ones.
_MAX_MIXED_SHARE = 0.01


def gates(
    engine: Engine,
    campaign: DrawnCampaign,
    settings: EvaluationSettings,
    sums: CampaignSums,
    *,
    covariates: tuple[str, ...],
) -> list[EffectGate]:
    """All checks, in the order in which they should be read.

    Parameters
    ----------
    engine : Engine
    campaign : DrawnCampaign
    settings : EvaluationSettings
    sums : CampaignSums
    covariates : tuple of str
        What was known of customers before.

    Raises
    ------
    ExperimentError
        If the shares given do not fit the arms.
    """
    moments = {arm: found.moments for arm, found in sums.arms.items()}
    return [
        sample_ratio_gate(campaign, settings, sums.arms),
        *_balance(moments, covariates),
        *_left_out(campaign),
        *_contamination(engine, campaign),
        *_exposure(campaign),
        *_heavy_tail(moments, sums.largest),
        *_incentives(moments, settings),
        *_orders(moments),
    ]


def _balance(moments: Mapping[str, Moments], covariates: tuple[str, ...]) -> Iterator[EffectGate]:
    """Arms against control before the campaign: the largest standardised difference, and all of them at once."""
    control = moments[CONTROL]
    for arm, treated in moments.items():
        used = tuple(name for name in treated.varying(covariates) if name in control.varying(covariates))
        if arm == CONTROL or not used:
            continue
        one, other = treated.of(*used), control.of(*used)
        gap = one.mean - other.mean
        spread = np.sqrt((np.diag(one.covariance) * one.n + np.diag(other.covariance) * other.n) / 2)
        standardised = gap / spread
        scale = np.sqrt(np.diag(one.covariance + other.covariance))
        correlation = (one.covariance + other.covariance) / np.outer(scale, scale)
        inverse = np.linalg.pinv(correlation, rcond=1e-8, hermitian=True)
        p_value = float(chi2.sf((gap / scale) @ inverse @ (gap / scale), np.linalg.matrix_rank(correlation, tol=1e-8)))
        worst = int(np.argmax(np.abs(standardised)))
        what = f"largest standardised difference {standardised[worst]:+.3f} ({used[worst].removeprefix('known_')})"
        text = f"{arm} before the campaign: {what}, p {p_value:.3g}"
        if p_value < BALANCE_ALPHA:
            yield EffectGate("balance", "serious", f"{text}: the arms were different customers from the start")
        else:
            wide = abs(standardised[worst]) > SMALL_DIFFERENCE
            yield EffectGate("balance", "warning" if wide else "ok", text + (", wide but within chance" if wide else ""))
    if not any(control.varying(covariates)):
        yield EffectGate("balance", "warning", "not checked: nothing is known of the customers before the campaign")


def _left_out(campaign: DrawnCampaign) -> Iterator[EffectGate]:
    n = sum(arm.n for arm in campaign.arms)
    if n_mixed := campaign.n_mixed:
        grave = n_mixed > _MAX_MIXED_SHARE * len(campaign.arms) * n
        yield EffectGate(
            "mixed",
            "serious" if grave else "warning",
            f"{n_mixed:,} customers are in several arms and were left out ({n_mixed / (n + n_mixed):.2%})",
        )
    if campaign.n_targeted:
        yield EffectGate(
            "drawn", "ok", f"{campaign.n_targeted:,} customers with a propensity of 0 or 1 were put in by hand: left out"
        )
    if campaign.is_partial:
        yield EffectGate("window", "warning", f"partial: outcome windows are cut where data end, {campaign.observed_until}")


def _contamination(engine: Engine, campaign: DrawnCampaign) -> Iterator[EffectGate]:
    """Control reached all the same, and other campaigns within the windows."""
    control = next(arm for arm in campaign.arms if arm.name == CONTROL)
    reached = max(control.n_exposed, control.n_with_cost, _control_contacts(engine, campaign))
    if reached:
        yield EffectGate(
            "contamination",
            "serious" if reached > 0.05 * control.n else "warning",
            f"{reached:,} of {control.n:,} customers in control were contacted or cost something: effects are diluted",
        )
    query = (
        f"SELECT p.arm, count(DISTINCT p.customer_id) AS n FROM ({campaign.person}) AS p JOIN assignments AS a "
        f"ON a.customer_id = p.customer_id AND a.campaign_id <> {literal(campaign.campaign_id)} "
        f"AND a.arm NOT IN ({literals(UNTREATED)}) AND a.assigned_at >= p.start AND a.assigned_at < p.stop GROUP BY p.arm"
    )
    overlapping = {row["arm"]: row["n"] for row in engine.table(query).to_pylist()}
    if overlapping:
        shares = ", ".join(f"{arm.name} {overlapping.get(arm.name, 0) / arm.n:.1%}" for arm in campaign.arms)
        yield EffectGate(
            "overlap",
            "warning",
            f"other campaigns treated customers within the outcome windows ({shares}): where these shares differ, the "
            "effect is that of both; until_next ends the windows there",
        )


def _control_contacts(engine: Engine, campaign: DrawnCampaign) -> int:
    if "events" not in engine.tables() or "campaign_id" not in engine.columns("events"):
        return 0
    found = engine.row(
        f"SELECT count(DISTINCT e.customer_id) AS n FROM ({campaign.person}) AS p JOIN events AS e "
        f"ON e.customer_id = p.customer_id AND {bears_campaign('e.campaign_id', campaign.campaign_id)} "
        f"AND e.occurred_at >= p.start AND e.occurred_at < p.stop WHERE p.arm = {literal(CONTROL)} "
        f"AND ends_with({EVENT_NAME}, {literal(SENT)})"
    )
    return int(found["n"])


def _exposure(campaign: DrawnCampaign) -> Iterator[EffectGate]:
    if campaign.records_exposure:
        shares = ", ".join(f"{arm.name} {arm.n_exposed / arm.n:.1%}" for arm in campaign.treatments)
        yield EffectGate("exposure", "ok", f"reached {shares}; effects are of being drawn, reached or not")


def _heavy_tail(moments: Mapping[str, Moments], largest: Mapping[str, float]) -> Iterator[EffectGate]:
    """Arms whose variance of revenue is mostly that of one customer."""
    for arm, found in moments.items():
        of_mean = found.of("revenue")
        variance = float(of_mean.covariance[0, 0]) * found.n
        if not variance > 0:
            continue
        share = (largest[arm] - float(of_mean.mean[0])) ** 2 / (variance * found.n)
        if share > _MAX_SHARE_OF_ONE:
            yield EffectGate(
                "heavy tail",
                "warning",
                f"one customer of {arm} ({largest[arm]:,.2f}) makes {share:.0%} of the variance of its revenue: the "
                "interval of money leans on few customers; look at active and orders, too",
            )


def _incentives(moments: Mapping[str, Moments], settings: EvaluationSettings) -> Iterator[EffectGate]:
    """Customers who redeemed a coupon that costs extra, and whose orders carry a discount all the same."""
    if not settings.cost_per_redemption:
        return
    for arm, found in moments.items():
        both = found.of("discount", "redeemed")
        together = float(both.covariance[0, 1]) * found.n + float(both.mean[0] * both.mean[1])
        if arm != CONTROL and together > 0:
            yield EffectGate(
                "incentives",
                "warning",
                f"{arm}: customers who redeemed got discounts, too, and each redemption costs "
                f"{settings.cost_per_redemption:g} beside: if that is the same money it counts twice; then set "
                "cost_per_redemption to 0, as a discount is in the margin already",
            )


def _orders(moments: Mapping[str, Moments]) -> Iterator[EffectGate]:
    if not any(found.of("orders").mean[0] for found in moments.values()):
        yield EffectGate(
            "orders", "serious", "nobody ordered within the outcome windows: no effect on orders or money is identified"
        )
