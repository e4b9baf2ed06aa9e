"""Who gains from a mail: our uplift models against EconML and causalml on a public experiment.

    python benchmarks/uplift.py --data hillstrom.csv [--repeats 20] [--parts DIR] [--learners NAME ...]

Twenty times the customers are cut into halves by chance; each half teaches, the other judges, by qini per customer. Every
judged half is kept on disk as it comes (``--parts``), so that a run goes on where it was stopped; ``--learners`` runs some
of the learners only. A peer that is not installed (``pip install 'cvm[bench]'``) is listed as missing. Writes
``benchmarks/uplift.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cvm.evaluation import qini_per_customer
from cvm.models.uplift import Experiment, experiment_of
from uplift_peers import LEARNERS
from uplift_report import Part, report

KNOWN_BEFORE = ["recency", "history", "mens", "womens", "zip_code", "newbie", "channel"]
REPORT = Path(__file__).with_suffix(".md")


@dataclass(frozen=True)
class Case:
    """One mail against none, judged by one outcome."""

    mail: str
    outcome: str

    @property
    def name(self) -> str:
        """As in the report."""
        return f"{self.mail}, {self.outcome}"


CASES = tuple(Case(mail, outcome) for mail in ("Womens", "Mens") for outcome in ("visit", "spend"))


def mailed(path: Path, case: Case) -> Experiment:
    """Everybody who got this mail or none."""
    table = pd.read_csv(path)
    table = table[table["segment"].isin(["No E-Mail", f"{case.mail} E-Mail"])].reset_index(drop=True)
    features = table[KNOWN_BEFORE].assign(customer_id=[f"c{position}" for position in range(len(table))])
    arm = pd.Series(np.where(table["segment"] == "No E-Mail", "control", "mail"))
    return experiment_of(features, outcome=table[case.outcome], arm=arm, propensity={"control": 0.5, "mail": 0.5})


def halves(experiment: Experiment, repeat: int) -> Iterator[tuple[Experiment, Experiment]]:
    """Both ways to teach with one half and judge with the other."""
    order = np.random.default_rng(repeat).permutation(len(experiment))
    one, other = order[: len(order) // 2], order[len(order) // 2 :]
    yield experiment.take(one), experiment.take(other)
    yield experiment.take(other), experiment.take(one)


def read_parts(path: Path) -> list[Part]:
    """Parts of earlier runs; of two with one key the later."""
    if not path.is_file():
        return []
    parts = [Part(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    return list({part.key: part for part in parts}.values())


def run(data: Path, parts: Path, *, cases: tuple[Case, ...], repeats: int, learners: list[str]) -> dict[str, str]:
    """Judge what is not on disk yet, repeat by repeat; returns why learners are missing."""
    done, missing = {part.key for part in read_parts(parts)}, dict[str, str]()
    experiments = {case.name: mailed(data, case) for case in cases}
    parts.parent.mkdir(parents=True, exist_ok=True)
    for repeat in range(repeats):
        for case, experiment in experiments.items():
            for half, (taught, judged) in enumerate(halves(experiment, repeat)):
                for name in learners:
                    if (case, repeat, half, name) in done or name in missing:
                        continue
                    try:
                        part = _judged(case, repeat, half, name, taught, judged)
                    except ImportError as error:
                        missing[name] = str(error)
                        continue
                    with parts.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(asdict(part)) + "\n")
        print(f"repeat {repeat + 1} of {repeats}", flush=True)
    return missing


def _judged(case: str, repeat: int, half: int, name: str, taught: Experiment, judged: Experiment) -> Part:
    started = time.process_time()
    scores = LEARNERS[name](taught, judged, repeat)
    seconds = time.process_time() - started
    qini = {score: qini_per_customer(judged.outcome, judged.arm, values) for score, values in scores.by_name.items()}
    return Part(case, repeat, half, name, qini, seconds, float(judged.outcome.mean()), scores.notes)


def main() -> None:
    """Parse, run, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="hillstrom.csv; see `cvm data list`")
    parser.add_argument("--parts", type=Path, default=Path("outputs/benchmarks/uplift"), help="folder")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=list(LEARNERS))
    parser.add_argument("--into", type=Path, default=REPORT)
    given = parser.parse_args()
    path = given.parts / "parts.jsonl"
    missing = run(given.data, path, cases=CASES, repeats=given.repeats, learners=given.learners)
    given.into.write_text(report(read_parts(path), missing), encoding="utf-8")
    print(given.into.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
