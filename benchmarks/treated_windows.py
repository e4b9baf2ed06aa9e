"""What ``train.treated`` does to churn probabilities when campaigns run in the outcome windows of a simulated base.

    python benchmarks/treated_windows.py [--customers 20000] [--seed 101]

The future of a simulated base holds no campaign, so what happens in it is the untreated truth. Two worlds: the default one
(three campaigns, 40 % held out), and one in which a letter every 90 days quadruples the orders of most of the 75 % who
get it. Prints a table; its figures stand in ``docs/models.md``.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd

import cvm
from cvm.datasets.simulate import simulate
from cvm.datasets.simulate.world import Campaign, ContactEffect, World
from cvm.evaluation import area_under_roc, brier_score
from cvm.stages.data import run_features, run_ingest
from cvm.stages.promote import run_promote
from cvm.stages.score import run_score
from cvm.stages.train import run_train

AS_OF = date(2026, 1, 1)


def busy_world() -> World:
    """Letters that work on all but those not to be disturbed, six times, to three in four."""
    world = World()
    kinds = tuple(
        kind
        if kind.name == "do_not_disturb"
        else replace(kind, email=ContactEffect(rate=2.5), letter=ContactEffect(rate=4.0))
        for kind in world.kinds
    )
    letters = tuple(Campaign(f"c{days}", days, ("letter",), (0.25, 0.75)) for days in (525, 435, 345, 255, 165, 75))
    return replace(world, kinds=kinds, campaigns=letters)


def compare(folder: Path, name: str, *, overrides: list[str]) -> None:
    """Train and score under every setting; print what it says of those whom campaigns may reach."""
    params = cvm.load_params(folder / "params.yaml", overrides=overrides)
    run_ingest(params)
    run_features(params)
    truth = pd.read_parquet(folder / "truth" / "truth.parquet", columns=["customer_id", "is_eligible_next"])
    future = pd.read_parquet(folder / "truth" / "future_transactions.parquet")
    end = pd.Timestamp(AS_OF) + pd.Timedelta(days=params.windows.horizon_days)
    bought = future.loc[(future["occurred_at"] < end) & (future["amount"] > 0), "customer_id"]
    for treated in ("include", "exclude", "control_only"):
        params = cvm.load_params(folder / "params.yaml", overrides=[*overrides, f"train.treated={treated}"])
        run_train(params)
        run_promote(params, force="a benchmark of the latest training")
        run_score(params)
        scores = pd.read_parquet(folder / "outputs" / "scores" / f"as_of={AS_OF}" / "scores.parquet")
        reached = scores[scores["p_churn"].notna()].merge(truth[truth["is_eligible_next"]], on="customer_id")
        churned = (~reached["customer_id"].isin(bought)).to_numpy(float)
        p = reached["p_churn"].to_numpy(float)
        print(
            f"| {name} | {treated} | {churned.mean():.3f} | {p.mean():.3f} | {p.mean() - churned.mean():+.3f} "
            f"| {brier_score(churned, p):.4f} | {area_under_roc(churned, p):.3f} |",
            flush=True,
        )


def main() -> None:
    """Parse, simulate, compare."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=101)
    given = parser.parse_args()
    print("| world | train.treated | churned | mean p_churn | gap | Brier | AUC |\n|---|---|---|---|---|---|---|")
    worlds = {"default": (World(), []), "busy": (busy_world(), ["btyd.family=mbg_nbd", "train.snapshots=3"])}
    for name, (world, overrides) in worlds.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / name
            simulate(folder, n_customers=given.customers, seed=given.seed, as_of=AS_OF, years=3.0, world=world)
            compare(folder, name, overrides=overrides)


if __name__ == "__main__":
    main()
