"""One call of the command line, from arguments to exit code: every way it can end, told to people and to programs.

Exit codes are those of docs/operations.md; what a command ends with by itself (3 and 4 of ``cvm monitor``, 5 of
``cvm promote``) is no error.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import FrameType

import typer
from rich.console import Console
from rich.markup import escape

from cvm.early_signals import STOPPING
from cvm.errors import CvmError
from cvm.terminal import recording

# What the parser raises for wrong usage and what shows itself; it has no public name there.
_UsageError: type = typer.BadParameter.__mro__[2]
_DISK = {
    errno.ENOSPC: "the disk is full; free space",
    errno.EDQUOT: "the disk quota is used up; free space",
    errno.EFBIG: "files may not grow that large; raise the limit",
    errno.EROFS: "the disk is read-only; make it writable",
}
_INTERRUPTED = 128 + signal.SIGINT
_UNTOUCHED = "What earlier steps wrote stays; nothing is half written. Run the command again."


class _Stopped(BaseException):
    """The system asks the process to end: everything in hand is put in order on the way out."""


@dataclass(frozen=True)
class _End:
    """How a command ended; ``error`` is a kind and a message, ``has_shown`` that the user has read it."""

    code: int
    error: tuple[str, str] | None = None
    has_shown: bool = False


def run_command(
    app: Callable[..., object], arguments: Sequence[str], *, command: str | None, has_own_json: bool = False
) -> int:
    """Run the command that ``arguments`` name, print how it ended if badly, and give the exit code.

    With ``--json``, standard output gets one line of JSON and nothing else, however the command ends; all that would be
    printed there goes to the error stream.

    Parameters
    ----------
    app : callable
        The command line, as Typer has it.
    arguments : sequence of str
        Without the program's name.
    command : str or None
        Its name, if they name one.
    has_own_json : bool
        Whether ``--json`` after the command is an option of its own; only the one before it is meant then.
    """
    is_for_programs, arguments = _for_programs(arguments, only_before_command=has_own_json)
    started, out = time.perf_counter(), sys.stdout
    with recording() as stages, redirect_stdout(sys.stderr) if is_for_programs else nullcontext():
        end = _ended(app, arguments)
    if end.error and not end.has_shown:
        Console(stderr=True, highlight=False, emoji=False, soft_wrap=True).print(f"[bold red]cvm:[/] {escape(end.error[1])}")
    if is_for_programs:
        line = {
            "command": command,
            "exit_code": end.code,
            "ok": end.error is None and end.code not in (1, 2),
            "seconds": round(time.perf_counter() - started, 3),
            "stages": stages,
            "error": None if end.error is None else dict(zip(("type", "message"), end.error, strict=True)),
        }
        print(json.dumps(_plain(line), ensure_ascii=False, allow_nan=False), file=out, flush=True)
    return end.code


def _for_programs(arguments: Sequence[str], *, only_before_command: bool) -> tuple[bool, list[str]]:
    """Whether ``--json`` is among the options; and the arguments, with it in front, where the parser knows it."""

    def may_be(argument: str) -> bool:
        return argument.startswith("-") if only_before_command else argument != "--"

    options = list(takewhile(may_be, arguments))
    is_for_programs = "--json" in options
    others = [option for option in options if option != "--json"]
    return is_for_programs, [*(["--json"] if is_for_programs else []), *others, *arguments[len(options) :]]


def _ended(app: Callable[..., object], arguments: Sequence[str]) -> _End:
    try:
        with _stoppable():
            code = app(list(arguments), prog_name="cvm", standalone_mode=False)
    except CvmError as error:
        return _End(1, (type(error).__name__, str(error)))
    except _Stopped as stop:
        number = int(stop.args[0])
        return _End(128 + number, (signal.Signals(number).name, f"Stopped by {signal.Signals(number).name}. {_UNTOUCHED}"))
    except SystemExit as end:
        return _End(end.code if isinstance(end.code, int) else int(end.code is not None))
    except KeyboardInterrupt:  # before the parser, which turns it into a code
        code = _INTERRUPTED
    except typer.Abort:
        return _End(1, ("Abort", "Aborted."))
    except Exception as error:
        return _of_exception(error)
    if code == _INTERRUPTED:
        return _End(_INTERRUPTED, ("KeyboardInterrupt", f"Interrupted. {_UNTOUCHED}"))
    return _End(code if isinstance(code, int) else 0)


def _of_exception(error: Exception) -> _End:
    if isinstance(error, _UsageError):
        error.show()  # type: ignore[attr-defined]  # of the parser's base class
        return _End(error.exit_code, ("UsageError", error.format_message()), has_shown=True)  # type: ignore[attr-defined]
    if isinstance(error, OSError) and error.errno in _DISK:
        where = f"{error.filename}: " if error.filename else ""
        return _End(1, ("OSError", f"{where}{_DISK[error.errno]}. {_UNTOUCHED}"))
    if isinstance(error, MemoryError):
        return _End(1, ("MemoryError", f"There is not enough memory for this. Free some, or use less data. {_UNTOUCHED}"))
    if os.environ.get("CVM_DEBUG"):
        traceback.print_exception(error)
    # The text of the exception may quote customers' data.
    return _End(
        1,
        (
            type(error).__name__,
            f"A fault of cvm, not of your data: {type(error).__name__} in {_place(error)}. Nothing is half written. Please "
            "report it, with what the same command prints with CVM_DEBUG=1 in the environment.",
        ),
    )


def _place(error: Exception) -> str:
    """The line of ours that it comes from."""
    home = Path(__file__).parent
    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(home)]
    return f"{Path(lines[-1].filename).relative_to(home.parent).as_posix()}, line {lines[-1].lineno}" if lines else "no file"


@contextmanager
def _stoppable() -> Iterator[None]:
    """Have the signals that end a process end it in order: temporary files go, locks are given back."""
    if threading.current_thread() is not threading.main_thread():  # which alone may ask for signals
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        raise _Stopped(number)

    # One that is ignored, as under nohup, stays so.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *STOPPING)}
    heard = [number for number in before if before[number] is not signal.SIG_IGN]
    try:
        for number in heard:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else stop)
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _plain(value: object) -> object:
    """``value`` as JSON has it: what is no number is null, and what is neither text nor a container is written out."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return _plain(value.tolist())
    return value if value is None or isinstance(value, (str, int)) else str(value)
