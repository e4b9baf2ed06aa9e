"""How times and numbers of a table are written: the way that reads most values, and where two ways read as many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cvm.ingest.contracts import CONTRACTS, Kind
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.presets import preset_sections
from cvm.proposing.samples import NUMBER_FORMATS, TIME_WRITINGS, ColumnFacts
from cvm.proposing.tables import Candidate

_ISO = TIME_WRITINGS.index({})
_DAY_FIRST = TIME_WRITINGS.index({"day_first": True})
_PLAIN, _COMMA, _COMMA_GROUPS, _POINT_GROUPS = 0, 1, 2, 3
# Reads all that a comma alone reads, and cannot be mistaken: large amounts may be too rare to be in the sample.
_COMMA_BLANKS = NUMBER_FORMATS.index(NumberFormat(",", " "))


@dataclass(frozen=True)
class Writing:
    """How one table is written.

    Attributes
    ----------
    keys : dict
        Keys of ``data.<table>`` and the reason for each.
    lacks_zone : bool
        Whether times do not tell their zone.
    notes : tuple of str
        What two ways of writing leave open.
    """

    keys: dict[str, tuple[str | bool, str]]
    lacks_zone: bool
    notes: tuple[str, ...]


def writing_of(candidate: Candidate) -> Writing:
    """How the columns that a table takes are written; a preset says that itself."""
    times = _facts(candidate, {Kind.TIME})
    if candidate.preset:
        section = preset_sections(candidate.preset)[candidate.table]
        tells = "timezone" in section or str(section.get("datetime_format", "")).startswith("epoch")
        # A preset names its columns itself, so that all of the file's are looked at.
        dated = [facts for facts in candidate.sample.columns.values() if facts.are_dates]
        return Writing({}, not tells and any(facts.n_zoned < facts.n_given for facts in dated), ())
    numbers = _facts(candidate, {Kind.MONEY, Kind.NUMBER})
    time_keys, is_epoch, time_notes = _times(times)
    number_keys, number_notes = _numbers(numbers)
    lacks_zone = not is_epoch and any(facts.n_zoned < facts.n_given for facts in times)
    return Writing({**time_keys, **number_keys}, lacks_zone, (*time_notes, *number_notes))


def _facts(candidate: Candidate, kinds: Iterable[Kind]) -> list[ColumnFacts]:
    wanted = {column.name for column in CONTRACTS[candidate.table].columns if column.kind in kinds}
    names = dict.fromkeys(name for ours, match in candidate.matches.items() if ours in wanted for name in match.theirs)
    return [candidate.sample.columns[name] for name in names]


def _best(counts: Iterable[Sequence[int]], n_ways: int) -> tuple[int, list[int]]:
    """The first way that reads most values, and how many each reads."""
    total = [0] * n_ways
    for one in counts:
        total = [n + more for n, more in zip(total, one, strict=True)]
    return total.index(max(total)), total


def _times(columns: list[ColumnFacts]) -> tuple[dict[str, tuple[str | bool, str]], bool, list[str]]:
    best, total = _best((facts.n_dates for facts in columns), len(TIME_WRITINGS))
    if best == _ISO or not total[best]:
        return {}, False, []
    shown = ", ".join(facts.name for facts in columns)
    notes = []
    month_first = [
        place for place, how in enumerate(TIME_WRITINGS) if str(how.get("datetime_format", "")).startswith("%m/%d")
    ]
    if best == _DAY_FIRST and any(total[place] == total[best] for place in month_first):
        notes.append(
            f"{shown}: no day is after the 12th, so day and month cannot be told apart; the day is taken to come first "
            '(else datetime_format: "%m/%d/%Y")'
        )
    how = TIME_WRITINGS[best]
    keys = {key: (value, f"reads {total[best]:,} values of {shown}") for key, value in how.items()}
    return keys, str(how.get("datetime_format", "")).startswith("epoch"), notes


def _numbers(columns: list[ColumnFacts]) -> tuple[dict[str, tuple[str | bool, str]], list[str]]:
    text = [facts for facts in columns if facts.kind == "VARCHAR"]
    counts = (facts.n_priced if facts.are_priced else facts.n_numbers for facts in text)
    best, total = _best(counts, len(NUMBER_FORMATS))
    shown, notes = ", ".join(facts.name for facts in text), []
    if best == _COMMA and total[_COMMA_GROUPS] == total[_COMMA]:
        best = _COMMA_GROUPS
        notes.append(
            f"{shown}: three digits follow every comma, so it is taken for the mark of thousands; else decimal: ','"
        )
    elif best == _COMMA:
        best = _COMMA_BLANKS
    elif best == _PLAIN and total[_POINT_GROUPS] == total[_PLAIN] > total[_COMMA]:
        notes.append(f"{shown}: three digits follow every point, which is taken for the decimal mark; else thousands: '.'")
    found, reason = NUMBER_FORMATS[best], f"reads {total[best]:,} values of {shown}"
    marks = {"decimal": (found.decimal, "."), "thousands": (found.thousands, None)}
    keys: dict[str, tuple[str | bool, str]] = {
        key: (str(mark), reason) for key, (mark, plain) in marks.items() if mark != plain
    }
    for facts in text:
        if facts.are_priced and facts.sign:
            keys["currency_sign"] = (facts.sign, f"stands beside the numbers of {facts.name}")
    return keys, notes
