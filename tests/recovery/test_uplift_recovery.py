"""A campaign whose true effects are known: what was learned from its outcomes earns money on other customers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cvm.datasets.simulate import World, simulate
from cvm.datasets.simulate.policy import best_arms, net_value
from cvm.datasets.simulate.world import Dirt
from cvm.engines import DuckDBEngine, literal
from cvm.evaluation import policy_difference, policy_value
from cvm.features.economics import Economics
from cvm.features.query import Schema, features_query
from cvm.models.uplift import experiment_of, fit_uplift

CAMPAIGN, ARM = "voucher_letter", "letter"
COLUMNS = [
    *("recency_days", "n_orders", "tenure_days", "mean_gap_days", "recency_over_mean_gap", "spend", "mean_order_value"),
    *("spend_90d", "n_orders_90d", "spend_365d", "share_discount", "n_email_open_90d", "n_visit_90d", "days_since_visit"),
]


def read_campaign(folder: Path) -> pd.DataFrame:
    """Everybody drawn: features on the day before, margin of the eight weeks after, and the true effect."""
    with DuckDBEngine() as engine:
        for path in (folder / "tables").glob("*.parquet"):
            engine.replace_table(path.stem, f"SELECT * FROM read_parquet({literal(str(path))})")
        own = f"(FROM assignments WHERE campaign_id = {literal(CAMPAIGN)})"
        day = engine.row(f"SELECT min(CAST(assigned_at AS DATE)) AS day FROM {own}")["day"]
        features = features_query(Schema.of(engine), [day], timezone="UTC", economics=Economics())
        start = f"CAST({literal(day)} AS TIMESTAMP)"
        margin = f"""
            SELECT customer_id, sum(margin) AS margin FROM transactions
            WHERE occurred_at >= {start} AND occurred_at < {start} + INTERVAL {World().effect_days} DAY GROUP BY 1
        """
        truth = literal(str(folder / "truth" / "truth.parquet"))
        return engine.table(f"""
            SELECT f.*, a.arm, a.propensity, coalesce(m.margin, 0) AS margin, t.effect_{CAMPAIGN}_{ARM} AS effect
            FROM {own} AS a JOIN ({features}) AS f USING (customer_id) JOIN read_parquet({truth}) AS t USING (customer_id)
            LEFT JOIN ({margin}) AS m USING (customer_id) ORDER BY customer_id
        """).to_pandas()


@pytest.mark.slow
def test_the_learned_policy_beats_chance_and_all_and_none(tmp_path: Path) -> None:
    simulate(tmp_path, n_customers=60_000, seed=7, world=World(dirt=Dirt.none()))
    drawn = read_campaign(tmp_path)
    cost = next(one.cost for one in World().treatments if one.name == ARM)
    experiment = experiment_of(
        drawn[["customer_id", *(name for name in COLUMNS if name in drawn)]],
        outcome=drawn["margin"],
        arm=drawn["arm"],
        propensity=drawn["propensity"],
    )
    fit = fit_uplift(experiment, settings={"learning_rate": 0.1})
    (evidence,) = fit.evidence
    true, costs = drawn[["effect"]].to_numpy(), np.array([cost])
    assert evidence.mean_effect.lower < true.mean() < evidence.mean_effect.upper
    assert evidence.is_heterogeneous, evidence.sentence
    # True money, that nobody can see outside of a simulation.
    learned = best_arms(fit.out_of_fold, costs)
    earned, oracle = net_value(learned, true, costs), net_value(best_arms(true, costs), true, costs)
    everybody = net_value(np.zeros(len(true), dtype=int), true, costs)
    by_chance = float((learned == 0).mean()) * everybody
    print(
        f"share of the oracle: learned {earned / oracle:.3f}, all {everybody / oracle:.3f}, chance {by_chance / oracle:.3f}"
    )
    assert earned > max(0.0, everybody, by_chance)
    assert earned > 0.3 * oracle
    # And as the campaign itself shows it.
    values = fit.arm_values - np.array([0.0, cost])
    estimate = policy_value(values, learned + 1)
    gained = policy_difference(values, learned + 1, np.zeros(len(values), dtype=int))
    assert estimate.lower < estimate.value < estimate.upper
    assert gained.lower < earned / len(values) < gained.upper
