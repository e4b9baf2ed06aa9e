"""What one command takes, with all the processes that it starts: seconds by the clock and of processors, and memory.

A Python process alone is counted by the system, exactly. The Java of Spark and the Python workers of its executors are not
waited for by anybody, so the processes of the command's session are looked at four times a second as well (on Linux), and
the larger figure of the two counts. Memory that several processes share is counted for each of them.
"""

from __future__ import annotations

import os
import platform
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_LOOK_EVERY_S = 0.25
_TICKS, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
# Places behind the name of the command in /proc/PID/stat, see proc(5).
_SESSION, _USER_TICKS, _SYSTEM_TICKS, _STARTED, _RESIDENT_PAGES = 3, 11, 12, 19, 21
_PROC = Path("/proc")


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, seconds of all processors together, and the most memory that was held at a time."""

    wall_s: float
    cpu_s: float
    peak_gib: float


def cost_of(arguments: Sequence[object]) -> Cost:
    """Run Python with ``arguments`` in a process of its own, and wait for its end.

    Raises
    ------
    SystemExit
        If it fails.
    """
    started, own_peak = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    process = subprocess.Popen([sys.executable, *map(str, arguments)], start_new_session=True)  # noqa: S603 - our own commands
    try:
        with _watched(process.pid) as family:
            _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        with suppress(ProcessLookupError):  # it has just ended
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise SystemExit(f"{' '.join(map(str, arguments))} failed")
    # Before a process has become another program it holds what we hold, and the system counts that as its own.
    peak = usage.ru_maxrss / (2**30 if platform.system() == "Darwin" else 2**20) if usage.ru_maxrss > own_peak else 0.0
    return Cost(wall_s, max(usage.ru_utime + usage.ru_stime, family.cpu_s), max(peak, family.peak_gib))


class _Family:
    """Processes of a session, as far as they were seen."""

    def __init__(self, session: int) -> None:
        self.session = str(session)
        self.ticks: dict[tuple[str, str], int] = {}  # by number and start: numbers are given again
        self.peak_pages = 0

    def look(self) -> None:
        """Remember what each process has used so far, and what all of them hold."""
        pages = 0
        for path in _PROC.glob("[0-9]*/stat"):
            try:
                found = path.read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            if found[_SESSION] == self.session:
                self.ticks[path.parent.name, found[_STARTED]] = int(found[_USER_TICKS]) + int(found[_SYSTEM_TICKS])
                pages += int(found[_RESIDENT_PAGES])
        self.peak_pages = max(self.peak_pages, pages)

    @property
    def cpu_s(self) -> float:
        return sum(self.ticks.values()) / _TICKS

    @property
    def peak_gib(self) -> float:
        return self.peak_pages * _PAGE / 2**30


@contextmanager
def _watched(session: int) -> Iterator[_Family]:
    """Look at the processes of a session, again and again, until the block ends."""
    family, has_ended = _Family(session), threading.Event()

    def watch() -> None:
        while not has_ended.wait(_LOOK_EVERY_S):
            family.look()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield family
    finally:
        has_ended.set()
        watching.join()
