"""Next items on Complete Journey against "most popular" and "bought before": hit rate and MRR at 10 on held-out orders.

    CVM_DATA_DIR=... python benchmarks/recommendations.py [--work FOLDER]

Held out is the first order of each household within 30 days from a day on; everything is computed from what was known
before that day. The weights of the scorer are chosen on an earlier day than the one that judges it, and written down here
with what every choice would have brought there. Differences are bootstrapped over households. Writes
``benchmarks/recommendations.md``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

import cvm
from cvm.actions.also_bought import also_bought
from cvm.actions.purchase_history import ItemKind, PurchaseHistory
from cvm.actions.recommendations import Weights, recommendations
from cvm.datasets import DATASETS, prepare
from cvm.engines import DuckDBEngine
from cvm.stages.context import workspace_of
from cvm.stages.data import run_ingest
from cvm.stages.warehouse import open_duckdb

K, WITHIN_DAYS, DRAWS = 10, 30, 2_000
TUNE, TEST = date(2017, 9, 1), date(2017, 11, 1)
GRID = [
    Weights(half_life, prior, due, with_pairs)
    for half_life, prior, due, with_pairs in product((60.0, 90.0, 180.0), (1.0, 3.0, 10.0), (0.0, 0.25), (True, False))
]
REPORT = Path(__file__).with_suffix(".md")
Floats = NDArray[np.float64]


def held_out(engine: DuckDBEngine, history: PurchaseHistory, kind: ItemKind) -> pd.DataFrame:
    """``customer_id`` and ``item`` of the first order day of each known customer from ``as_of`` on."""
    later = PurchaseHistory(history.schema, history.as_of + timedelta(days=WITHIN_DAYS), history.timezone)
    return engine.table(
        f"WITH bought AS ({later.bought(kind)}) SELECT customer_id, item FROM bought SEMI JOIN (SELECT customer_id, "
        f"min(day) AS day FROM bought WHERE day >= DATE '{history.as_of}' GROUP BY customer_id) USING (customer_id, day) "
        f"SEMI JOIN (SELECT DISTINCT customer_id FROM ({history.bought(kind)})) USING (customer_id)"
    ).to_pandas()


def most_popular(engine: DuckDBEngine, history: PurchaseHistory, kind: ItemKind) -> pd.DataFrame:
    """The same ``K`` items for everybody: those most customers bought."""
    return engine.table(
        f"WITH bought AS ({history.bought(kind)}), top AS (SELECT item, "
        f"row_number() OVER (ORDER BY count(DISTINCT customer_id) DESC, item) AS rank FROM bought GROUP BY item "
        f"QUALIFY rank <= {K}) "
        "SELECT customer_id, item, rank FROM (SELECT DISTINCT customer_id FROM bought) CROSS JOIN top"
    ).to_pandas()


def bought_before(engine: DuckDBEngine, history: PurchaseHistory, kind: ItemKind) -> pd.DataFrame:
    """What each bought on most days, the latest first among equals."""
    return engine.table(
        "SELECT customer_id, item, "
        "row_number() OVER (PARTITION BY customer_id ORDER BY count(*) DESC, max(day) DESC, item) "
        f"AS rank FROM ({history.bought(kind)}) GROUP BY customer_id, item QUALIFY rank <= {K}"
    ).to_pandas()


def judged(ranked: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """``hit`` and reciprocal rank of the first hit, by customer of ``truth``."""
    first = ranked.merge(truth, on=["customer_id", "item"]).groupby("customer_id")["rank"].min()
    customers = pd.Index(truth["customer_id"].unique()).sort_values()
    rank = first.reindex(customers)
    return pd.DataFrame({"hit": rank.notna().astype(float), "rr": (1 / rank).fillna(0.0)}, index=customers)


def interval(values: Floats, *, seed: int = 7) -> tuple[float, float]:
    """Percentile bootstrap of a mean over customers, 95 %."""
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(DRAWS)]
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def study(
    engine: DuckDBEngine, kind: ItemKind, timezone: str
) -> tuple[Weights, pd.DataFrame, dict[str, pd.DataFrame], float]:
    """Weights chosen, what each choice brought on the earlier day, and what all methods brought on the later one."""
    tune = PurchaseHistory.of(engine, as_of=TUNE, timezone=timezone)
    truth, pairs = held_out(engine, tune, kind), also_bought(engine, tune)
    tried = []
    for weights in GRID:
        found = judged(_ranked(engine, tune, pairs, kind, weights), truth)
        tried.append({**vars(weights), "hit": found["hit"].mean(), "rr": found["rr"].mean()})
    table = pd.DataFrame(tried).sort_values("rr", ascending=False, kind="stable")
    best = GRID[int(table.index[0])]
    test = PurchaseHistory.of(engine, as_of=TEST, timezone=timezone)
    truth = held_out(engine, test, kind)
    started = time.perf_counter()
    ours = _ranked(engine, test, also_bought(engine, test), kind, best)
    seconds = time.perf_counter() - started
    methods = {
        "most popular": judged(most_popular(engine, test, kind), truth),
        "bought before": judged(bought_before(engine, test, kind), truth),
        "cvm": judged(ours, truth),
    }
    return best, table, methods, seconds


def _ranked(
    engine: DuckDBEngine, history: PurchaseHistory, pairs: pa.Table, kind: ItemKind, weights: Weights
) -> pd.DataFrame:
    return recommendations(engine, history, pairs, kind=kind, weights=weights, n_items=K).to_pandas()


def section(kind: str, best: Weights, tried: pd.DataFrame, methods: dict[str, pd.DataFrame], seconds: float) -> list[str]:
    """Markdown of one kind of item."""
    ours = methods["cvm"]
    lines = [
        f"## {kind}",
        "",
        f"{len(ours):,} households with an order in the {WITHIN_DAYS} days from {TEST} on; {seconds:.1f} s for all of them.",
        "",
        f"| method | hit rate at {K} | MRR at {K} | cvm's hit rate less this (95 %) | cvm's MRR less this (95 %) |",
        "|---|---|---|---|---|",
    ]
    for name, found in methods.items():
        cells = [f"{found[metric].mean():.4f}" for metric in ("hit", "rr")]
        if name != "cvm":
            for metric in ("hit", "rr"):
                difference = (ours[metric] - found[metric]).to_numpy()
                low, high = interval(difference)
                cells.append(f"{difference.mean():+.4f} ({low:+.4f} to {high:+.4f})")
        else:
            cells += ["", ""]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Chosen on {TUNE} by MRR: half life {best.half_life_days:g} days, prior {best.prior_orders:g} orders, due power "
        f"{best.due_power:g}, pairs {'counted' if best.with_pairs else 'not counted'}. What others brought there:",
        "",
        "| half life | prior orders | due power | pairs | hit rate | MRR |",
        "|---|---|---|---|---|---|",
    ]
    shown = pd.concat([tried.head(6), tried.tail(2)])
    for row in shown.itertuples():
        lines.append(
            f"| {row.half_life_days:g} | {row.prior_orders:g} | {row.due_power:g} | {'yes' if row.with_pairs else 'no'} | "
            f"{row.hit:.4f} | {row.rr:.4f} |"
        )
    return [*lines, ""]


def main() -> None:
    """Prepare, ingest, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="Folder to keep the prepared data in.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.work or Path(scratch)
        if not (folder / "params.yaml").exists():
            prepare(DATASETS["complete-journey"], folder, source=None, progress=print)
        params = cvm.load_params(folder / "params.yaml")
        workspace = workspace_of(params)
        if not workspace.warehouse.exists():
            run_ingest(params)
        lines = [
            "# Recommendations: the next order of a household",
            "",
            f"Measured by `python benchmarks/recommendations.py` with cvm {cvm.__version__} on Complete Journey. Held out "
            f"is each household's first order within {WITHIN_DAYS} days; an item counts once, whatever its quantity. "
            f"Weights were chosen on {TUNE}, all methods judged on {TEST}, which chose nothing. Intervals: {DRAWS:,} "
            "bootstrap draws of households.",
            "",
        ]
        with open_duckdb(params, step="the benchmark") as engine:
            kinds: tuple[ItemKind, ...] = ("product", "category")
            for kind in kinds:
                lines += section(kind, *study(engine, kind, params.business.timezone))
    REPORT.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(REPORT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
