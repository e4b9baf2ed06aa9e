"""What contacting by learned uplift really earns on simulated bases, against the most that could be earned.

    python benchmarks/targeting.py [--customers 445000] [--seeds 1-10] [--work FOLDER]

Each base has three past campaigns; with 445,000 customers the latest drew about 200,000. Uplift is learned from their
ledger and the tables alone, as the stages ``features`` and ``train`` learn it, and a next campaign is chosen as ``cvm plan``
chooses it. Only then is the truth read: the true effect of every contact chosen, less its cost. The ceiling is the best
choice that knows the true effect given everything observable, under the same budget. Results of a seed are kept in the
working folder and not measured again. Writes ``benchmarks/targeting.md``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cvm
from cvm.campaigns.limits import Limits, Treatment
from cvm.campaigns.plan_choice import choose
from cvm.datasets.simulate import World, simulate
from cvm.datasets.simulate.ceiling import ceiling
from cvm.datasets.simulate.policy import net_value, policy_ceiling
from cvm.engines import DuckDBEngine
from cvm.features.experiments import write_experiments
from cvm.features.files import read_catalogue
from cvm.features.snapshots import plan_snapshots
from cvm.features.stage import history_days, write_features
from cvm.models.btyd import Btyd
from cvm.models.samples import SnapshotReader
from cvm.models.uplift import learn_uplift
from cvm.params import Params
from cvm.stages.context import workspace_of
from cvm.stages.data import run_ingest
from cvm.stages.inputs import economics_of
from cvm.workspace import Workspace

AS_OF = date(2026, 1, 1)
WORLD = World()
TREATMENTS = tuple(Treatment(one.name, one.channel, one.cost) for one in WORLD.treatments)
COSTS = np.array([one.cost for one in TREATMENTS])
# Of what the ceiling spends without any limit.
BUDGETS = {"no limit": None, "half": 0.5, "a quarter": 0.25}
REPORT = Path(__file__).with_suffix(".md")


def judge(seed: int, *, n_customers: int, folder: Path) -> dict[str, Any]:
    """Simulate, learn, choose, and only then look at the truth."""
    simulate(folder, n_customers=n_customers, seed=seed, as_of=AS_OF, years=3.0)
    params = cvm.load_params(folder / "params.yaml")
    workspace = workspace_of(params)
    run_ingest(params)
    started = time.process_time()
    uplift, scores, sentences, drawn = learn(params, workspace)
    seconds = time.process_time() - started
    ceiling(folder, horizon_days=90)
    truth = pd.read_parquet(folder / "truth" / "truth.parquet")
    truth = truth[truth["is_eligible_next"]]
    both = truth.merge(scores.assign(**{f"uplift_{one.name}": uplift[:, k] for k, one in enumerate(TREATMENTS)}))
    oracle = pd.read_parquet(folder / "truth" / "oracle.parquet").set_index("customer_id").loc[both["customer_id"]]
    true = both[[f"effect_next_{one.name}" for one in TREATMENTS]].to_numpy(float)
    known = oracle[[f"effect_given_observables_{one.name}" for one in TREATMENTS]].to_numpy(float)
    expected = both[[f"uplift_{one.name}" for one in TREATMENTS]].to_numpy(float)
    unlimited = choose(known - COSTS, TREATMENTS, Limits()).arm
    spent = float(COSTS[unlimited[unlimited >= 0]].sum())
    found: dict[str, Any] = {
        "seed": seed,
        "n_eligible": len(both),
        "n_eligible_unknown": len(truth) - len(both),
        "drawn": drawn,
        "cpu_seconds": seconds,
        "sentences": sentences,
        "printed_ceiling": policy_ceiling(folder).observable / len(truth),
        "budgets": {},
    }
    for name, share in BUDGETS.items():
        limits = Limits(None if share is None else spent * share)
        by_risk, by_value, at_random = (
            _best_of_one(order, true, limits)
            for order in (both["risk"], both["value"], pd.Series(np.random.default_rng(seed).random(len(both))))
        )
        found["budgets"][name] = {
            "ceiling": net_value(choose(known - COSTS, TREATMENTS, limits).arm, true, COSTS),
            "uplift": net_value(choose(expected - COSTS, TREATMENTS, limits).arm, true, COSTS),
            "risk": by_risk,
            "value": by_value,
            "random": at_random,
        }
    return found


def learn(params: Params, workspace: Workspace) -> tuple[np.ndarray, pd.DataFrame, list[str], dict[str, int]]:
    """Uplift of everybody today, with risk and value by the purchase process; nothing here knows the truth."""
    economics = economics_of(params)
    with DuckDBEngine(workspace.warehouse, read_only=True) as engine:
        first_day, last_day = history_days(engine, timezone="UTC")
        plan = plan_snapshots(
            first_day=first_day, last_day=last_day, as_of=AS_OF, horizon_days=181, lead_days=0, snapshots=0, step_days=30
        )
        write_features(engine, workspace.features, plan, timezone="UTC", economics=economics)
        past = write_experiments(
            engine, workspace.experiments, as_of=AS_OF, outcome_days=WORLD.effect_days, timezone="UTC", economics=economics
        )
    reader = SnapshotReader(
        workspace.features,
        fit_btyd=partial(Btyd.fit, family="pareto_nbd"),
        lead_days=0,
        eligible_days=None,
        knows_season=plan.knows_season,
    )
    today = reader.features(AS_OF)
    btyd = reader.btyd(AS_OF, today)
    columns = [feature.name for feature in read_catalogue(workspace.features)]
    learned = learn_uplift(workspace.experiments, columns=columns, clock=btyd.clock, costs={}, seed=7, progress=print)
    if learned.uplift is None or [one.arm for one in learned.uplift.treatments] != [one.name for one in TREATMENTS]:
        raise SystemExit(f"Nothing was learned: {learned.notes}")
    buyers = today[today["n_orders"] > 0].reset_index(drop=True)
    expected = btyd.predict(buyers, horizon_days=181, as_of=AS_OF)
    value = expected["btyd_expected_orders"] * expected["btyd_expected_order_value"]
    scores = pd.DataFrame({"customer_id": buyers["customer_id"], "risk": 1 - expected["btyd_p_alive"], "value": value})
    uplift = learned.uplift.expected(buyers, as_of=AS_OF, clock=btyd.clock)
    return uplift, scores, list(learned.notes), {one.campaign_id: one.n_customers for one in past.campaigns}


def _best_of_one(order: pd.Series, true: np.ndarray, limits: Limits) -> float:
    """The top of a list, all by one treatment; how many, and by which, is chosen with the truth in hand."""
    ranked = np.argsort(-order.to_numpy(float), kind="stable")
    best = 0.0
    for column, one in enumerate(TREATMENTS):
        n = len(ranked) if limits.budget is None else min(len(ranked), int(limits.budget / one.cost))
        best = max(best, float(np.cumsum(true[ranked[:n], column] - one.cost).max(initial=0.0)))
    return best


def report(found: list[dict[str, Any]], *, n_customers: int) -> str:
    """The figures in Markdown."""
    drew = [one["drawn"]["mail_or_letter"] for one in found]
    lines = [
        "# Targeting: what learned uplift earns, of what could be earned",
        "",
        f"Measured by `python benchmarks/targeting.py --customers {n_customers}` with cvm {cvm.__version__} on bases that",
        f"`cvm simulate` makes (seeds: {', '.join(str(one['seed']) for one in found)}), learned from the ledger and the",
        f"tables alone. The latest campaign drew {' to '.join(dict.fromkeys((f'{min(drew):,}', f'{max(drew):,}')))}",
        "customers; two earlier ones teach, too. Shares are true net value over the",
        "ceiling: the best choice that knows the true effect given everything observable, under the same budget (a share of",
        "what the ceiling spends without one). Risk, value and chance get the better treatment and the best depth of their",
        "list, told by the truth.",
        "",
        "| budget | uplift, mean (least) | by risk | by value | by chance |",
        "|---|---|---|---|---|",
    ]
    for name in BUDGETS:
        share = {
            how: np.array([one["budgets"][name][how] / one["budgets"][name]["ceiling"] for one in found])
            for how in ("uplift", "risk", "value", "random")
        }
        others = " | ".join(f"{share[how].mean():.3f}" for how in ("risk", "value", "random"))
        lines.append(f"| {name} | **{share['uplift'].mean():.3f}** ({share['uplift'].min():.3f}) | {others} |")
    lines += [
        "",
        "| seed | eligible | ceiling per customer | " + " | ".join(BUDGETS) + " | CPU s to learn |",
        "|---|---|---|" + "---|" * (len(BUDGETS) + 1),
    ]
    for one in found:
        shares = " | ".join(f"{one['budgets'][name]['uplift'] / one['budgets'][name]['ceiling']:.3f}" for name in BUDGETS)
        lines.append(
            f"| {one['seed']} | {one['n_eligible']:,} | {one['printed_ceiling']:.3f} | {shares} | {one['cpu_seconds']:.0f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=445_000)
    parser.add_argument("--seeds", default="1-10")
    parser.add_argument("--work", type=Path, help="Folder that keeps the result of each seed; none forgets them.")
    asked = parser.parse_args()
    first, _, last = asked.seeds.partition("-")
    found = []
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        work.mkdir(parents=True, exist_ok=True)
        for seed in range(int(first), int(last or first) + 1):
            kept = work / f"targeting_{asked.customers}_{seed}.json"
            if not kept.is_file():
                folder = work / f"base_{seed}"
                kept.write_text(json.dumps(judge(seed, n_customers=asked.customers, folder=folder)), encoding="utf-8")
                shutil.rmtree(folder)
            found.append(json.loads(kept.read_text(encoding="utf-8")))
            print(json.dumps(found[-1]["budgets"]), flush=True)
    REPORT.write_text(report(found, n_customers=asked.customers), encoding="utf-8")


if __name__ == "__main__":
    main()
