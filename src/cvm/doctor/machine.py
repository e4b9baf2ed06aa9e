"""The machine: processors, memory, disk, text and time, Java."""

from __future__ import annotations

import locale
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cvm.doctor.line import Line, size

_GIB = 2**30
# CDNOW runs in less than half of it; docs/scaling.md tells what larger bases take.
_LITTLE_MEMORY = 2 * _GIB
_NO_DISK, _LITTLE_DISK = 100 * 2**20, _GIB
_OLDEST_JAVA = 17
# Limits that containers set.
_CGROUP = Path("/sys/fs/cgroup")


def threads_line() -> Iterator[Line]:
    """Processors this process may use, and how many threads it was told to start."""
    cores = usable_cores()
    told = os.environ.get("OMP_NUM_THREADS", "").strip()
    if not told:
        limit = _quota()
        if limit is not None and limit < _affinity():
            found = f"the container may use {limit:g} of {_affinity()} processors, and LightGBM starts a thread for each"
            yield Line("threads", "look", found, f"Set OMP_NUM_THREADS={cores} in the environment.")
        else:
            yield Line("threads", "ok", f"{cores} processors, all used")
    elif not told.isdecimal() or int(told) == 0:
        yield Line("threads", "wrong", f"OMP_NUM_THREADS is {told!r}, no number of threads", f"Set it to {cores}.")
    elif int(told) > cores:
        yield Line("threads", "look", f"OMP_NUM_THREADS={told} on {cores} processors", f"Set it to {cores}, or less.")
    else:
        yield Line("threads", "ok", f"{cores} processors, OMP_NUM_THREADS={told}")


def memory_line() -> Iterator[Line]:
    """Memory of the machine, or of its container, and what is free of it."""
    total, free = memory()
    if total is None:
        yield Line("memory", "ok", "not known on this system")
        return
    known = total if free is None else min(total, free)
    found = size(total) if free is None else f"{size(free)} free of {size(total)}"
    if known < _LITTLE_MEMORY:
        yield Line("memory", "look", found, "Enough for small bases; larger ones need more (docs/scaling.md).")
    else:
        yield Line("memory", "ok", found)


def disk_line(folder: Path, used: int) -> Iterator[Line]:
    """Free disk space where outputs go.

    Parameters
    ----------
    folder : Path
        Of the outputs; need not exist.
    used : int
        Bytes in it; a run writes new outputs beside the old ones.
    """
    free = shutil.disk_usage(nearest(folder)).free
    found = f"{size(free)} free" + (f", outputs take {size(used)}" if used else "")
    if free < _NO_DISK:
        yield Line("disk", "wrong", found, "Free space, or set another folder under outputs.")
    elif free < max(_LITTLE_DISK, used):
        yield Line("disk", "look", found, "A run writes new outputs beside the old ones: free at least as much again.")
    else:
        yield Line("disk", "ok", found)


def scratch_line() -> Iterator[Line]:
    """Whether temporary files can be written."""
    try:
        with tempfile.TemporaryFile():
            pass
    except OSError as error:
        yield Line(
            "scratch", "wrong", f"no temporary file can be made: {error.strerror}", "Set TMPDIR to a folder with space."
        )
    else:
        yield Line("scratch", "ok", f"temporary files go to {tempfile.gettempdir()}")


def text_line() -> Iterator[Line]:
    """Whether the terminal takes all the signs of names and reports."""
    # The spinner of a terminal stands in the place of the stream, and tells no encoding.
    stream = getattr(sys.stdout, "rich_proxied_file", sys.stdout)
    encodings = {stream.encoding or "?", locale.getpreferredencoding(False)}
    strange = sorted(one for one in encodings if one.lower().replace("-", "") != "utf8")
    if strange:
        fix = "Set PYTHONUTF8=1, or a locale such as LC_ALL=C.UTF-8."
        yield Line("text", "look", f"{', '.join(strange)} instead of UTF-8: some signs may be shown as others", fix)
    else:
        yield Line("text", "ok", "UTF-8")


def clock_line(timezone: str) -> Iterator[Line]:
    """Clock and time zones; ``timezone`` is that of the business."""
    now = datetime.now().astimezone()
    try:
        for zone in ("Europe/Kyiv", timezone):
            ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Line("time", "wrong", "this machine has no data of time zones", "pip install tzdata")
        return
    # No file of an installation is of a time to come.
    if Path(__file__).stat().st_mtime > time.time() + 86_400:
        found = f"{now:%Y-%m-%d %H:%M %Z}, which is before cvm was installed"
        yield Line("time", "look", found, "Set the clock: rows that are dated later count as faulty.")
        return
    yield Line("time", "ok", f"{now:%Y-%m-%d %H:%M %Z} here; the business cuts its days in {timezone}")


def java_line() -> Iterator[Line]:
    """Whether a Java runs that Spark can use."""
    home = os.environ.get("JAVA_HOME")
    program = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    fix = f"Install Java {_OLDEST_JAVA} or newer (Debian: apt-get install openjdk-17-jre-headless), or set JAVA_HOME."
    if program is None:
        yield Line("Java", "wrong", "engine: spark needs Java, and there is none on the PATH", fix)
        return
    try:
        done = subprocess.run([program, "-version"], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - the user's own Java
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Line("Java", "wrong", f"{program} does not start ({type(error).__name__})", fix)
        return
    told = re.search(r'version "(?:1\.)?(\d+)[^"]*"', done.stderr + done.stdout)
    if told is None:
        yield Line("Java", "wrong", f"{program} does not tell its version", fix)
    elif int(told[1]) < _OLDEST_JAVA:
        yield Line("Java", "wrong", f"Java {told[1]}; Spark needs {_OLDEST_JAVA} or newer", fix)
    else:
        yield Line("Java", "ok", told[0].removeprefix("version ").strip('"'))


def usable_cores() -> int:
    """Processors that this process may use, by its container and its affinity."""
    limit = _quota()
    return max(1, min(_affinity(), int(limit) if limit else _affinity()))


def memory() -> tuple[int | None, int | None]:
    """Bytes of memory in all and free, of the container where it has a limit; None where the system does not say."""
    total = _pages("SC_PHYS_PAGES")
    told = re.search(r"^MemAvailable:\s+(\d+) kB", _read(Path("/proc/meminfo")), re.MULTILINE)
    free = int(told[1]) * 1024 if told else None
    limit, used = (_read(_CGROUP / name).strip() for name in ("memory.max", "memory.current"))
    if limit.isdecimal() and used.isdecimal() and (total is None or int(limit) < total):
        total, within = int(limit), max(0, int(limit) - int(used))
        free = within if free is None else min(free, within)
    return total, free


def nearest(path: Path) -> Path:
    """The path itself or the nearest of the folders above it that exists."""
    return next(one for one in (path, *path.absolute().parents) if one.exists())


def _quota() -> float | None:
    """Processors that the container allows, where it has a limit."""
    limit, _, period = _read(_CGROUP / "cpu.max").strip().partition(" ")
    return int(limit) / int(period) if limit.isdecimal() and period.isdecimal() and int(period) else None


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pages(name: str) -> int | None:
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
