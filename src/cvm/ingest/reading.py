"""How the user's table is to be read, and from which of its columns each of ours comes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from cvm.errors import MissingColumnsError, ParamsError
from cvm.ingest.contracts import Contract, Kind
from cvm.ingest.numbers import NumberFormat

# The user's name of a column; several, of which the first that says anything counts; or {"product": [...]} of columns of
# numbers that are multiplied, such as units and the price of one.
Given = str | Sequence[str] | Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Reading:
    """How the user's table is to be read.

    Attributes
    ----------
    timezone : str or None
        Zone of times that carry none; ``None`` when nobody declared one, and then such times are refused.
    columns : mapping of str to Given
        Canonical name to the user's name, where the two differ. Of several names the first that says anything in a
        row counts; a product says something where all its factors do.
    datetime_format : str or None
        ``strptime`` format or ``epoch_s``, ``epoch_ms``, ``epoch_us`` when times are not ISO 8601.
    key : sequence of str
        Canonical columns; of the rows that agree on all of them only the latest recorded counts.
    decimal, thousands : str, str or None
        Marks of numbers in text.
    currency_sign : str or None
        What may stand before or behind a number in text.
    day_first : bool
        Whether 01.02.2024 is the first of February.
    defaults : mapping of str to str
        Canonical name to the text that stands where a row says nothing.
    ignore : sequence of str
        The user's columns that are no attributes, as names or patterns such as ``*phone*``; case aside.
    skip_without : sequence of str
        Canonical columns; a line that says nothing in one of them is no row of this table, and no fault.
    preset : mapping of str to Given
        As ``columns``, but where the user's table lacks a column it is passed over.
    """

    timezone: str | None
    columns: Mapping[str, Given] = field(default_factory=dict)
    datetime_format: str | None = None
    key: Sequence[str] = ()
    decimal: str = "."
    thousands: str | None = None
    day_first: bool = False
    defaults: Mapping[str, str] = field(default_factory=dict)
    ignore: Sequence[str] = ()
    skip_without: Sequence[str] = ()
    preset: Mapping[str, Given] = field(default_factory=dict)
    currency_sign: str | None = None

    @property
    def numbers(self) -> NumberFormat:
        """How numbers are written in text."""
        return NumberFormat(self.decimal, self.thousands, self.currency_sign)


@dataclass(frozen=True)
class Origin:
    """Where the values of one canonical column come from.

    Attributes
    ----------
    columns : tuple of str
        The user's; the first that says anything counts.
    default : str or None
        What stands where they say nothing.
    is_product : bool
        Whether the columns are multiplied instead, in rows where all of them say something.
    """

    columns: tuple[str, ...]
    default: str | None = None
    is_product: bool = False


def column_origins(contract: Contract, reading: Reading, *, found: Sequence[str]) -> dict[str, Origin]:
    """Canonical name -> its origin, for every column that will be kept; those of the contract first.

    An export may lack what is not required: others of its table may have it.

    Raises
    ------
    MissingColumnsError
        If a required column is not there.
    ParamsError
        If the mapping or the key names a column that the contract does not know.
    """
    _check_names(contract, reading)
    if any(
        name not in found
        for ours, theirs in reading.columns.items()
        if ours in contract.required
        for name in _listed(theirs)
    ):
        check_mapping(contract.table, reading, found=found)
    known = [column.name for column in contract.columns]
    own = {ours: [ours] for ours in known if ours in found}
    preset, mapped = (
        {ours: _present(theirs, found) for ours, theirs in mapping.items()} for mapping in (reading.preset, reading.columns)
    )
    names = {ours: theirs for ours, theirs in (own | {o: t for o, t in preset.items() if t} | mapped).items() if theirs}
    given = {**reading.preset, **reading.columns}
    origins = {
        ours: Origin(tuple(theirs), reading.defaults.get(ours), is_product=isinstance(given.get(ours), Mapping))
        for ours, theirs in names.items()
    }
    origins |= {ours: Origin((), text) for ours, text in reading.defaults.items() if ours not in origins}
    if contract.open_ended:
        # Case aside, because the engine's names are so.
        taken = {name.lower() for origin in origins.values() for name in origin.columns} | {n.lower() for n in origins}
        further = (name for name in found if name.lower() not in taken and not is_ignored(name, reading.ignore))
        origins |= {name: Origin((name,)) for name in further}
    unmapped = [name for name in contract.required if name not in origins]
    if unmapped:
        raise MissingColumnsError.from_columns(contract.table, required=unmapped, found=found)
    check_named(contract.table, "skip_without", reading.skip_without, found=origins)
    return {n: origins[n] for n in [*(n for n in known if n in origins), *(n for n in origins if n not in known)]}


def check_mapping(table: str, reading: Reading, *, found: Collection[str]) -> None:
    """Refuse a mapping that points at columns which are not among those ``found``.

    Raises
    ------
    MissingColumnsError
        If there are such columns.
    """
    lost = sorted({name for theirs in reading.columns.values() for name in _listed(theirs)} - set(found))
    if lost:
        raise MissingColumnsError(
            f"Table {table!r}: data.{table}.columns points at {lost}; the file has {sorted(found)}. "
            "Correct the names on the right-hand side of the mapping."
        )


def check_named(table: str, where: str, named: Collection[str], *, found: Collection[str]) -> None:
    """Refuse a list of canonical columns, such as the key, of which the files do not have all.

    Raises
    ------
    MissingColumnsError
        If one is not there.
    """
    absent = sorted(set(named) - set(found))
    if absent:
        raise MissingColumnsError(
            f"Table {table!r}: data.{table}.{where} names {absent}, which the file does not have. It has {sorted(found)}."
        )


def given_name(reading: Reading, ours: str) -> str:
    """What the user calls a column of ours: the first of the names mapped to it."""
    theirs = _listed(reading.columns.get(ours, reading.preset.get(ours, ours)))
    return theirs[0] if theirs else ours


def _check_names(contract: Contract, reading: Reading) -> None:
    known = [column.name for column in contract.columns]
    named: dict[str, Collection[str]] = {"columns": reading.columns, "key": reading.key}
    always = {"defaults": reading.defaults, "skip_without": reading.skip_without}
    for where, names in (named | always).items():
        strangers = sorted(set(names) - set(known))
        if strangers and not (contract.open_ended and where in named):
            raise ParamsError(
                f"data.{contract.table}.{where} names {strangers}, which no {contract.table} table has. Known: {known}."
            )

    for ours, theirs in reading.columns.items():
        column = contract.column(ours)
        if isinstance(theirs, Mapping) and (column is None or column.kind not in (Kind.MONEY, Kind.NUMBER)):
            numbers = [column.name for column in contract.columns if column.kind in (Kind.MONEY, Kind.NUMBER)]
            raise ParamsError(
                f"data.{contract.table}.columns.{ours} is a product of {_listed(theirs)}; only {numbers} can be one. "
                "Name one column of yours instead."
            )


def _listed(theirs: Given) -> list[str]:
    if isinstance(theirs, Mapping):
        return list(theirs["product"])
    return [theirs] if isinstance(theirs, str) else list(theirs)


def _present(theirs: Given, found: Collection[str]) -> list[str]:
    """The columns that are there; of a product all or none."""
    present = [name for name in _listed(theirs) if name in found]
    return [] if isinstance(theirs, Mapping) and len(present) < len(_listed(theirs)) else present


def is_ignored(name: str, patterns: Sequence[str]) -> bool:
    """Whether a column's name fits one of the patterns, in upper or lower case."""
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)
