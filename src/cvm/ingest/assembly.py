"""The clean tables out of the checked rows of all exports, however many ingests brought them in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cvm.engines import DuckDBEngine, Engine, identifier, literal
from cvm.ingest import values
from cvm.ingest.clean import PART, REASON, REPLACED, ROW, SOURCE, TableOutcome
from cvm.ingest.contracts import Contract
from cvm.ingest.ledger import Part, part_rows
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.reading import Reading, check_mapping, check_named, given_name
from cvm.ingest.sources import RESERVED

# Position of an export among those of its table.
_PLACE = identifier(f"{RESERVED}place")


@dataclass(frozen=True)
class _Parts:
    """Relations over the files of all parts of one table."""

    parts: Sequence[Part]
    folder: Path

    @property
    def rows(self) -> str:
        """Every checked row, in the order of the parts and of their files."""
        return part_rows([self.folder / next(iter(part.files)) for part in self.parts if part.files])

    @property
    def accepted(self) -> str:
        return f"(SELECT * FROM {self.rows} WHERE {REASON} IS NULL)"

    @property
    def rejected(self) -> str | None:
        """Every row left out under the contract, as it was given."""
        files = [self.folder / list(part.files)[1] for part in self.parts if len(part.files) > 1]
        return part_rows(files) if files else None

    @property
    def places(self) -> str:
        return f"(VALUES {', '.join(f'({part.number}, {n})' for n, part in enumerate(self.parts))}) AS p({PART}, {_PLACE})"


def assemble_table(
    engine: DuckDBEngine, contract: Contract, reading: Reading, parts: Sequence[Part], folder: Path
) -> TableOutcome:
    """Write ``<table>`` and the temporary table ``rejected_<table>`` from the parts, in their order.

    Of the rows that agree on ``reading.key``, else on that of the contract, the latest recorded counts, then the one of the
    later part, then the later row; a row that lacks part of the key stands alone. Rows follow the order of the parts,
    whichever ingest wrote them.

    Parameters
    ----------
    engine : DuckDBEngine
        Afterwards holds ``<table>`` and ``rejected_<table>``: the user's columns as text, ``source_file``,
        ``source_row`` (counted in its file) and ``reason``. Of a replaced row it tells the values as they were understood.
    contract : Contract
    reading : Reading
        Mapping and key.
    parts : sequence of Part
        At least one has a row.
    folder : Path
        Where their files lie.

    Raises
    ------
    MissingColumnsError
        If the mapping or the key names a column that no export has.
    """
    table, given = contract.table, _Parts(parts, folder)
    check_mapping(table, reading, found={name: None for part in parts for name in part.columns})
    names = _canonical_names(engine, contract, given.rows)
    check_named(table, "key", reading.key, found=names)
    key = reading.key or [name for name in contract.key if name in names]
    n_replaced = _find_replaced(engine, given, key, names) if key else 0
    kept, in_order = given.accepted, ""  # in order as they lie in the files
    if n_replaced:
        kept = f"{given.accepted} ANTI JOIN replaced USING ({PART}, {ROW}) JOIN {given.places} USING ({PART})"
        in_order = f"ORDER BY {_PLACE}, {ROW}"
    found = [kind for part in parts for kind in part.attributes.items()]
    casts = attribute_casts(engine, contract, found, names, kept, reading.numbers)
    columns = ", ".join(f"{casts.get(name, identifier(name))} AS {identifier(name)}" for name in names)
    engine.replace_table(table, f"SELECT {columns} FROM {kept} {in_order}")
    theirs = {ours: given_name(reading, ours) for ours in names}
    _write_rejected(engine, table, given, theirs, has_replaced=n_replaced > 0)
    engine.execute("DROP TABLE IF EXISTS replaced")
    n_exact_duplicates = count_exact_duplicates(engine, table, names)
    return outcome_of(table, parts, n_replaced=n_replaced, n_exact_duplicates=n_exact_duplicates)


def outcome_of(table: str, parts: Sequence[Part], *, n_replaced: int = 0, n_exact_duplicates: int = 0) -> TableOutcome:
    """What became of the rows of some parts."""
    counts = {REPLACED: n_replaced} if n_replaced else {}
    for part in parts:
        for reason, n in part.n_by_reason.items():
            counts[reason] = counts.get(reason, 0) + n
    return TableOutcome(
        table=table,
        n_read=sum(part.n_rows for part in parts),
        n_kept=sum(part.n_kept for part in parts) - n_replaced,
        n_by_reason=dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))),
        n_exact_duplicates=n_exact_duplicates,
    )


def _canonical_names(engine: DuckDBEngine, contract: Contract, rows: str) -> list[str]:
    return kept_names(
        contract, [name for name in engine.columns(rows) if identifier(name) not in (PART, REASON, ROW, SOURCE)]
    )


def kept_names(contract: Contract, found: Sequence[str]) -> list[str]:
    """Columns to keep, those of the contract first. Test orders have been left out, so what marks them says nothing."""
    known = [column.name for column in contract.columns if column.name in found]
    return [*(name for name in known if name != "is_test"), *(name for name in found if name not in known)]


def _find_replaced(engine: DuckDBEngine, given: _Parts, key: Sequence[str], names: Sequence[str]) -> int:
    """Write the temporary table ``replaced``, and say how many rows it has."""
    columns, complete = key_sql(key, names)
    # Hardly any row shares its key, and only those that do need sorting.
    shared = f"SELECT hash({columns}) FROM {given.accepted} WHERE {complete} GROUP BY 1 HAVING count(*) > 1"
    latest = f"{'recorded_at DESC NULLS LAST, ' if 'recorded_at' in names else ''}{_PLACE} DESC, {ROW} DESC"
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE replaced AS SELECT {PART}, {ROW} "
        f"FROM (SELECT * FROM {given.accepted} WHERE {complete} AND hash({columns}) IN ({shared})) "
        f"JOIN {given.places} USING ({PART}) "
        f"QUALIFY row_number() OVER (PARTITION BY {columns} ORDER BY {latest}) > 1"
    )
    return int(engine.row("SELECT count(*) AS n FROM replaced")["n"])


def key_sql(key: Sequence[str], names: Sequence[str]) -> tuple[str, str]:
    """SQL for the columns that rows of one key agree on, and for whether a row has all of the key.

    Ids are those of a system: where a ``source`` is told, rows of different sources never replace each other.
    """
    told = [*key, *(["source"] if "source" in names else [])]
    columns = ", ".join(identifier(name) for name in dict.fromkeys(told))
    return columns, " AND ".join(f"{identifier(name)} IS NOT NULL" for name in key)


def attribute_casts(
    engine: Engine,
    contract: Contract,
    found: Iterable[tuple[str, str]],
    names: Sequence[str],
    kept: str,
    numbers: NumberFormat,
) -> dict[str, str]:
    """SQL of each attribute, in the type that its exports agree on; text that is all plain numbers becomes numbers.

    Parameters
    ----------
    engine : Engine
    contract : Contract
    found : iterable of (str, str)
        Attribute and its type, of every export that has it.
    names : sequence of str
        Columns of the table.
    kept : str
        Relation of its rows, with attributes as text.
    numbers : NumberFormat
    """
    kinds: dict[str, list[str]] = {}
    for name, kind in found:
        kinds.setdefault(name.lower(), []).append(kind)
    types = {name: values.common_type(kinds[name.lower()]) for name in names if contract.column(name) is None}
    texts = [name for name, kind in types.items() if kind == "VARCHAR"]
    quantities: list[str] = []
    if texts:
        tests = ", ".join(f"{numbers.is_quantity(name)} AS {identifier(name)}" for name in texts)
        row = engine.row(f"SELECT {tests} FROM {kept}")
        quantities = [name for name in texts if row[name]]
    casts = {name: f"CAST({identifier(name)} AS {kind})" for name, kind in types.items()}
    return casts | {name: f"CAST({numbers.plain(identifier(name))} AS DOUBLE)" for name in quantities}


def _write_rejected(engine: DuckDBEngine, table: str, given: _Parts, theirs: dict[str, str], *, has_replaced: bool) -> None:
    """Write the temporary table ``rejected_<table>``; ``theirs`` names the columns of a replaced row."""
    places = {"source_file": SOURCE, "source_row": ROW, "reason": literal(REPLACED)}
    columns = [
        f"CAST({identifier(ours)} AS VARCHAR) AS {identifier(name)}"
        for ours, name in theirs.items()
        if name.lower() not in places
    ]
    columns += [f"{sql} AS {name}" for name, sql in places.items()]
    replaced = f"{given.rows} SEMI JOIN replaced USING ({PART}, {ROW})" if has_replaced else f"{given.rows} LIMIT 0"
    rows = f"SELECT {', '.join(columns)}, {PART} FROM {replaced}"
    if given.rejected:
        rows = f"SELECT * FROM {given.rejected}" + (f" UNION ALL BY NAME {rows}" if has_replaced else "")
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE rejected_{table} AS "
        f"SELECT * EXCLUDE ({PART}, {_PLACE}, {', '.join(places)}), {', '.join(places)} "
        f"FROM ({rows}) JOIN {given.places} USING ({PART}) ORDER BY {_PLACE}, source_row"
    )


def count_exact_duplicates(engine: Engine, table: str, names: Sequence[str]) -> int:
    """Rows that equal another, by a hash of all columns: the rows themselves would take the memory of the whole table."""
    hashes = f"SELECT hash({', '.join(identifier(name) for name in names)}) AS h FROM {identifier(table)}"
    return int(engine.row(f"SELECT count(*) - count(DISTINCT h) AS n FROM ({hashes})")["n"])
