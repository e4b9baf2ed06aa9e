"""Who asked to be forgotten: hashes of their ids, under a key that never leaves its file; no export brings them back."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from cvm.engines import Engine
from cvm.errors import CvmError
from cvm.privacy.keyed_hash import KeyedHash
from cvm.workspace import replaced_file

KEY_FILE, LIST_FILE = "suppression.key", "forgotten.txt"
_KEY_BYTES = 32
_HASH = re.compile("[0-9a-f]{64}")
_TABLE = "forgotten_hashes"


@dataclass(frozen=True)
class Forgotten:
    """Hashes of ids that are never stored again.

    Attributes
    ----------
    key : KeyedHash or None
        ``None`` as long as nobody was forgotten.
    hashes : frozenset of str
    """

    key: KeyedHash | None = None
    hashes: frozenset[str] = field(default=frozenset())

    @classmethod
    def only(cls, ids: Iterable[str]) -> Forgotten:
        """These ids under a key of the moment, to find them by the expression that keeps them away later."""
        key = KeyedHash(secrets.token_bytes(_KEY_BYTES), name="suppression")
        return cls(key, frozenset(key.of(one) for one in ids))

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def __contains__(self, customer_id: str) -> bool:
        return self.key is not None and self.key.of(customer_id) in self.hashes

    def install(self, engine: Engine) -> None:
        """Make ``sql`` mean something to an engine."""
        if self.key and self.hashes:
            self.key.install(engine)
            engine.register("hashes_given", pa.table({"hash": sorted(self.hashes)}))
            engine.execute(f"CREATE OR REPLACE TEMP TABLE {_TABLE} AS SELECT hash FROM hashes_given; DROP VIEW hashes_given")

    def sql(self, ids: Sequence[str]) -> str:
        """SQL for whether one of several texts, null or not, is an id of somebody forgotten."""
        if not (self.key and self.hashes):
            return "false"
        return " OR ".join(f"coalesce({self.key.sql(text)} IN (SELECT hash FROM {_TABLE}), false)" for text in ids)


NOBODY = Forgotten()


def read_forgotten(folder: Path) -> Forgotten:
    """Who was forgotten so far; nobody where there is no list.

    Raises
    ------
    CvmError
        If the list or its key is damaged, or one of the two is gone: nobody knows then who must not come back.
    """
    if not (folder / LIST_FILE).exists():
        return NOBODY
    try:
        key = bytes.fromhex((folder / KEY_FILE).read_text(encoding="ascii").strip())
        hashes = frozenset((folder / LIST_FILE).read_text(encoding="ascii").split())
    except (OSError, ValueError):
        key, hashes = b"", frozenset()
    if len(key) != _KEY_BYTES or not all(_HASH.fullmatch(one) for one in hashes):
        raise CvmError(
            f"The list of people to forget in {folder} cannot be read: {KEY_FILE} or {LIST_FILE} is missing or damaged. "
            "Restore both from a backup; without them the next ingest would bring these people back."
        )
    return Forgotten(KeyedHash(key, name="suppression"), hashes)


def remember_forgotten(folder: Path, ids: Iterable[str]) -> Forgotten:
    """Add ids to the list, as hashes; the first one makes the key. Both files are their owner's alone.

    Raises
    ------
    CvmError
        As ``read_forgotten``.
    WorkspaceError
        If the file system refuses.
    """
    known = read_forgotten(folder)
    key = known.key or _new_key(folder)
    hashes = known.hashes | {key.of(one) for one in ids}
    _write_private(folder / LIST_FILE, "".join(f"{one}\n" for one in sorted(hashes)))
    return Forgotten(key, hashes)


def _new_key(folder: Path) -> KeyedHash:
    # A key that a killed command left behind without a list has hashed nobody yet.
    key = secrets.token_bytes(_KEY_BYTES)
    _write_private(folder / KEY_FILE, f"{key.hex()}\n")
    return KeyedHash(key, name="suppression")


def _write_private(path: Path, text: str) -> None:
    with replaced_file(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
