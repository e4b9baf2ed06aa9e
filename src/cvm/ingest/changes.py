"""What is new since the last ingest: the exports that lie there now against those the ledger knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from cvm.errors import SourceError
from cvm.ingest.clean import VERSION
from cvm.ingest.contracts import Contract
from cvm.ingest.ledger import Part, TableParts
from cvm.ingest.origins import Export, FrameSource, PlannedSource, Source, passed_name
from cvm.ingest.reading import Reading


@dataclass(frozen=True)
class Slot:
    """The place of one export in the order of arrival.

    Attributes
    ----------
    part : Part or None
        What was ingested in this place before.
    export : Export or None
        What lies there now; ``None`` when it is gone.
    is_read : bool
        Whether the export is to be read, for the first time or again.
    """

    part: Part | None
    export: Export | None
    is_read: bool

    @property
    def is_new(self) -> bool:
        """Whether it brings rows that no ingest has accepted before."""
        return self.export is not None and (self.part is None or self.part.fingerprint != self.export.fingerprint)


@dataclass(frozen=True)
class Changes:
    """The exports of one table in the order of arrival, and what the user should know about them."""

    reading: str
    slots: tuple[Slot, ...]
    notes: tuple[str, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the ledger holds if nothing is read."""
        return tuple(slot.part for slot in self.slots if slot.part is not None)

    @property
    def n_read(self) -> int:
        """Exports to be read."""
        return sum(slot.is_read for slot in self.slots)


def changes_of(contract: Contract, source: Source, known: TableParts | None, *, protection: str = "") -> Changes:
    """Compare the exports of one table with what is known.

    An export is known by its content, whatever its name. One that changed under its name takes the place of its
    predecessor; one that is gone stays ingested; one that is still there but no longer named in ``params.yaml`` is dropped.
    What holds rows of the future is read again, and so is everything when it is to be read in another way, or
    ``protection`` (see ``Protection.fingerprint``) stores customers under other names.

    Raises
    ------
    SourceError
        If a source cannot be listed, or rows have to be read again whose file is gone.
    """
    parts = known.parts if known else ()
    table, reading = contract.table, _reading_hash(contract, source.reading, protection)
    exports = source.exports(table, has_history=bool(parts))
    by_content, copies = _distinct(exports, names_first={part.name for part in parts})
    reads_anew = known is not None and known.reading != reading
    taken = {part.fingerprint for part in parts if part.fingerprint in by_content}
    successors = {export.name: export for key, export in by_content.items() if key not in taken}
    slots, gone, dropped = [], [], []
    for part in parts:
        same = by_content.get(part.fingerprint) if part.fingerprint else None
        if same is not None:
            slots.append(Slot(replace(part, name=same.name), same, is_read=reads_anew or part.may_change))
            copies += [(same.name, part.name)] if same.name != part.name else []
        elif part.name in successors:
            slots.append(Slot(part, successors.pop(part.name), is_read=True))
        elif part.fingerprint is None or source.has(part.name):
            dropped.append(part)
        else:
            gone.append(part)
            slots.append(Slot(part, None, is_read=False))
    slots += [Slot(None, export, is_read=True) for export in successors.values()]
    if reads_anew and gone:
        raise SourceError(_unreadable_again(table, gone))
    notes = [_copies_note(table, copies)] if copies else []
    if reads_anew:
        notes.append(f"{table}: everything was read again, because params.yaml or cvm now reads it in another way")
    notes += [_gone_note(table, gone)] if gone else []
    notes += [_dropped_note(table, source, dropped)] if dropped else []
    return Changes(reading, tuple(slots), tuple(notes))


