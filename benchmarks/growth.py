"""How time and memory grow with the base: features, scores, and every step of the loop on both engines.

Run: python benchmarks/growth.py [--millions 0.1 0.3 1] [--parts peer features score stages] [--engines duckdb spark]
[--folder FOLDER]. Writes ``benchmarks/growth.md``. ``--parts features --millions 10`` is the 100 million transactions. With
``--folder`` bases, models and what was measured stay there, and a second run goes on.

Bases are of ``purchases.py``: transactions alone, ten per customer. ``features`` computes one snapshot into a Parquet file,
``score`` is `cvm score` of it with reasons for the likeliest tenth to leave, by boosted models of churn and value that
learned from 20,000 other customers (``purchase_bases.py``). ``peer`` is lifetimes' summary of 5 million transactions beside
our features of the same. ``stages`` takes a base through the loop, a step at a time (``stage_costs.py``): the figures behind
``docs/scaling.md``. Each measurement is a process of its own, the start of Python included (``costs.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np

from costs import Cost, cost_of
from purchase_bases import base, model, score_command, snapshot_file
from purchases import PER_CUSTOMER
from stage_costs import ENGINES, line, one_snapshot_cost, projected_core_hours, step_cost, steps

REPORT = Path(__file__).with_suffix(".md")
PARTS = ("peer", "features", "score", "stages")
PEER_MILLIONS = 0.5
_HEAD = "customers | transactions | wall s | CPU s | peak RSS GiB | load"
_RULE = "---:|" * 5 + "---:"


@dataclass(frozen=True)
class Row:
    """What a command took: ``what`` is ours, a peer's name or an engine and a step, ``load`` that of the machine before."""

    part: str
    what: str
    millions: float
    wall_s: float
    cpu_s: float
    peak_gib: float
    load: float


def _features(folder: Path, millions: float) -> Cost:
    own = base(folder, millions=millions)
    return one_snapshot_cost(own, snapshot_file(own))


def _peer(folder: Path, millions: float) -> Cost:
    return cost_of([Path(__file__).with_name("lifetimes_summary.py"), base(folder, millions=millions)])


def _score(folder: Path, millions: float) -> Cost:
    bundle, own = model(folder), base(folder, millions=millions)
    if not snapshot_file(own).is_file():
        _features(folder, millions)
    return cost_of(score_command(own, bundle, reasons_share=0.1))


def works(part: str, folder: Path, millions: float, engines: Sequence[str]) -> Iterator[tuple[str, Callable[[], Cost]]]:
    """What a part measures at one size, by name, in an order in which each finds what it needs."""
    if part == "stages":
        for engine in engines:
            for step in steps(engine):
                yield f"{engine}: {step}", partial(step_cost, folder, engine, step, millions=millions)
    elif part == "score":
        yield "cvm", partial(_score, folder, millions)
    else:
        yield "cvm", partial(_features, folder, millions)
        if part == "peer":
            yield "lifetimes", partial(_peer, folder, millions)


def rows(folder: Path, *, parts: Sequence[str], millions: Sequence[float], engines: Sequence[str]) -> list[Row]:
    """Everything asked for, in its order; what ``folder`` knows already is not measured again."""
    results = folder / "growth.json"
    known = [Row(**one) for one in json.loads(results.read_text(encoding="utf-8"))] if results.is_file() else []
    for part in parts:
        for size in [PEER_MILLIONS] if part == "peer" else millions:
            for what, measure in works(part, folder, size, engines):
                if not any((row.part, row.what, row.millions) == (part, what, size) for row in known):
                    load = os.getloadavg()[0]
                    known.append(Row(part, what, size, **asdict(measure()), load=load))
                    results.write_text(json.dumps([asdict(row) for row in known], indent=1) + "\n", encoding="utf-8")
    return known


def exponent(found: Sequence[Row]) -> float:
    """Slope of the logarithm of processor seconds over that of customers; NaN of fewer than two sizes."""
    if len({row.millions for row in found}) < 2:
        return float("nan")
    return float(np.polyfit(np.log([row.millions for row in found]), np.log([row.cpu_s for row in found]), 1)[0])


