"""A folder that somebody else is writing to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from cvm.locks import only_writer


@contextmanager
def held(*folders: Path, command: str = "cvm train") -> Iterator[None]:
    """Folders that another thread of this process holds, which no lock tells from another process."""
    has_begun, may_end = Event(), Event()
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)

    def hold() -> None:
        with only_writer(folders, command=command):
            has_begun.set()
            may_end.wait(60)

    thread = Thread(target=hold)
    thread.start()
    try:
        if not has_begun.wait(10):
            raise AssertionError("the folders could not be locked")
        yield
    finally:
        may_end.set()
        thread.join()
