"""How often the total of a past window fell inside the interval that was foretold for it.

    python benchmarks/portfolio.py --source FOLDER [--into benchmarks/portfolio.md]

Each data set is ingested once. For every window the loop trains on what was known before it, as a user would have, and its
interval of the expected revenue of all customers is compared with what they spent. Writes ``benchmarks/portfolio.md``.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import numpy as np

import cvm
from cvm.datasets import DATASETS, prepare
from cvm.datasets.simulate import simulate
from cvm.errors import CvmError
from cvm.features.files import read_outcome
from cvm.models.bundle import read_bundle
from cvm.params import Params
from cvm.scoring.files import read_scores
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest
from cvm.stages.promote import run_promote
from cvm.stages.score import run_score
from cvm.stages.train import run_train

REPORT = Path(__file__).with_suffix(".md")
SIMULATED_TO = date(2026, 1, 1)


@dataclass(frozen=True)
class Case:
    """A data set, and windows of ``horizon_days`` that begin every ``step_days`` from ``first`` to ``last``."""

    name: str
    horizon_days: int
    first: date
    last: date
    step_days: int

    def starts(self) -> Iterator[date]:
        """First day of each window."""
        day = self.first
        while day <= self.last:
            yield day
            day += timedelta(days=self.step_days)


CASES = (
    Case("cdnow", 60, date(1997, 6, 1), date(1998, 4, 20), 40),
    Case("complete-journey", 60, date(2017, 5, 1), date(2017, 8, 29), 30),
    Case("online-retail", 60, date(2011, 4, 15), date(2011, 10, 10), 44),
    Case("starbucks", 7, date(2018, 8, 10), date(2018, 8, 23), 3),
    *(Case(f"simulated {seed}", 90, date(2024, 9, 30), date(2025, 9, 30), 182) for seed in (101, 102, 103, 104)),
)


@dataclass(frozen=True)
class Window:
    """One window: totals in the currency of the data."""

    case: str
    starts: date
    expected: float
    lower: float
    upper: float
    actual: float
    between: float
    windows_seen: float

    @property
    def is_inside(self) -> bool:
        """Whether what happened lay within the bounds."""
        return self.lower <= self.actual <= self.upper


def windows(case: Case, folder: Path) -> Iterator[Window]:
    """Train before each window of a prepared data set, and compare."""
    for start in case.starts():
        later = _params(folder, case, start + timedelta(days=case.horizon_days))
        workspace = workspace_of(later)
        if not workspace.warehouse.is_file():
            run_ingest(later)
        run_features(later)
        outcome = read_outcome(workspace.features, start, case.horizon_days)
        now = _params(folder, case, start)
        for stage in (run_features, run_train, partial(run_promote, force="a benchmark of the latest training"), run_score):
            stage(now)
        scores = read_scores(workspace.scores_of(start)).to_pandas()
        scores = scores[scores["p_churn"].notna()]
        found = read_bundle(workspace.champion).evidence["portfolio"]
        expected = float((scores["expected_orders"] * scores["expected_order_value"]).sum())
        actual = float(outcome.set_index("customer_id")["revenue"].reindex(scores["customer_id"]).sum())
        bounds = found["revenue"]
        yield Window(
            case.name,
            start,
            expected=expected,
            lower=expected * bounds["lower"],
            upper=expected * bounds["upper"],
            actual=actual,
            between=found["between_windows"],
            windows_seen=found["windows_seen"],
        )


def prepared(case: Case, folder: Path, *, source: Path, customers: int) -> Path:
    """A folder with the tables of a case and its params."""
    target = folder / case.name
    kind, _, seed = case.name.partition(" ")
    if not (target / "params.yaml").is_file():
        if kind == "simulated":
            simulate(target, n_customers=customers, seed=int(seed), as_of=SIMULATED_TO, years=3.0)
        else:
            prepare(DATASETS[kind], target, source=source)
    return target


def _params(folder: Path, case: Case, as_of: date) -> Params:
    overrides = [
        f"windows.as_of={as_of}",
        f"windows.horizon_days={case.horizon_days}",
        f"windows.clv_days={case.horizon_days}",
    ]
    return cvm.load_params(folder / "params.yaml", overrides=overrides)


def report(found: list[Window]) -> str:
    """The measured figures as Markdown."""
    rows = []
    for name in dict.fromkeys(window.case for window in found):
        own = [window for window in found if window.case == name]
        errors = np.array([np.log(window.actual / window.expected) for window in own])
        reach = np.mean([np.log(window.upper / window.expected) for window in own])
        inside = sum(window.is_inside for window in own)
        rows.append(
            f"| {name} | {len(own)} | {inside} | {np.sqrt(np.mean(errors**2)):.3f} "
            f"| {errors.min():+.2f} to {errors.max():+.2f} | {reach:.3f} |"
        )
    total = sum(window.is_inside for window in found)
    return f"""# The interval of a total: how often it held

Measured by `python benchmarks/portfolio.py` with cvm {cvm.__version__} on Python {platform.python_version()}.
Before each window the whole loop runs on what was known; its 90 % interval of all customers' revenue in the window is
compared with what they spent. Errors are logs of actual over expected; the reach is the mean log of the upper bound over the
expectation.

| data | windows | inside | error, root mean square | error, range | reach |
|---|---|---|---|---|---|
{chr(10).join(rows)}

{total} of {len(found)} inside: {total / len(found):.0%}. Windows of one data set overlap or follow each other, so
they are not independent.
"""


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="folder of the public files")
    parser.add_argument("--work", type=Path, help="folder to keep prepared data in")
    parser.add_argument("--customers", type=int, default=8_000, help="of each simulated base")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--into", type=Path, default=REPORT)
    given = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        for case in (case for case in CASES if given.only in case.name):
            folder = prepared(case, given.work or Path(temporary), source=given.source, customers=given.customers)
            try:
                for window in windows(case, folder):
                    found.append(window)
                    print(window, f"{np.log(window.actual / window.expected):+.3f}", window.is_inside, flush=True)
            except CvmError as error:
                print(f"{case.name}: {error}", flush=True)
    given.into.write_text(report(found), encoding="utf-8")
    print(given.into.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