def report(found: Sequence[Row]) -> str:
    """The page."""
    lines = [
        "# Growth: time and memory over customers",
        "",
        "Written by `python benchmarks/growth.py`, which says what is measured. Every row is a process of its own.",
        f"{os.cpu_count()} cores, Python {platform.python_version()}, DuckDB {duckdb.__version__}. A load above 0 means",
        "that other work shared the cores: then processor seconds tell more than the clock, and both are above those of a",
        "free machine.",
        "",
    ]
    curves = sorted((row for row in found if row.part != "stages"), key=lambda row: (PARTS.index(row.part), row.millions))
    if curves:
        lines += [f"| part | of | {_HEAD} |", f"|---|---|{_RULE}|"]
        lines += [f"| {row.part} | {row.what} | {_figures(row)} |" for row in curves]
        lines += ["", *_peer_sentence(curves)]
        for part in ("features", "score"):
            slope = exponent([row for row in curves if row.part == part])
            if np.isfinite(slope):
                lines.append(f"CPU seconds of `{part}` grow with customers to the power of {slope:.2f}.")
        lines.append("")
    for engine in ENGINES:
        lines += _stage_table(engine, [row for row in found if row.what.startswith(f"{engine}: ")])
    return "\n".join(lines).rstrip() + "\n"


def _figures(row: Row) -> str:
    n = row.millions * 1e6
    taken = f"{row.wall_s:.1f} | {row.cpu_s:.1f} | {row.peak_gib:.2f} | {row.load:.1f}"
    return f"{n:,.0f} | {n * PER_CUSTOMER:,.0f} | {taken}"


def _peer_sentence(curves: Sequence[Row]) -> list[str]:
    peer = {row.what: row for row in curves if row.part == "peer"}
    if len(peer) < 2:
        return []
    wall, cpu = (getattr(peer["lifetimes"], name) / getattr(peer["cvm"], name) for name in ("wall_s", "cpu_s"))
    return [f"The summary by lifetimes takes {wall:.1f} times the wall, {cpu:.1f} times the CPU seconds of our features."]


def _stage_table(engine: str, found: Sequence[Row]) -> list[str]:
    """Steps of one engine in their order, the sizes of each together, and what a size costs as a whole."""
    if not found:
        return []
    lines = [f"## Steps of the loop, {engine}", "", f"| step | {_HEAD} |", f"|---|{_RULE}|"]
    for step in steps(engine):
        own = sorted((row for row in found if row.what == f"{engine}: {step}"), key=lambda row: row.millions)
        lines += [f"| {step} | {_figures(row)} |" for row in own]
    lines.append("")
    if len({row.millions for row in found}) < 2:
        return lines
    is_for_100_m = engine == "spark"
    lines += [
        f"The line through these sizes{', and where it leads' * is_for_100_m}:",
        "",
        "| step | CPU s whatever the base | CPU s per further million |"
        + " 100 M customers, 10 B rows, core hours |" * is_for_100_m,
        "|---|---:|---:|" + "---:|" * is_for_100_m,
    ]
    for step in steps(engine):
        seconds = {row.millions: row.cpu_s for row in found if row.what == f"{engine}: {step}"}
        if len(seconds) > 1:
            constant, further = line(seconds)
            lines.append(f"| {step} | {constant:.1f} | {further:.1f} |")
            lines[-1] += f" {projected_core_hours(step, seconds):.1f} |" * is_for_100_m
    return [*lines, ""]


def main() -> None:
    """Measure what is asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[0.1, 0.3, 1])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["peer", "features", "score"])
    parser.add_argument(
        "--engines", nargs="+", choices=ENGINES, default=["duckdb"], help="of the stages; Spark needs PySpark"
    )
    parser.add_argument("--folder", type=Path, help="where to work, and what to keep; by default a temporary folder")
    parser.add_argument("--report", type=Path, default=REPORT)
    arguments = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        found = rows(folder, parts=arguments.parts, millions=arguments.millions, engines=arguments.engines)
    arguments.report.write_text(report(found), encoding="utf-8")
    print(report(found), end="")


if __name__ == "__main__":
    main()
