"""How near the models come to the truth of simulated customer bases, and to what could be known of it at best.

    python benchmarks/simulated.py [--customers 20000] [--seeds 1-10] [--jobs 2]

Each base holds three years of season, growth and ageing cohorts at once; the whole loop runs on its tables alone. Its
truth is read only here, afterwards. Writes ``benchmarks/simulated.md``.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

import cvm
from cvm.datasets.simulate import simulate
from cvm.datasets.simulate.ceiling import ceiling
from cvm.evaluation import area_under_roc, calibration_error, reliability, spearman

AS_OF = date(2026, 1, 1)
REPORT = Path(__file__).with_suffix(".md")


@dataclass(frozen=True)
class Judged:
    """One base: ratios are predicted over true."""

    seed: int
    minutes: float
    clv_ratio: float
    revenue_ratio: float
    orders_ratio: float
    spearman: float
    spearman_ceiling: float
    p_alive_error: tuple[float, ...]
    p_alive_auc: float
    p_alive_auc_ceiling: float
    churn_calibration: float
    n_unknown: int

    @property
    def share_of_ceiling(self) -> float:
        """Spearman against the best possible."""
        return self.spearman / self.spearman_ceiling


def judge(seed: int, *, n_customers: int) -> Judged:
    """Simulate a base, run the loop on it, compare its scores with the truth."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(folder, n_customers=n_customers, seed=seed, as_of=AS_OF, years=3.0)
        started = time.perf_counter()
        params = cvm.load_params(folder / "params.yaml")
        cvm.run(params)
        minutes = (time.perf_counter() - started) / 60
        scores = pd.read_parquet(folder / "outputs" / "scores" / f"as_of={AS_OF}" / "scores.parquet")
        best = ceiling(folder, horizon_days=params.windows.horizon_days)
        truth = pd.read_parquet(folder / "truth" / "truth.parquet")
        future = pd.read_parquet(folder / "truth" / "future_transactions.parquet")
    both = truth.merge(scores, on="customer_id", how="inner")
    revenue = both["expected_orders"] * both["expected_order_value"]
    known = both[both["has_ordered"] & both["p_alive"].notna()]
    alive, p_alive = known["is_alive"].to_numpy(float), known["p_alive"].to_numpy(float)
    deciles = reliability(alive, p_alive)
    end = pd.Timestamp(AS_OF) + pd.Timedelta(days=params.windows.horizon_days)
    bought = future[(future["occurred_at"] < end) & (future["amount"] > 0)]["customer_id"]
    churned = (~known["customer_id"].isin(bought)).to_numpy(float)
    # CLV is discounted, month by month; half a year on average.
    true_clv = both["expected_margin_365d"].sum() / (1 + params.business.discount_rate_per_year) ** 0.5
    return Judged(
        seed=seed,
        minutes=minutes,
        clv_ratio=float(both["clv"].sum() / true_clv),
        revenue_ratio=float(revenue.sum() / both["expected_revenue_181d"].sum()),
        orders_ratio=float(both["expected_orders"].sum() / both["expected_orders_181d"].sum()),
        spearman=spearman(both["expected_revenue_181d"].to_numpy(), revenue.to_numpy()),
        spearman_ceiling=best.spearman_with_truth,
        p_alive_error=tuple((deciles.predicted - deciles.happened).tolist()),
        p_alive_auc=area_under_roc(alive, p_alive),
        p_alive_auc_ceiling=best.p_alive_auc,
        churn_calibration=calibration_error(churned, known["p_churn"].to_numpy(float)),
        n_unknown=len(truth) - len(both),
    )


_COLUMNS = (
    *("seed", "CLV ratio", "revenue ratio", "orders ratio", "Spearman", "ceiling", "share"),
    *("P(alive) gap", "AUC alive", "ceiling", "churn cal.", "minutes"),
)


def _header(*names: str) -> str:
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"


def report(found: list[Judged], *, n_customers: int) -> str:
    """The measured figures as Markdown."""
    rows = "\n".join(
        f"| {one.seed} | {one.clv_ratio:.3f} | {one.revenue_ratio:.3f} | {one.orders_ratio:.3f} | {one.spearman:.3f} "
        f"| {one.spearman_ceiling:.3f} | {one.share_of_ceiling:.3f} | {max(map(abs, one.p_alive_error)):.3f} "
        f"| {one.p_alive_auc:.3f} | {one.p_alive_auc_ceiling:.3f} | {one.churn_calibration:.3f} | {one.minutes:.1f} |"
        for one in found
    )
    errors = np.array([one.p_alive_error for one in found])
    deciles = "\n".join(
        f"| {number} | {mean:+.3f} | {spread:.3f} |"
        for number, (mean, spread) in enumerate(zip(errors.mean(axis=0), errors.std(axis=0, ddof=1), strict=True), start=1)
    )
    summary = "\n".join(
        f"| {name} | {np.mean(values):.3f} | {np.std(values, ddof=1):.3f} |"
        for name, values in (
            ("CLV over the truth, 365 days of discounted margin", [one.clv_ratio for one in found]),
            ("expected revenue over the truth, 181 days", [one.revenue_ratio for one in found]),
            ("Spearman with the truth over its ceiling", [one.share_of_ceiling for one in found]),
            ("P(alive): largest error of a decile", [max(map(abs, one.p_alive_error)) for one in found]),
            ("churn: calibration error on what happened", [one.churn_calibration for one in found]),
        )
    )
    return f"""# Simulated bases: predictions against the truth

Measured by `python benchmarks/simulated.py` with cvm {cvm.__version__} on Python {platform.python_version()}:
{len(found)} bases of {n_customers:,} customers, three years each, scored at {AS_OF}.
Ratios are sums of predictions over sums of true expectations.
The ceiling knows every parameter of the world but the customers' own.

| | mean | spread over seeds |
|---|---|---|
{summary}

{_header(*_COLUMNS)}
{rows}

P(alive), predicted minus true share alive, by decile of the prediction:

| decile | mean | spread |
|---|---|---|
{deciles}
"""


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seeds", default="1-10", help="first-last")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--into", type=Path, default=REPORT)
    given = parser.parse_args()
    first, last = map(int, given.seeds.split("-"))
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        found = []
        for one in pool.map(partial(judge, n_customers=given.customers), range(first, last + 1)):
            found.append(one)
            print(one, flush=True)
    given.into.write_text(report(found, n_customers=given.customers), encoding="utf-8")
    print(given.into.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
