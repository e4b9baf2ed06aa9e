"""How outputs are written: whole or not at all, whatever happens meanwhile.

What is not finished has a hidden name that tells of which output and of which process it is, so that the next command can
tidy up after one that was killed.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cvm.errors import WorkspaceError

# What ``_beside`` names, and what the engine puts beside such a file.
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<process>\d{1,9})\.(?P<ending>tmp|old)(\.(wal|tmp))?")

# Of the system call renameat2.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``, for what is gone when the block ends.

    Raises
    ------
    WorkspaceError
        If the file system refuses.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(path, "tmp")
        _discard(temporary)
        try:
            yield temporary
        finally:
            _discard(temporary)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it onto ``path`` only if the block succeeds.

    Raises
    ------
    WorkspaceError
        If the file system refuses.
    """
    with temporary_file(path) as temporary:
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush_folder(path.parent)


@contextmanager
def replaced_directory(path: Path) -> Iterator[Path]:
    """Give a temporary directory beside ``path``; put it in the place of ``path`` only if the block succeeds.

    Raises
    ------
    WorkspaceError
        If the file system refuses.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, old = _beside(path, "tmp"), _beside(path, "old")
        _discard(temporary)
        _discard(old)
        temporary.mkdir()
        try:
            yield temporary
            for folder, _, files in os.walk(temporary):
                for file in files:
                    _flush(Path(folder, file))
                _flush_folder(Path(folder))
            if not os.path.lexists(path):
                temporary.rename(path)
            elif not _exchanged(temporary, path):
                path.rename(old)
                temporary.rename(path)
            _flush_folder(path.parent)
        finally:
            if old.exists() and not path.exists():
                old.rename(path)
            _discard(temporary)
            _discard(old)


def removed(path: Path) -> None:
    """Remove a file, or a folder with all that is in it.

    Raises
    ------
    WorkspaceError
        If the file system refuses.
    """
    with _writing(path):
        _discard(path)


def tidy(folder: Path) -> None:
    """Remove what killed processes left half done anywhere below ``folder``."""
    with _writing(folder):
        for parent, folders, files in os.walk(folder):
            for name in (*folders, *files):
                _settle(Path(parent, name))
            folders[:] = [name for name in folders if not name.startswith(".")]


def tidy_beside(path: Path) -> None:
    """Remove what killed processes left half done of ``path`` itself; nothing else in its folder is looked at."""
    with _writing(path):
        for left_over in path.parent.glob(f".{glob.escape(path.name)}.*"):
            _settle(left_over)


def _settle(left_over: Path) -> None:
    """Remove what a killed process left half done; what it had moved aside comes back where nothing took its place."""
    found = _TEMPORARY.fullmatch(left_over.name)
    if found is None or _is_another(int(found["process"])):
        return
    path = left_over.with_name(found["name"])
    if found["ending"] == "old" and not path.exists():
        left_over.rename(path)
    else:
        _discard(left_over)


def _is_another(process: int) -> bool:
    """Whether it is running and not this one, whose number may have been that of a process killed before."""
    if process == os.getpid():
        return False
    if sys.platform == "win32":  # there to ask is to kill
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkspaceError(
            f"{path} could not be written: {error.strerror or error}. What was there before is unchanged. "
            "Free the path or disk space, or set another folder under outputs in params.yaml."
        ) from error


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{ending}")


def _flush(file: Path) -> None:
    """Have the disk hold what was written: else a power cut could leave an empty file under the right name."""
    handle = os.open(file, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    if sys.platform != "win32":  # which has no such thing
        with suppress(OSError):  # nor have some network file systems
            _flush(folder)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two took each other's name, in one step that nobody can see the middle of; only Linux knows how."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):  # an old kernel, or a file system that cannot
        return False
    raise OSError(number, os.strerror(number), str(other))


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
