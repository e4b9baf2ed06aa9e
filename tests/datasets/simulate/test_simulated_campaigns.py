"""Campaigns: assigned by chance, with effects that are in the data and equal the truth."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import chisquare

from cvm.datasets.simulate import SimulationOutcome
from cvm.datasets.simulate.chance import Bools, sums
from cvm.datasets.simulate.chunk import draw_chunks
from cvm.datasets.simulate.purchases import NO_CAMPAIGN
from cvm.datasets.simulate.simulation import lines_of
from cvm.datasets.simulate.truth import true_effects
from cvm.datasets.simulate.world import ContactEffect
from simulated_base import Base


def of_kind(base: Base, name: str) -> Bools:
    names = [kind.name for kind in base.world.kinds]
    return base.chunk.traits.kind == names.index(name)


def test_windows_never_overlap_and_close_before_as_of(base: Base) -> None:
    starts = sorted(-campaign.days_before_as_of for campaign in base.world.campaigns)
    assert all(later - earlier >= base.world.effect_days for earlier, later in zip(starts, [*starts[1:], 0], strict=True))


def test_arms_have_their_propensities_and_are_balanced(base: Base) -> None:
    lives, traits, customers = base.chunk.lives, base.chunk.traits, base.chunk.customers
    for position, campaign in enumerate(base.world.campaigns):
        arm = lives.arm[:, position]
        assigned = arm >= 0
        n = np.bincount(arm[assigned])
        # One in a thousand false alarms per campaign; the seed is fixed.
        assert chisquare(n, np.array(campaign.shares) * n.sum()).pvalue > 1e-3
        for trait in (np.log(traits.orders_per_day), np.log(traits.dropouts_per_day), customers.first_order, traits.kind):
            values = trait[assigned].astype(float)
            gap = values[arm[assigned] > 0].mean() - values[arm[assigned] == 0].mean()
            error = values.std() * np.sqrt(1 / n[0] + 1 / n[1:].sum())
            assert abs(gap) < 3.5 * error


def test_only_who_agreed_bought_and_stayed_subscribed_is_assigned(base: Base) -> None:
    lives, customers = base.chunk.lives, base.chunk.customers
    for position, campaign in enumerate(base.world.campaigns):
        assigned = lives.arm[:, position] >= 0
        start = -campaign.days_before_as_of
        eligible = customers.consents_to(base.world, "email", "post")
        eligible &= (customers.first_order < start) & (lives.unsubscribed_at > start)
        assert np.array_equal(assigned, eligible)
        assert not lives.is_exposed[lives.arm[:, position] <= 0, position].any()


def test_vouchers_belong_to_letters_and_half_of_the_orders_use_them(base: Base) -> None:
    orders, world = base.chunk.orders, base.world
    names = [("control", *campaign.arms) for campaign in world.campaigns]
    arm = np.array(
        [
            names[c][base.chunk.lives.arm[customer, c]] if c != NO_CAMPAIGN else ""
            for customer, c in zip(orders.customer, orders.campaign, strict=True)
        ]
    )
    assert (orders.discount_share[arm != "letter"] == 0).all()
    # 4,000 orders: three standard errors of a half.
    assert (orders.discount_share[arm == "letter"] > 0).mean() == pytest.approx(0.5, abs=0.025)


@pytest.mark.parametrize(("kind", "arm"), [("persuadable", "letter"), ("persuadable", "email"), ("sure_thing", "letter")])
def test_orders_under_a_contact_are_multiplied_as_the_kind_says(base: Base, kind: str, arm: str) -> None:
    chunk, world = base.chunk, base.world
    factor = getattr(next(k for k in world.kinds if k.name == kind), arm).rate
    found, expected = 0, 0.0
    for position, campaign in enumerate(world.campaigns):
        if arm not in campaign.arms:
            continue
        start = -float(campaign.days_before_as_of)
        treated = chunk.lives.arm[:, position] == 1 + campaign.arms.index(arm)
        rows = np.flatnonzero(treated & chunk.lives.is_exposed[:, position] & of_kind(base, kind))
        until = np.clip(chunk.lives.gone_at[rows], start, start + world.effect_days)
        exposure = base.calendar.exposure(until) - base.calendar.exposure(np.array(start))
        expected += float(chunk.traits.orders_per_day[rows] @ exposure)
        found += int(np.isin(chunk.orders.customer[chunk.orders.campaign == position], rows).sum())
    # Poisson: three standard errors.
    assert found / expected == pytest.approx(factor, abs=3 * np.sqrt(found) / expected)


def test_contact_drives_some_away(base: Base) -> None:
    """Departures within the window over the departures that the own hazard alone would give."""
    chunk, world = base.chunk, base.world
    found, expected = 0, 0.0
    for position, campaign in enumerate(world.campaigns):
        start = -float(campaign.days_before_as_of)
        rows = chunk.lives.is_exposed[:, position] & of_kind(base, "do_not_disturb") & (chunk.lives.gone_at > start)
        stayed = np.clip(chunk.lives.gone_at[rows], start, start + world.effect_days) - start
        expected += float(chunk.traits.dropouts_per_day[rows] @ stayed)
        found += int((stayed < world.effect_days).sum())
    assert found / expected == pytest.approx(4.0, abs=3 * np.sqrt(found) / expected)


def test_the_true_effect_is_in_the_transactions(base: Base) -> None:
    """Margin per assigned customer, treated minus control, against the mean of the true effects.

    The effect is made a tenfold one, so that 20,000 customers tell it from noise: expected near 60, standard error 4.
    """
    kinds = tuple(replace(kind, letter=ContactEffect(6.0, 1.0)) for kind in base.world.kinds)
    recipe = replace(base.recipe, world=replace(base.world, kinds=kinds))
    (chunk,) = draw_chunks(recipe, base.calendar)
    lines = lines_of(recipe, chunk)
    truth = true_effects(recipe.world, base.calendar, chunk)
    position = 1
    campaign = recipe.world.campaigns[position]
    start = -campaign.days_before_as_of
    inside = (lines.day >= start) & (lines.day < start + recipe.world.effect_days)
    margin = sums(lines.customer[inside], lines.margin[inside], n=len(chunk.customers))
    treated, control = (margin[chunk.lives.arm[:, position] == arm] for arm in (1, 0))
    error = np.sqrt(treated.var() / len(treated) + control.var() / len(control))
    effect = np.nanmean(truth["effect_voucher_letter_letter"])
    assert effect > 5 * error
    assert treated.mean() - control.mean() == pytest.approx(effect, abs=3 * error)


def test_true_effects_have_the_sign_of_their_kind(base: Base) -> None:
    effects = true_effects(base.world, base.calendar, base.chunk)
    alive = base.chunk.lives.gone_at > 0
    for arm in ("email", "letter"):
        effect = effects[f"effect_next_{arm}"]
        known = np.isfinite(effect) & alive
        assert effect[known & of_kind(base, "persuadable")].mean() > 1
        assert (effect[known & of_kind(base, "do_not_disturb")] < 0).all()
        assert (effect[np.isfinite(effect) & ~alive] == 0).all()
        # A year later, who was driven away has cost more.
        year = effects[f"effect_next_year_{arm}"][known & of_kind(base, "do_not_disturb")].mean()
        assert year < effect[known & of_kind(base, "do_not_disturb")].mean()
    # Sure things order no more, but use the voucher.
    sure = np.isfinite(effects["effect_next_letter"]) & alive & of_kind(base, "sure_thing")
    assert (effects["effect_next_email"][sure] == 0).all()
    assert (effects["effect_next_letter"][sure] < 0).all()


def test_the_ledger_says_what_was_done(simulated: SimulationOutcome) -> None:
    ledger = pq.read_table(simulated.folder / "tables" / "assignments.parquet").to_pandas()
    assert list(ledger.columns) == [
        "campaign_id", "customer_id", "assigned_at", "arm", "cost", "exposed_at", "propensity", "channel",
    ]  # fmt: skip
    assert not ledger.duplicated(["campaign_id", "customer_id"]).any()
    control = ledger["arm"] == "control"
    assert (ledger.loc[control, "cost"] == 0).all()
    assert ledger.loc[control, ["exposed_at", "channel"]].isna().all().all()
    assert (ledger["exposed_at"].dropna() >= ledger.loc[ledger["exposed_at"].notna(), "assigned_at"]).all()
    # Delivered to 96 %, and never to second accounts, one in fifty.
    assert 0.9 < ledger.loc[~control, "exposed_at"].notna().mean() < 0.97
    by_campaign = ledger.groupby("campaign_id")["assigned_at"].agg(["min", "max"])
    assert (by_campaign["min"] == by_campaign["max"]).all()
    assert by_campaign.loc["mail_or_letter", "min"] == datetime(2025, 10, 2, 7)
    shares = ledger.groupby("campaign_id")["propensity"].unique().map(lambda p: round(float(sum(set(p))), 6))
    # 0.40 + 0.60, and 0.34 + 0.33 with two arms alike.
    assert shares.to_dict() == {"first_mail": 1.0, "voucher_letter": 1.0, "mail_or_letter": 0.67}
