"""How long an evaluation takes once customers are loaded, beside scikit-uplift's time for its single Qini coefficient.

    python benchmarks/evaluation_speed.py [--rows 10000000] [--repeat 3]

Loaded means: one row per customer in a table of the engine (arm, bin, outcomes, what was known before, cost), and outcome,
arm and score as arrays. Ours: sums by arm and bin, adjusted effects on three outcomes with normal and bootstrap intervals
(1,000 replicates), ROI with its interval and P(ROI > 0), and the Qini of one score with its interval. Prints a Markdown
table; the figures of the last run stand in ``evaluation_speed.md``. The peer comes with ``pip install 'cvm[bench]'``.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import pyarrow as pa

from cvm.campaigns.effect_money import Replicates
from cvm.campaigns.effect_sums import binned_sums
from cvm.engines import DuckDBEngine
from cvm.evaluation import Resample, SumColumns, difference, lin_means, middle, qini_estimate, resampled_pair

OUTCOMES = ("active", "revenue", "margin")
BEFORE = ("active_before", "revenue_before")
COLUMNS = SumColumns(
    (*OUTCOMES, *BEFORE, "cost"),
    (
        *((name, name) for name in (*OUTCOMES, *BEFORE, "cost")),
        *((name, before) for name in (*OUTCOMES, "cost") for before in BEFORE),
        BEFORE,
        ("margin", "cost"),
    ),
    is_weighted=False,
)


def customers(rows: int, *, seed: int = 7) -> dict[str, np.ndarray]:
    """Customers of a campaign, a third of them held out; a letter helps those whom the score finds."""
    rng = np.random.default_rng(seed)
    treated, score = rng.random(rows) < 2 / 3, rng.random(rows)
    active_before = (rng.random(rows) < 0.3).astype(float)
    active = (rng.random(rows) < 0.05 + 0.1 * active_before + 0.02 * treated * score).astype(float)
    revenue = active * rng.gamma(2.0, 20.0, rows)
    return {
        "treated": treated,
        "score": score,
        "bin": rng.integers(0, 1_024, rows),
        "active": active,
        "revenue": revenue,
        "margin": 0.3 * revenue,
        "active_before": active_before,
        "revenue_before": active_before * rng.gamma(2.0, 20.0, rows),
        "cost": 0.1 * treated,
    }


def loaded(given: dict[str, np.ndarray]) -> DuckDBEngine:
    """A table of one row per customer, in memory."""
    engine = DuckDBEngine()
    columns = {name: values for name, values in given.items() if name not in ("treated", "score")}
    engine.register("given", pa.table({"is_treated": given["treated"], **columns}))
    named = ", ".join(f'"{name}"' for name in columns)
    engine.replace_table(
        "person", f"SELECT CASE WHEN is_treated THEN 'mail' ELSE 'control' END AS arm, '' AS segment, {named} FROM given"
    )
    return engine


def effects(engine: DuckDBEngine) -> dict[str, Any]:
    """Effects with both intervals, and what the campaign earned."""
    sums = binned_sums(engine, "person", COLUMNS, ("control", "mail"))
    treated, control = sums["mail"].moments, sums["control"].moments
    found: dict[str, Any] = {name: difference(lin_means(treated, control, name, BEFORE)) for name in OUTCOMES}
    rng = np.random.default_rng(1)
    drawn = [Resample.of(sums[arm], rng) for arm in ("mail", "control")]
    one, other = resampled_pair(*drawn, OUTCOMES, BEFORE)
    gained = (one - other) * treated.n
    intervals = [middle(column, level=0.95) for column in gained.T]
    money = Replicates(gained[:, 2], gained[:, 1], drawn[0].means(("cost",))[:, 0] * treated.n)
    return found | {"intervals": intervals, "money": money.bootstrap(level=0.95)}


def clocked(work: Callable[[], Any], *, repeat: int) -> tuple[float, float]:
    """Seconds of wall clock and of processors, those of the quickest run."""
    taken = []
    for _ in range(repeat):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        taken.append((time.perf_counter() - wall, time.process_time() - processor))
    return min(taken)


def peer(given: dict[str, np.ndarray], *, repeat: int) -> tuple[float, float] | None:
    """scikit-uplift's Qini coefficient, or None where it is not installed."""
    if find_spec("sklift") is None:
        return None
    coefficient = import_module("sklift.metrics").qini_auc_score
    outcome, treated = given["active"].astype(int), given["treated"].astype(int)
    return clocked(lambda: coefficient(outcome, given["score"], treated), repeat=repeat)


def report(given: dict[str, np.ndarray], *, repeat: int) -> str:
    """The table."""
    engine = loaded(given)
    steps = {
        "effects, ROI, 1,000 replicates": clocked(lambda: effects(engine), repeat=repeat),
        "Qini with interval": clocked(
            lambda: qini_estimate(given["active"], given["treated"], given["score"]), repeat=repeat
        ),
    }
    whole = tuple(sum(column) for column in zip(*steps.values(), strict=True))
    theirs = peer(given, repeat=repeat)
    lines = [f"{len(given['score']):,} customers, {os.cpu_count()} processors, Python {platform.python_version()}", ""]
    lines += ["| work | wall, s | processors, s |", "|---|---|---|"]
    lines += [f"| {name} | {wall:.2f} | {processor:.2f} |" for name, (wall, processor) in steps.items()]
    lines.append(f"| **full evaluation** | **{whole[0]:.2f}** | {whole[1]:.2f} |")
    if theirs is None:
        lines.append("| scikit-uplift, Qini coefficient alone | missing | missing |")
    else:
        lines.append(f"| scikit-uplift, Qini coefficient alone | {theirs[0]:.2f} | {theirs[1]:.2f} |")
        lines += ["", f"Ours takes {whole[0] / theirs[0]:.2f} of the peer's time."]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args(arguments)
    print(report(customers(asked.rows), repeat=asked.repeat))


if __name__ == "__main__":
    main()
