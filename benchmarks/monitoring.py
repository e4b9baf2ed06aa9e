"""Whether monitoring notices that customers buy less, and keeps still while they do not.

    python benchmarks/monitoring.py [--customers 20000] [--seeds 1-10] [--work FOLDER]

Each simulated base is trained on what happened more than two months before its end. Then two monthly jobs (features,
scores, monitoring) run twice: on the base as it is, and on one in which from the day of training on every fifth order is
taken out at random. What each seed gave is kept in the working folder and not run again. Writes
``benchmarks/monitoring.md``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cvm
from cvm.datasets.simulate import simulate
from cvm.stages.data import run_features, run_ingest
from cvm.stages.monitor import monitor
from cvm.stages.score import run_score
from cvm.stages.train import run_train

END = date(2026, 1, 1)
MONTHS = (31, 61)
TRAINED = END - timedelta(days=MONTHS[-1])
FALL = 0.20
REPORT = Path(__file__).with_suffix(".md")


def run_seed(folder: Path, *, seed: int, customers: int) -> dict[str, Any]:
    """Verdicts of both months on both bases."""
    simulate(folder, n_customers=customers, seed=seed, as_of=END)
    params = cvm.load_params(folder / "params.yaml", overrides=[f"windows.as_of={TRAINED}"])
    now = datetime.combine(END, time(), UTC).replace(tzinfo=None)
    run_ingest(params, now=now)
    run_features(params)
    run_train(params)
    run_score(params)
    found: dict[str, Any] = {"seed": seed, "undisturbed": _months(folder, "outputs")}
    shutil.copytree(folder / "outputs" / "scores", folder / "fallen" / "scores")
    shutil.rmtree(folder / "fallen" / "scores" / f"as_of={TRAINED + timedelta(days=MONTHS[0])}")
    shutil.rmtree(folder / "fallen" / "scores" / f"as_of={END}")
    run_ingest(
        cvm.load_params(folder / "params.yaml", overrides=["outputs=fallen"]),
        tables={"transactions": fallen(pd.read_parquet(folder / "tables" / "transactions.parquet"), seed=seed)},
        now=now,
    )
    return found | {"fallen": _months(folder, "fallen")}


def fallen(lines: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """``lines`` without a fifth of the orders placed from the day of training on."""
    later = lines["occurred_at"] >= pd.Timestamp(TRAINED)
    orders = lines.loc[later, "order_id"].dropna().unique()
    gone = orders[np.random.default_rng(seed).random(len(orders)) < FALL]
    return lines[~(later & lines["order_id"].isin(gone))]


def _months(folder: Path, outputs: str) -> list[dict[str, Any]]:
    verdicts = []
    for days in MONTHS:
        overrides = [f"windows.as_of={TRAINED + timedelta(days=days)}", f"outputs={outputs}"]
        params = cvm.load_params(folder / "params.yaml", overrides=overrides)
        run_features(params)
        run_score(params)
        found = monitor(params)
        verdicts.append(
            {
                "word": found.verdict.word,
                "change": found.signals[0].change,
                "usual": [found.signals[0].lower, found.signals[0].upper],
                "reasons": [reason.text for reason in found.verdict.reasons],
            }
        )
    return verdicts


def report(found: list[dict[str, Any]], *, customers: int) -> str:
    """As Markdown."""
    flagged = sum(any(month["word"] == "retrain" for month in seed["fallen"]) for seed in found)
    quiet = [month["word"] for seed in found for month in seed["undisturbed"]]
    lines = [
        "# Monitoring on simulated bases",
        "",
        f"{len(found)} bases of {customers:,} customers, a model trained two months before their end "
        "(`python benchmarks/monitoring.py`). In the disturbed bases every fifth order is missing from that day on.",
        "",
        f"- Fall found within two months (verdict retrain): {flagged} of {len(found)} bases.",
        f"- {len(quiet)} undisturbed months: {quiet.count('retrain')} times retrain, {quiet.count('watch')} times watch.",
        "",
        "| seed | undisturbed, month 1 | month 2 | a fifth fewer orders, month 1 | month 2 |",
        "|---|---|---|---|---|",
    ]
    for seed in found:
        cells = [f"{month['word']} ({month['change']:+.1%})" for name in ("undisturbed", "fallen") for month in seed[name]]
        lines.append(f"| {seed['seed']} | {' | '.join(cells)} |")
    lines += ["", "In brackets: change of the purchase rate in the last month, less the usual lean of the model.", ""]
    reasons = sorted({text for seed in found for month in seed["undisturbed"] for text in month["reasons"]})
    if reasons:
        lines += ["Said of undisturbed months:", "", *(f"- {text}" for text in reasons), ""]
    return "\n".join(lines)


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seeds", default="1-10", help="first-last")
    parser.add_argument("--work", type=Path, help="folder that keeps what each seed gave")
    parser.add_argument("--into", type=Path, default=REPORT)
    given = parser.parse_args()
    first, last = (int(seed) for seed in given.seeds.split("-"))
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        work = given.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for seed in range(first, last + 1):
            kept = work / f"monitoring_{given.customers}_{seed}.json"
            if not kept.is_file():
                base = work / f"base_{seed}"
                kept.write_text(json.dumps(run_seed(base, seed=seed, customers=given.customers)), encoding="utf-8")
                shutil.rmtree(base)
            found.append(json.loads(kept.read_text(encoding="utf-8")))
            print(f"seed {seed} of {last}", flush=True)
    given.into.write_text(report(found, customers=given.customers), encoding="utf-8")
    print(given.into.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
