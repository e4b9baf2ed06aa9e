"""Signals that end a process, while it is still importing: nothing is in hand yet, so a message and an exit code are enough.

Imports next to nothing itself. As soon as a command runs, ``cvm.command`` hears them.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

# Ctrl-C becomes an exception of Python's own while a command runs; the others do not.
STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def heard_early(arguments: Sequence[str]) -> Iterator[None]:
    """End the process in order on SIGINT, SIGTERM or SIGHUP, where nobody else hears them within the block.

    Parameters
    ----------
    arguments : sequence of str
        Of the command line, without the program's name.
    """

    def stop(number: int, _: FrameType | None) -> None:
        name = signal.Signals(number).name
        kind, text = ("KeyboardInterrupt", "Interrupted") if number == signal.SIGINT else (name, f"Stopped by {name}")
        _end(arguments, 128 + number, kind, f"{text}. Nothing was begun. Run the command again.")

    # One that is ignored, as under nohup, stays so.
    heard = [number for number in (signal.SIGINT, *STOPPING) if signal.getsignal(number) is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, stop)
    try:
        yield
    finally:  # the command has told how it ended
        for number in heard:
            signal.signal(number, signal.SIG_DFL)


def _end(arguments: Sequence[str], code: int, kind: str, message: str) -> None:
    """Without an exception: what is being imported might catch it."""
    os.write(2, f"cvm: {message}\n".encode())
    if "--json" in arguments:
        command = next((argument for argument in arguments if not argument.startswith("-")), None)
        line: dict[str, object] = {
            "command": command,
            "exit_code": code,
            "ok": False,
            "seconds": 0.0,
            "stages": [],
            "error": {"type": kind, "message": message},
        }
        os.write(1, (json.dumps(line) + "\n").encode())
    os._exit(code)
