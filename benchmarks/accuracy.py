"""How well our models foretell churn and value, against everybody else's, on the same snapshots of the same bases.

    python benchmarks/accuracy.py --source DIR [--snapshots test|dev] [--cases cdnow ...] [--jobs 2] [--quick]

``--source`` holds the public files of Online Retail and Starbucks; CDNOW and Complete Journey come with packages. Writes
``benchmarks/accuracy.md`` (of dev snapshots: only into ``--into``, where settings may be chosen on them).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from contest.bases import Role, chosen_cases
from contest.report import case_table, report
from contest.run import Settings, from_json, run_case, to_json
from contest.snapshots import build_base

REPORT = Path(__file__).with_suffix(".md")


def main() -> None:
    """Parse, run, write."""
    given = _arguments()
    cases = chosen_cases(given.snapshots, given.cases)
    if not cases:
        raise SystemExit(f"No {given.snapshots} case begins with {given.cases}; there are {_names(given.snapshots)}.")
    outcomes = [outcome for path in given.add for outcome in from_json(path.read_text(encoding="utf-8"))]
    cases = [case for case in cases if case.name not in {outcome.case for outcome in outcomes}]
    started = time.perf_counter()
    with _work(given.work) as work, _pool(given.jobs) as pool:
        list(pool.map(partial(build_base, work=work, source=given.source), dict.fromkeys(case.base for case in cases)))
        settings = Settings(work, given.resamples, with_scores=not given.quick, reuse_peers=given.reuse_peers)
        for outcome in pool.map(partial(run_case, settings=settings), cases):
            outcomes.append(outcome)
            print(case_table(outcome), "\n", flush=True)
    minutes = (time.perf_counter() - started) / 60
    into = given.into or (REPORT if given.snapshots == "test" and not given.cases else None)
    command = " ".join(["python benchmarks/accuracy.py --source DIR --snapshots", given.snapshots, *_restricted(given)])
    before = f", {len(outcomes) - len(cases)} cases before" if given.add else ""
    text = report(outcomes, how=f"`{command}` ({minutes:.0f} minutes{before})")
    if into:
        into.write_text(text, encoding="utf-8")
        into.with_suffix(".json").write_text(to_json(outcomes), encoding="utf-8")
    print(text.split("## What is compared")[0])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", type=Path, help="folder with the public files")
    parser.add_argument("--snapshots", choices=("test", "dev"), default="test")
    parser.add_argument("--cases", nargs="+", default=[], help="beginnings of their names: cdnow, cdnow_1998-01-01_181d")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--resamples", type=int, default=200, help="of the paired bootstrap; 0 for no intervals")
    parser.add_argument("--quick", action="store_true", help="no scores and intervals of the product")
    parser.add_argument("--work", type=Path, help="keep warehouses and forecasts of others here")
    parser.add_argument("--add", type=Path, nargs="+", default=[], help="figures (JSON) of cases that need not be run again")
    parser.add_argument(
        "--reuse-peers", action="store_true", help="take forecasts of others from --work where they are there"
    )
    parser.add_argument(
        "--into",
        type=Path,
        help="report, and figures as JSON beside it; by default benchmarks/accuracy.md, if all test cases are run",
    )
    return parser.parse_args()


def _restricted(given: argparse.Namespace) -> list[str]:
    quick = ["--quick"] if given.quick else []
    return [*quick, "--cases", *given.cases] if given.cases else quick


def _names(role: Role) -> str:
    return ", ".join(case.name for case in chosen_cases(role, []))


@contextmanager
def _work(folder: Path | None) -> Iterator[Path]:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)


def _pool(jobs: int) -> Executor:
    os.environ["OMP_NUM_THREADS"] = "1"  # one process, one core
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))


if __name__ == "__main__":
    main()
