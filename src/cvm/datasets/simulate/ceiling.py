"""The ceiling: what a predictor reaches that knows the true hyper-parameters and every observable.

No model can do better in expectation, so models are judged by how near they come. The ceiling of campaigns is the policy
that ranks by the expected true effect given the observables; ``truth/oracle.parquet`` holds that expectation per customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cvm.datasets.simulate import names
from cvm.datasets.simulate.calendar import Calendar
from cvm.datasets.simulate.chance import Bools, Floats
from cvm.datasets.simulate.chunk import Chunk, calendar_of, draw_chunks
from cvm.datasets.simulate.expectation import HORIZONS
from cvm.datasets.simulate.history import history_of
from cvm.datasets.simulate.policy import PolicyCeiling, policy_ceiling
from cvm.datasets.simulate.posterior import (
    expected_effects,
    expected_future,
    expected_truth,
    p_alive_by_behaviour,
    posterior_of,
)
from cvm.datasets.simulate.recipe import SimulationRecipe
from cvm.datasets.simulate.simulation import Progress, lines_of, silent
from cvm.datasets.simulate.world import World
from cvm.errors import ParamsError, SourceError
from cvm.evaluation import (
    area_under_roc,
    brier_score,
    calibration_error,
    decile_error,
    normalised_gini,
    ratio,
    reliability,
    spearman,
)
from cvm.workspace import replaced_file


@dataclass(frozen=True)
class Ceiling:
    """What can be known of a simulated base, at best.

    Attributes
    ----------
    n_customers, n_buyers : int
        All, and those with an order before ``as_of``; P(alive) is judged on the latter.
    horizon_days : int
        Of the value figures.
    spearman_with_truth : float
        Rank correlation of the posterior mean with the true expected revenue.
    ratio_to_truth, ratio_to_future : float
        Sum of posterior means over the sum of true expectations, and over what happens.
    normalised_gini, normalised_gini_of_truth : float
        Of the revenue that happens, ranked by the posterior mean, and by the true expectation (nobody can know it).
    decile_error : float
        decMAPE of the posterior mean on what happens: the noise floor.
    p_alive_predicted, p_alive_happened : tuple of float
        By decile of P(alive).
    p_alive_gap : float
        Largest difference of the two; small if the posterior is right.
    p_alive_error : float
        Mean difference of the two.
    p_alive_auc : float
    alive_explained, alive_explained_by_behaviour : float
        Share of the variance of being alive that all observables explain, and all but the purchases.
    unobservable_share : dict of str to float
        Share of the variance of log rate, log dropout hazard and relative effects that attributes and reading habit leave.
    effect_explained : dict of str to float
        Share of the variance of the true effect in money that the posterior mean explains, by arm.
    net_value : dict of str to float
        Per eligible customer of a next campaign without a budget: every arm for all; ``observable``, the best arm or
        none by the posterior mean (the ceiling); ``truth``, by the true effect.
    """

    n_customers: int
    n_buyers: int
    horizon_days: int
    spearman_with_truth: float
    ratio_to_truth: float
    ratio_to_future: float
    normalised_gini: float
    normalised_gini_of_truth: float
    decile_error: float
    p_alive_predicted: tuple[float, ...]
    p_alive_happened: tuple[float, ...]
    p_alive_gap: float
    p_alive_error: float
    p_alive_auc: float
    alive_explained: float
    alive_explained_by_behaviour: float
    unobservable_share: dict[str, float]
    effect_explained: dict[str, float]
    net_value: dict[str, float]

    def rows(self) -> list[tuple[str, str]]:
        """What and how much, in words, for printing."""
        days = f"{self.horizon_days} days"
        shares = {f"  {name}": f"{share:.0%}" for name, share in self.unobservable_share.items()}
        effects = {f"  {arm}": f"{share:.0%}" for arm, share in self.effect_explained.items()}
        policies = {f"  {policy}": f"{value:+.3f}" for policy, value in self.net_value.items()}
        return [
            ("customers", f"{self.n_customers:,}, of whom {self.n_buyers:,} have bought"),
            (f"Spearman with the true expected revenue, {days}", f"{self.spearman_with_truth:.3f}"),
            ("nGini of the revenue to come", f"{self.normalised_gini:.3f}"),
            ("nGini if the truth were known", f"{self.normalised_gini_of_truth:.3f}"),
            ("ratio to the truth, to the future", f"{self.ratio_to_truth:.3f}, {self.ratio_to_future:.3f}"),
            ("decMAPE on the future", f"{self.decile_error:.3f}"),
            ("P(alive): largest gap of a decile", f"{self.p_alive_gap:.3f}"),
            ("P(alive): AUC", f"{self.p_alive_auc:.3f}"),
            ("variance of being alive explained", f"{self.alive_explained:.0%}"),
            ("  by behaviour alone", f"{self.alive_explained_by_behaviour:.0%}"),
            ("variance that observables leave of", ""),
            *shares.items(),
            ("variance of the effect in money explained", ""),
            *effects.items(),
            ("net value of a next campaign per eligible customer", ""),
            *policies.items(),
        ]


def ceiling(folder: Path, *, horizon_days: int = 181, progress: Progress = silent) -> Ceiling:
    """Compute the ceiling of a simulated base and write ``truth/oracle.parquet``.

    The base is drawn again from its recipe, so the observer sees clean streams: nothing late, no second accounts.

    Parameters
    ----------
    folder : Path
        As given to ``simulate``.
    horizon_days : int, one of 90, 181, 365
    progress : callable
        Told after each chunk of customers.

    Raises
    ------
    ParamsError
        If the truth holds no such horizon.
    MissingOutputError
        If there is no simulated base.
    SourceError
        If the base was written by another version of cvm or numpy, so that drawing again gives another one.
    """
    if horizon_days not in HORIZONS:
        raise ParamsError(f"horizon_days == {horizon_days}, must be one of {list(HORIZONS)}.")
    recipe = SimulationRecipe.read(folder / "truth" / "recipe.json")
    truth = _read(folder / "truth" / "truth.parquet")
    calendar = calendar_of(recipe)
    parts = []
    for chunk in draw_chunks(recipe, calendar):
        parts.append(_oracle(recipe, calendar, chunk, horizon_days=horizon_days))
        progress(f"{chunk.customers.first + len(chunk.customers):,} of {recipe.n_customers:,} customers")
    oracle = pa.concat_tables(parts)
    if not oracle["left_at_day"].combine_chunks().equals(_left_at_day(truth, calendar)):
        raise SourceError(f"{folder} was simulated by another version of cvm or numpy. Run `cvm simulate` again.")
    with replaced_file(folder / "truth" / "oracle.parquet") as path:
        pq.write_table(oracle.drop_columns(["left_at_day", "future_revenue"]), path)
    return _ceiling(recipe.world, truth, oracle, policy_ceiling(folder), horizon_days=horizon_days)


def _oracle(recipe: SimulationRecipe, calendar: Calendar, chunk: Chunk, *, horizon_days: int) -> pa.Table:
    """Posterior means per customer, and what happens."""
    world, lines = recipe.world, lines_of(recipe, chunk)
    history = history_of(world, chunk, lines.take(lines.amount > 0))
    posterior = posterior_of(world, calendar, history)
    columns: dict[str, object] = {
        "customer_id": names.customer_ids(chunk.customers.first + np.arange(len(chunk.customers))),
        "p_alive": posterior.p_alive,
        "p_alive_by_behaviour": p_alive_by_behaviour(world, history),
    }
    for days in HORIZONS:
        for quantity, values in vars(expected_future(posterior, horizon_days=days)).items():
            columns[f"expected_{quantity}_{days}d"] = values
    for days in HORIZONS:
        columns[f"expected_truth_revenue_{days}d"] = expected_truth(posterior, horizon_days=days).revenue
    for name, days in (("", world.effect_days), ("_year", 365)):
        for arm, effect in expected_effects(posterior, days=days).items():
            columns[f"effect_given_observables{name}_{arm}"] = effect
    comes = (lines.placed >= 0) & (lines.day < horizon_days)
    columns["future_revenue"] = np.bincount(lines.customer[comes], weights=lines.amount[comes], minlength=len(history))
    columns["left_at_day"] = _day_of(chunk.lives.gone_at)
    return pa.table(columns)


def _ceiling(world: World, truth: pa.Table, oracle: pa.Table, policies: PolicyCeiling, *, horizon_days: int) -> Ceiling:
    true, known = partial(_floats, truth), partial(_floats, oracle)
    is_buyer = truth["has_ordered"].to_numpy()
    alive, p_alive = true("is_alive")[is_buyer], known("p_alive")[is_buyer]
    groups = reliability(alive, p_alive)
    expected = true(f"expected_revenue_{horizon_days}d")
    posterior_mean, best = known(f"expected_revenue_{horizon_days}d"), known(f"expected_truth_revenue_{horizon_days}d")
    future = np.maximum(known("future_revenue"), 0.0)
    return Ceiling(
        n_customers=len(is_buyer),
        n_buyers=int(is_buyer.sum()),
        horizon_days=horizon_days,
        spearman_with_truth=spearman(expected, best),
        ratio_to_truth=ratio(expected, best),
        ratio_to_future=ratio(future, posterior_mean),
        normalised_gini=normalised_gini(future, posterior_mean),
        normalised_gini_of_truth=normalised_gini(future, expected),
        decile_error=decile_error(future, posterior_mean),
        p_alive_predicted=tuple(groups.predicted.tolist()),
        p_alive_happened=tuple(groups.happened.tolist()),
        p_alive_gap=float(np.abs(groups.predicted - groups.happened).max()),
        p_alive_error=calibration_error(alive, p_alive),
        p_alive_auc=area_under_roc(alive, p_alive),
        alive_explained=_explained(alive, p_alive),
        alive_explained_by_behaviour=_explained(alive, known("p_alive_by_behaviour")[is_buyer]),
        unobservable_share=unobservable_shares(world, truth),
        effect_explained=_effects_explained(world, truth, oracle),
        net_value=_net_values(policies),
    )


def unobservable_shares(world: World, truth: pa.Table) -> dict[str, float]:
    """Share of variance that attributes and reading habit leave, of log rate, log hazard, log spend and relative effects."""
    shares = {
        quantity: 1 - float(np.var(np.log(_floats(truth, prior))) / np.var(np.log(_floats(truth, own))))
        for quantity, own, prior in (
            ("log purchase rate", "orders_per_year", "prior_orders_per_year"),
            ("log dropout hazard", "dropouts_per_year", "prior_dropouts_per_year"),
            ("log order value", "mean_order_value", "prior_mean_order_value"),
        )
    }
    for treatment in world.treatments:
        own, prior = _floats(truth, f"rate_factor_{treatment.name}"), _floats(truth, f"prior_rate_factor_{treatment.name}")
        shares[f"relative effect of {treatment.name}"] = 1 - _explained(own, prior)
    return shares


def _effects_explained(world: World, truth: pa.Table, oracle: pa.Table) -> dict[str, float]:
    eligible: Bools = truth["is_eligible_next"].to_numpy()
    return {
        arm.name: _explained(
            _floats(truth, f"effect_next_{arm.name}")[eligible],
            _floats(oracle, f"effect_given_observables_{arm.name}")[eligible],
        )
        for arm in world.treatments
    }


def _net_values(policies: PolicyCeiling) -> dict[str, float]:
    n = max(policies.n_eligible, 1)
    values = {f"{arm} for all": value / n for arm, value in policies.for_all.items()}
    return {**values, "observable": policies.observable / n, "truth": policies.truth / n}


def _explained(actual: Floats, predicted: Floats) -> float:
    return 1 - brier_score(actual, predicted) / float(np.var(actual)) if len(actual) and np.var(actual) > 0 else 0.0


def _floats(table: pa.Table, name: str) -> Floats:
    return table[name].to_numpy().astype(float)


def _day_of(day: Floats) -> pa.Array:
    return pa.array(np.floor(np.minimum(day, 36_525.0)).astype(np.int64))


def _left_at_day(truth: pa.Table, calendar: Calendar) -> pa.Array:
    micros = np.nan_to_num(truth["left_at"].cast(pa.int64()).to_numpy().astype(float), nan=np.inf)
    return _day_of((micros - calendar.midnight(0)) / 86_400e6)


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read: {error}. Run `cvm simulate` again.") from None
