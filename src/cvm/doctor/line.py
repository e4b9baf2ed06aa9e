"""One line of a diagnosis, and how anything that a check meets becomes one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from cvm.errors import CvmError

State = Literal["ok", "look", "wrong"]


@dataclass(frozen=True)
class Line:
    """What was looked at, and what was found.

    Attributes
    ----------
    what : str
        A word or two.
    state : {"ok", "look", "wrong"}
        ``look``: it works, and may not be what is wanted. ``wrong``: some command will refuse or fail.
    found : str
        Without ids of customers, passwords or contents of files.
    fix : str
        How to mend it; empty where nothing is to be done, or where ``found`` says it.
    """

    what: str
    state: State
    found: str
    fix: str = ""


def lines_of(what: str, check: Callable[[], Iterable[Line]]) -> list[Line]:
    """What a check says; that it was refused, or failed itself, is one more line.

    Parameters
    ----------
    what : str
        Name of that line.
    check : callable
        Gives lines one by one; those before a failure are kept.
    """
    found: list[Line] = []
    try:
        found.extend(check())
    except CvmError as error:
        found.append(Line(what, "wrong", str(error)))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        found.append(Line(what, "wrong", f"{where}{error.strerror or type(error).__name__}", "Grant access, or restore it."))
    except MemoryError:
        found.append(Line(what, "wrong", "there is not enough memory to look at it", "Free some memory."))
    except Exception as error:
        # Its text may quote customers' data.
        found.append(
            Line(what, "wrong", f"cannot be made sense of ({type(error).__name__})", "Make it again, or restore a backup.")
        )
    return found


def size(n_bytes: float) -> str:
    """A number of bytes as people say it: ``3.4 MiB``."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "bytes" or n_bytes >= 100 else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:,.1f} TiB"
