"""The margins of the world: what was set is what is found, within sampling error."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.special import polygamma

from cvm.datasets.simulate.ceiling import unobservable_shares
from cvm.datasets.simulate.history import history_of
from cvm.datasets.simulate.likelihood import hazard_exposure, purchase_exposure
from cvm.datasets.simulate.recipe import SimulationRecipe
from cvm.datasets.simulate.traits import prior_of
from cvm.datasets.simulate.truth import is_alive
from cvm.datasets.simulate.truth_table import truth_table
from cvm.datasets.simulate.world import World
from cvm.errors import MissingOutputError, SourceError
from simulated_base import N_CUSTOMERS, Base


def test_season_has_mean_one_a_christmas_peak_and_a_summer_dip(base: Base) -> None:
    calendar = base.calendar
    dates = [calendar.date_of(day) for day in range(calendar.first_day, calendar.first_day + len(calendar.season))]
    by_month = {m: np.mean([s for s, d in zip(calendar.season, dates, strict=True) if d.month == m]) for m in range(1, 13)}
    # A year has 52 weeks and a day, and 365 or 366 days: within half a per cent.
    for year in (2023, 2024, 2025):
        assert np.mean([s for s, d in zip(calendar.season, dates, strict=True) if d.year == year]) == pytest.approx(
            1, abs=5e-3
        )
    assert max(by_month, key=by_month.__getitem__) == 12
    assert by_month[12] > 1.5
    assert by_month[7] < 0.85
    saturdays = np.array([d.weekday() == 5 for d in dates])
    assert calendar.season[saturdays].mean() / calendar.season.mean() == pytest.approx(1.18, abs=0.01)


def test_exposure_and_moment_undo_each_other(base: Base) -> None:
    days = np.linspace(base.calendar.first_day, 364.9, 1_001)
    assert base.calendar.moment(base.calendar.exposure(days)) == pytest.approx(days, abs=1e-6)


def test_shares_of_attributes_and_consents(base: Base) -> None:
    customers, world = base.chunk.customers, base.world
    # Three standard errors of a share near one half: 0.011.
    for levels, code in (
        (world.acquisition_channels, customers.channel),
        (world.age_bands, customers.age),
        (world.regions, customers.region),
    ):
        expected = [level.share for level in levels]
        assert np.bincount(code, minlength=len(levels)) / N_CUSTOMERS == pytest.approx(expected, abs=0.011)
    assert customers.consent.mean(axis=0) == pytest.approx([share for _, share in world.consent_shares], abs=0.011)
    habits = np.bincount(np.bincount(customers.habits.customer, minlength=N_CUSTOMERS)) / N_CUSTOMERS
    assert habits == pytest.approx(world.habit_shares, abs=0.011)


def test_customers_join_with_growth_and_in_bursts(base: Base) -> None:
    joined = base.chunk.customers.signed_up
    years = np.histogram(joined, bins=[-1096, -731, -366, 0])[0]
    # 1.25 a year; the standard error of a ratio of 7,000 to 6,000 is 0.02.
    assert years[1:] / years[:-1] == pytest.approx([1.25, 1.25], abs=0.08)
    months = np.array([base.calendar.date_of(int(day)).month for day in np.floor(joined)])
    count = np.bincount(months, minlength=13)
    assert count[11] / np.mean([count[10], count[12]]) == pytest.approx(1.8, rel=0.1)


def test_free_orders_follow_rate_season_and_effects(base: Base) -> None:
    """Time change: orders of each customer over own rate times exposure, until gone, is 1 in the mean."""
    chunk, world = base.chunk, base.world
    history = history_of(world, chunk, base.lines.take(base.lines.amount > 0))
    last = np.minimum(chunk.lives.gone_at, 0.0)
    exposure = purchase_exposure(world, base.calendar, history, last[:, None])[np.arange(len(last)), 0, chunk.traits.kind]
    expected = np.where(history.has_ordered, chunk.traits.orders_per_day * exposure, 0.0)
    # 80,000 orders: three standard errors of a Poisson total.
    assert history.n_repeats.sum() / expected.sum() == pytest.approx(1, abs=3 / np.sqrt(expected.sum()))
    month = [base.calendar.date_of(int(day)).month for day in np.floor(chunk.orders.day[~chunk.orders.is_first])]
    peak, dip = month.count(12), month.count(7)
    assert peak / dip > 1.5


def test_departures_follow_the_hazard(base: Base) -> None:
    chunk, world = base.chunk, base.world
    history = history_of(world, chunk, base.lines.take(base.lines.amount > 0))
    bought = history.has_ordered
    last = np.minimum(chunk.lives.gone_at, 0.0)
    exposure = hazard_exposure(world, history, last[:, None])[np.arange(len(last)), 0, chunk.traits.kind]
    expected = (chunk.traits.dropouts_per_day * exposure)[bought].sum()
    left = (~is_alive(chunk) & bought).sum()
    # 8,000 departures: three standard errors.
    assert left / expected == pytest.approx(1, abs=3 / np.sqrt(expected))
    assert 0.4 < left / bought.sum() < 0.6


def test_heterogeneity_is_gamma_around_the_prior(base: Base) -> None:
    world, traits, prior = base.world, base.chunk.traits, prior_of(base.world, base.chunk.customers)
    kind_rate = np.array([kind.rate for kind in world.kinds])[traits.kind]
    # Squared coefficient of variation of a gamma: 1 / shape; of an inverse gamma: 1 / (shape - 2). Fourth moments make
    # their standard errors about 3 and 10 per cent.
    for own, mean, variance, tolerance in (
        (traits.orders_per_day, prior.orders_per_day * kind_rate, 1 / world.orders_shape, 0.1),
        (traits.dropouts_per_day, prior.dropouts_per_day, 1 / world.dropout_shape, 0.1),
        (traits.activity_per_day, prior.activity_per_day, 1 / world.activity_shape, 0.1),
        (traits.order_value, prior.order_value, 1 / (world.order_value_mean_shape - 2), 0.3),
    ):
        relative = own / mean
        assert relative.mean() == pytest.approx(1, abs=0.025)
        assert relative.var() == pytest.approx(variance, rel=tolerance)
    assert np.log(traits.orders_per_day / prior.orders_per_day / kind_rate).var() == pytest.approx(
        float(polygamma(1, world.orders_shape)), rel=0.05
    )


def test_orders_cost_their_mean_and_lines_add_up_to_them(base: Base) -> None:
    orders, traits, world = base.chunk.orders, base.chunk.traits, base.world
    relative = orders.value / traits.order_value[orders.customer]
    # 140,000 orders with a spread of 0.41: a standard error of 0.001.
    assert relative.mean() == pytest.approx(1, abs=0.004)
    assert relative.std() == pytest.approx(1 / np.sqrt(world.order_value_shape), rel=0.02)
    free = base.lines.is_free & (base.lines.amount > 0)
    paid = np.bincount(base.lines.order[free], weights=base.lines.amount[free], minlength=len(orders.value))
    expected = np.round(orders.value * (1 - orders.discount_share), 2)
    # Vouchers are taken off line by line, each rounded to the cent.
    assert paid[: len(expected)] == pytest.approx(expected, abs=0.021)
    assert paid[: len(expected)][orders.discount_share == 0] == pytest.approx(orders.value[orders.discount_share == 0])


def test_habits_renew_on_their_cycle(base: Base) -> None:
    renewals, traits, habits = base.chunk.renewals, base.chunk.traits, base.chunk.customers.habits
    same = renewals.habit[1:] == renewals.habit[:-1]
    interval = np.diff(renewals.day)[same] / traits.cycle_days[renewals.habit[1:][same]]
    # 100,000 intervals with a spread of a tenth; the last, which is cut off, leans the mean down by less than a hundredth.
    assert interval.mean() == pytest.approx(1, abs=0.01)
    assert interval.std() == pytest.approx(0.1, abs=0.005)
    for code, category in enumerate(base.world.categories):
        own = traits.cycle_days[habits.category == code]
        if category.cycle_days:
            # Own cycles spread by 27 per cent: a standard error of 1 per cent with the rarest 900 habits.
            assert own.mean() == pytest.approx(category.cycle_days, rel=0.03)
            assert own.std() / own.mean() == pytest.approx(0.27, abs=0.04)


def test_size_of_the_tables(base: Base) -> None:
    """Ten to fifteen order lines per customer, some orders with several lines."""
    past = base.lines.day < 0
    assert 10 < past.sum() / N_CUSTOMERS < 15
    free = base.lines.is_free & (base.lines.amount > 0)
    per_order = np.unique(base.lines.order[free], return_counts=True)[1]
    assert np.bincount(per_order)[1:] / len(per_order) == pytest.approx(base.world.lines_per_order_shares, abs=0.01)


def test_at_least_half_of_rate_dropout_and_effect_cannot_be_observed(base: Base) -> None:
    shares = unobservable_shares(base.world, truth_table(base.world, base.calendar, base.chunk))
    assert set(shares) == {
        "log purchase rate",
        "log dropout hazard",
        "log order value",
        "relative effect of email",
        "relative effect of letter",
    }
    assert all(0.5 <= share < 1 for share in shares.values())


def test_all_four_kinds_are_common_enough_to_matter(base: Base) -> None:
    share = np.bincount(base.chunk.traits.kind) / N_CUSTOMERS
    assert [kind.name for kind in base.world.kinds] == ["persuadable", "sure_thing", "lost_cause", "do_not_disturb"]
    assert share.min() > 0.05


def test_a_recipe_is_read_as_it_was_written(tmp_path: Path) -> None:
    recipe = SimulationRecipe(10, 3, "2026-01-01", 3.0, World(orders_per_year=5.0))
    recipe.write(tmp_path / "recipe.json")
    assert SimulationRecipe.read(tmp_path / "recipe.json") == recipe


def test_a_missing_or_damaged_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingOutputError, match="Run `cvm simulate` first"):
        SimulationRecipe.read(tmp_path / "recipe.json")
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(SourceError, match="is of another version of cvm or damaged"):
        SimulationRecipe.read(tmp_path / "recipe.json")


def test_the_defaults_are_frozen() -> None:
    """A changed default makes published figures incomparable: change this digest only together with them."""
    text = TypeAdapter(World).dump_json(World())
    assert hashlib.sha256(text).hexdigest()[:16] == "ef78269d6069b29c"