def without_damage(table: str, changes: Changes, folder: Path) -> Changes:
    """The same changes, but what is known and no longer whole in ``folder`` is to be read again.

    Raises
    ------
    SourceError
        If the file that would have to be read is gone.
    """
    damaged = [slot for slot in changes.slots if not slot.is_read and slot.part and not slot.part.is_whole(folder)]
    if not damaged:
        return changes
    gone = [slot.part for slot in damaged if slot.export is None and slot.part]
    if gone:
        raise SourceError(
            f"Table {table!r}: the rows of {_names(part.name for part in gone)} were ingested before, but their copy is "
            "damaged and the files are gone. Put the files back, or run `cvm ingest --full` to go on without them."
        )
    note = f"{table}: {len(damaged)} exports were read again, because their ingested rows were damaged"
    slots = tuple(replace(slot, is_read=True) if slot in damaged else slot for slot in changes.slots)
    return replace(changes, slots=slots, notes=(*changes.notes, note))


def replaced_note(table: str, slot: Slot, part: Part) -> str | None:
    """What to say when an export shrank under its name: an export of the latest rows only would lose the others."""
    if slot.part is None or not slot.is_new or slot.part.fingerprint is None or part.n_rows >= slot.part.n_rows:
        return None
    return (
        f"{table}: {part.name!r} changed and replaces its former {slot.part.n_rows:,} rows by {part.n_rows:,}; "
        "an export that holds only the latest rows needs a name of its own each time"
    )


def _reading_hash(contract: Contract, reading: Reading, protection: str) -> str:
    """Of all that decides how a row is read; the key decides only between rows."""
    how = {name: value for name, value in asdict(reading).items() if name != "key"}
    if reading.currency_sign is None:  # what was read before there was one is read as it was
        del how["currency_sign"]
    text = json.dumps([VERSION, how, repr(contract), *filter(None, [protection])], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _distinct(exports: Sequence[Export], *, names_first: set[str]) -> tuple[dict[str, Export], list[tuple[str, str]]]:
    """Exports by content, one of each, a name known before rather than another; and the names of the others."""
    chosen: dict[str, Export] = {}
    copies = []
    for export in exports:
        key = export.fingerprint or f"{export.name} is read every time"
        first = chosen.get(key)
        if first is None:
            chosen[key] = export
        elif export.name in names_first and first.name not in names_first:
            copies.append((first.name, export.name))
            chosen[key] = export
        else:
            copies.append((export.name, first.name))
    return chosen, copies


def _copies_note(table: str, copies: Sequence[tuple[str, str]]) -> str:
    name, original = copies[0]
    others = f", and {len(copies) - 1} more like it" if len(copies) > 1 else ""
    return f"{table}: {name!r} is {original!r} over again and was not read{others}"


def _gone_note(table: str, gone: Sequence[Part]) -> str:
    rows = sum(part.n_kept for part in gone)
    return (
        f"{table}: {_names(part.name for part in gone)} ingested before and gone since; their {rows:,} rows stay "
        "(`cvm ingest --full` forgets them)"
    )


def _dropped_note(table: str, source: Source, dropped: Sequence[Part]) -> str:
    names, rows = _names(part.name for part in dropped), sum(part.n_kept for part in dropped)
    own = source.own if isinstance(source, PlannedSource) else source
    if isinstance(own, FrameSource) and own.is_passed:
        return f"{table}: a frame was passed in the place of {names}; {rows:,} rows taken out"
    if [part.name for part in dropped] == [passed_name(table)]:
        return f"{table}: the frame that was passed before was not passed again; its {rows:,} rows taken out"
    return f"{table}: {names} no longer named in params.yaml; {rows:,} rows taken out"


def _unreadable_again(table: str, gone: Sequence[Part]) -> str:
    return (
        f"Table {table!r} is to be read in another way than before (data.{table} in params.yaml, or a new cvm), but "
        f"{_names(part.name for part in gone)} ingested before and gone since. Put the files back or restore the settings, "
        "or run `cvm ingest --full` to go on without them."
    )


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    shown = ", ".join(repr(name) for name in islice(listed, 3))
    return f"{shown} and {len(listed) - 3} more" if len(listed) > 3 else shown
