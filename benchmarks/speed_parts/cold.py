"""One measurement in a process of its own: ``python -m speed_parts.cold PART NUMBER SIZE FOLDER INTO``, and the call of it.

NUMBER is that of the contender within its part, or ``data``, which makes the data of that size. Who takes longer than the
limit is ended, and memory has a bound: a peer that cannot do the work is a line of the table and not the end of the run.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from speed_parts.contenders import Found, Seconds
from speed_parts.parts import part_named

_DATA = "data"
_ENDED_BY_SYSTEM = (-9, 137)


@dataclass(frozen=True)
class Limits:
    """What a process may take; ``seconds`` of the clock, its preparation included."""

    seconds: float
    gib: float


def make_data(part: str, size: int, folder: Path) -> None:
    """The data of a part, in a process of their own.

    Raises
    ------
    SystemExit
        If they cannot be made; what the process said stands above.
    """
    if _process([part, _DATA, str(size), str(folder), os.devnull]).wait():
        raise SystemExit(f"The data of part {part!r} at {size:,} customers could not be made; the reason stands above.")


def measured(part: str, number: int, size: int, folder: Path, *, repeats: int, limits: Limits) -> Found:
    """A contender's runs, each cold; one alone where it takes more than a tenth of the limit."""
    runs: list[Seconds] = []
    found = Found()
    while len(runs) < repeats:
        found = _once(part, number, size, folder, limits)
        if found.why_not:
            return found
        runs += found.runs
        if runs[0].clock > limits.seconds / 10:
            break
    return Found(tuple(runs), found.peak_gib, found.facts)


def _once(part: str, number: int, size: int, folder: Path, limits: Limits) -> Found:
    with tempfile.TemporaryDirectory() as name, (Path(name) / "said").open("w+", encoding="utf-8") as said:
        into = Path(name) / "found.json"
        arguments = [part, str(number), str(size), str(folder), str(into)]
        process = _process(arguments, said=said, gib=limits.gib)
        try:
            status = process.wait(limits.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return Found(why_not=f"more than {limits.seconds:,.0f} s")
        if status == 0:
            return read_found(into)
        said.seek(0)
        last = (said.read().strip().splitlines() or ["it said nothing"])[-1]
    if status in _ENDED_BY_SYSTEM or "MemoryError" in last or "Unable to allocate" in last:
        return Found(why_not=f"more than {limits.gib:.0f} GiB")
    return Found(why_not=f"failed: {last[:120]}")


def _process(arguments: list[str], *, said: Any = None, gib: float = 0.0) -> subprocess.Popen[bytes]:
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "CVM_BENCH_GIB": str(gib)}
    command = [sys.executable, "-m", "speed_parts.cold", *arguments]
    return subprocess.Popen(command, env=environment, stdout=said, stderr=said)  # noqa: S603 - our own module


def read_found(path: Path) -> Found:
    """What ``write_found`` wrote."""
    kept = json.loads(path.read_text(encoding="utf-8"))
    return Found(**kept | {"runs": tuple(Seconds(**run) for run in kept["runs"])})


def write_found(path: Path, found: Found) -> None:
    """As JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def _main(part: str, number: str, size: str, folder: str, into: str) -> None:
    gib, own, n, where = float(os.environ.get("CVM_BENCH_GIB", 0)), part_named(part), int(size), Path(folder)
    if number == _DATA:
        own.data(where, n)
        return
    if gib:
        resource.setrlimit(resource.RLIMIT_DATA, (int(gib * 2**30),) * 2)
    contender = own.contenders[int(number)]
    work = contender.prepare(where, n)
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    taken = Seconds(time.process_time() - processor, time.perf_counter() - clock)
    of = resource.RUSAGE_SELF
    if isinstance(result, Seconds):
        taken, of = result, resource.RUSAGE_CHILDREN
    peak = resource.getrusage(of).ru_maxrss / (2**30 if platform.system() == "Darwin" else 2**20)
    write_found(Path(into), Found((taken,), peak, dict(contender.facts(where, n, result))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
