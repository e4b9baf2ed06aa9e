"""What has to be shown of speed, measured by ``benchmarks/btyd_speed.py`` in the same run."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from contest.verdict import Line

_REPEATS = 3


def speed_lines() -> list[Line]:
    """A line for every peer and fit; call it while nothing else runs."""
    if find_spec("btyd_speed") is None:
        return [Line("speed of BTYD fits against lifetimes", "benchmarks/btyd_speed.py is not here", None)]
    bench = import_module("btyd_speed")
    rows = {(row.work, row.who): row for row in bench.measure(repeats=_REPEATS)}
    return [
        _line(work, rows[work, "cvm"], rows[work, required.peer], required.times, bench.SAME_OPTIMUM)
        for work, requirements in bench.REQUIRED.items()
        for required in requirements
    ]


def _line(work: str, ours: Any, theirs: Any, times: float, tolerance: float) -> Line:
    """``ours`` and ``theirs`` are rows of that benchmark."""
    faster = theirs.seconds / ours.seconds
    short = (theirs.log_likelihood - ours.log_likelihood) / abs(theirs.log_likelihood)
    return Line(
        f"{work}: at least {times:g} times faster than {theirs.who}, same optimum",
        f"{faster:.1f} times ({theirs.seconds:.2f} s against {ours.seconds:.2f} s); log-likelihood {-short:+.0e} of theirs",
        faster >= times and short <= tolerance,
    )
