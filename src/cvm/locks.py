"""One writer at a time: locks on folders, which say who holds them and which the system frees when their holder is killed.

The lock is that of the operating system on a small file, ``.cvm.lock``, in the folder. What the file says of its holder is
for people; that it is there means nothing.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cvm.errors import WorkspaceError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

NAME = ".cvm.lock"
_POLL_S = 0.1
# Windows lets nobody read locked bytes, so one is locked that is never written.
_LOCKED_BYTE = 2**30


@contextmanager
def only_writer(
    folders: Iterable[Path],
    *,
    command: str,
    wait_s: float = 0.0,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[list[Path]]:
    """Keep all others who ask for the same out of folders.

    Whoever holds a folder may ask for it again: within one thread locks nest. Several folders are always taken in the same
    order, so two who want some of the same never wait for each other. On a file system without locks nobody is kept out.

    Parameters
    ----------
    folders : iterable of Path
        Which must exist.
    command : str
        What others are told who find them taken.
    wait_s : float, >= 0
        How long to wait for those who hold them.
    tell : callable
        Told once, in words, for whom this waits.

    Yields
    ------
    list of Path
        Folders that were not held before, which nobody else is at work in.

    Raises
    ------
    WorkspaceError
        If a folder is still held by others after ``wait_s``, or cannot be locked.
    """
    deadline = time.monotonic() + wait_s
    with ExitStack() as stack:
        taken = []
        for folder in sorted({folder.resolve() for folder in folders}):
            lock = _lock_of(folder)
            _wait_for(lock, command=command, deadline=deadline, tell=tell)
            stack.callback(lock.give_back)
            taken += [folder] if lock.depth == 1 else []
        yield taken


def holder_of(folder: Path) -> str | None:
    """Who is writing to a folder, in words; ``None`` where nobody is.

    Writes nothing. It has the lock for a moment, to see whether it is free; who wants to write meanwhile asks again.

    Raises
    ------
    OSError
        If the lock cannot be read.
    """
    path = folder / NAME
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if _is_free(handle) else _word_of(path)
    finally:
        os.close(handle)  # and with it what was locked for a moment, to see whether it could be


class _FolderLock:
    """The lock of one folder: among threads by an ``RLock``, among processes by that of the system."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.depth = 0
        self._turn = threading.RLock()
        self._handle = -1

    def take(self, command: str) -> bool:
        """Whether it could be had at once."""
        if not self._turn.acquire(blocking=False):
            return False
        try:
            if self.depth == 0:
                self._handle = _opened_and_locked(self.path, command)
            self.depth += self._handle >= 0
        finally:
            if self.depth == 0:
                self._turn.release()
        return self._handle >= 0

    def give_back(self) -> None:
        self.depth -= 1
        if self.depth == 0:
            with suppress(OSError):  # Windows keeps a file that others have opened
                self.path.unlink()
            os.close(self._handle)
            self._handle = -1
        self._turn.release()

    def holder(self) -> str:
        """Who holds it, as far as one can tell."""
        return _word_of(self.path)


def _word_of(path: Path) -> str:
    """What a lock file says of its holder."""
    try:
        by = json.loads(path.read_text(encoding="utf-8"))
        place = "this machine" if by["host"] == socket.gethostname() else by["host"]
        return f"`{by['command']}`, process {by['process']} on {place}, since {by['since']}"
    except (OSError, ValueError, TypeError, KeyError):
        return "it left no word of itself"


_locks: dict[Path, _FolderLock] = {}
_guard = threading.Lock()


def _lock_of(folder: Path) -> _FolderLock:
    with _guard:
        return _locks.setdefault(folder, _FolderLock(folder))


def _wait_for(lock: _FolderLock, *, command: str, deadline: float, tell: Callable[[str], None]) -> None:
    if _taken(lock, command):
        return
    time.sleep(_POLL_S)  # longer than anybody has it who only looks, as ``holder_of`` does
    has_told = False
    while not _taken(lock, command):
        if time.monotonic() >= deadline:
            raise WorkspaceError(
                f"Another cvm command is writing to {lock.path.parent}: {lock.holder()}. Wait until it has ended, have this "
                "one wait with --set wait_s=600, or set other folders under outputs and models in params.yaml."
            )
        if not has_told:
            tell(f"waiting for another command to leave {lock.path.parent}: {lock.holder()}")
            has_told = True
        time.sleep(_POLL_S)


def _taken(lock: _FolderLock, command: str) -> bool:
    try:
        return lock.take(command)
    except OSError as error:
        raise WorkspaceError(
            f"{lock.path} cannot be locked: {error.strerror or error}. "
            "Grant write access to it, or set another folder under outputs in params.yaml."
        ) from error


def _opened_and_locked(path: Path, command: str) -> int:
    """A handle of the lock file, which now names us, or -1 where another process has it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            is_locked = _system_lock(handle)
            # Who held it until now has removed the file: what was locked is no longer what others find.
            is_found = is_locked and _is_at(path, handle)
        except BaseException:
            os.close(handle)
            raise
        if is_found:
            _sign(handle, command)
            return handle
        os.close(handle)
        if not is_locked:
            return -1


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _sign(handle: int, command: str) -> None:
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    by = {"command": command, "process": os.getpid(), "host": socket.gethostname(), "since": since}
    with suppress(OSError):  # a full disk keeps nobody from holding the lock
        os.ftruncate(handle, 0)
        os.write(handle, json.dumps(by).encode())


if sys.platform == "win32":

    def _system_lock(handle: int) -> bool:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
        return True

    def _is_free(handle: int) -> bool:
        return _system_lock(handle)

else:

    def _system_lock(handle: int) -> bool:
        return _flock(handle, fcntl.LOCK_EX)

    def _is_free(handle: int) -> bool:
        return _flock(handle, fcntl.LOCK_SH)

    def _flock(handle: int, kind: int) -> bool:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
