"""Where the figures were measured, and with which packages."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "cvm", "duckdb", "lightgbm", "numpy", "pandas", "pyarrow", "scipy",
    "lifetimes", "pymc-marketing", "pymc", "scikit-uplift", "causalml",
)  # fmt: skip


def machine() -> str:
    """Cores, memory and Python, without a name."""
    return f"{os.cpu_count()} cores, {memory_gib():.0f} GiB, {platform.system()}, Python {platform.python_version()}"


def memory_gib() -> float:
    """Of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def versions() -> str:
    """Of ours, of what we build on, and of the peers."""
    return ", ".join(f"{name} {_version(name)}" for name in PACKAGES)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
