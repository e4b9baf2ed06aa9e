"""Our commands, as users run them, to make data for measurements."""

from __future__ import annotations

import subprocess
import sys


def run_cvm(*arguments: str) -> None:
    """One command, without a word.

    Raises
    ------
    SystemExit
        If it fails, with what it said.
    """
    command = [sys.executable, "-m", "cvm", *arguments, "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise SystemExit(f"cvm {arguments[0]} failed:\n{done.stderr.strip()}")
