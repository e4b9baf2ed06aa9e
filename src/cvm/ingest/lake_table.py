"""One table of a lake under its contract: what ``clean`` and ``assembly`` do with files, as queries of Spark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cvm.engines import QueryError, identifier, literal
from cvm.engines.spark import SparkEngine
from cvm.engines.spark_lake import Placed
from cvm.errors import ColumnTypeError, MissingColumnsError, SourceError
from cvm.ingest.assembly import attribute_casts, count_exact_duplicates, kept_names, key_sql
from cvm.ingest.clean import REASON, REPLACED, ROW, SOURCE, CheckedRows, TableOutcome, checked_rows
from cvm.ingest.contracts import Contract, Kind
from cvm.ingest.protection import Protection
from cvm.ingest.reading import Reading, check_mapping, check_named, given_name
from cvm.ingest.sources import FILE_NAME, RESERVED, ROW_NUMBER

PLACED = Placed(file=FILE_NAME, row=ROW_NUMBER, order=f"{RESERVED}order")

_SHOWN = f"{RESERVED}shown "
_ORDER, _PLACE, _VERSION = (identifier(f"{RESERVED}{name}") for name in ("order", "place", "version"))
_PLACES = {"source_file": SOURCE, "source_row": ROW, "reason": REASON}


@dataclass(frozen=True)
class LakePart:
    """One origin of a table: a path or a table of the catalog.

    Attributes
    ----------
    name : str
        What messages call it.
    load : callable
        Makes an engine show it as ``raw_<table>``, each row with ``PLACED``.
    trouble : callable
        What to tell the user when the engine cannot read it.
    """

    name: str
    load: Callable[[SparkEngine], None]
    trouble: Callable[[QueryError], SourceError]


def clean_lake_table(
    engine: SparkEngine,
    contract: Contract,
    reading: Reading,
    parts: Sequence[LakePart],
    *,
    now: datetime,
    protection: Protection,
) -> TableOutcome:
    """Hold ``<table>`` and ``rejected_<table>``, as ``assemble_table`` does, out of all parts.

    Of the rows that agree on the key the latest recorded counts, then the one of the later part, then the later row of its
    files. A table of the catalog has no order: there the row whose columns are greater counts, one after the other.

    Parameters
    ----------
    engine : SparkEngine
        In which ``protection`` is installed.
    contract : Contract
    reading : Reading
    parts : sequence of LakePart
        In the order in which they count; each is read by itself.
    now : datetime
        UTC, without zone.
    protection : Protection

    Raises
    ------
    SourceError, MissingColumnsError, ColumnTypeError, ParamsError
        If a part cannot be read as the contract demands, or none has a row.
    """
    table = contract.table
    checked = [
        _checked(engine, contract, reading, part, place, is_alone=len(parts) == 1, now=now, protection=protection)
        for place, part in enumerate(parts)
    ]
    check_mapping(table, reading, found={name: None for rows in checked for name in rows.columns})
    names = kept_names(contract, _merged(name for rows in checked for name in rows.names))
    check_named(table, "key", reading.key, found=names)
    key = reading.key or [name for name in contract.key if name in names]
    rows = _rows(contract, checked, names)
    counts: dict[str | None, int] = {}
    for row in engine.table(f"SELECT {REASON} AS reason, count(*) AS n FROM {rows} GROUP BY 1").to_pylist():
        counts[row["reason"]] = row["n"]
    n_kept = counts.pop(None, 0)
    n_by_reason = {reason: n for reason, n in counts.items() if reason is not None}
    for part in checked:
        for reason, n in part.n_never_stored.items():
            n_by_reason[reason] = n_by_reason.get(reason, 0) + n
    if not n_kept and not n_by_reason:
        raise SourceError.from_empty_table(table, ", ".join(part.name for part in parts))
    kept, n_replaced = f"(SELECT * FROM {rows} WHERE {REASON} IS NULL)", 0
    if key:
        _hold_versions(engine, table, kept, key, names)
        kept = f"(SELECT * FROM versions_{table} WHERE {_VERSION} = 1)"
        n_replaced = engine.row(f"SELECT count(*) AS n FROM versions_{table} WHERE {_VERSION} > 1")["n"]
    attributes = (kind for part in checked for kind in part.attributes.items())
    casts = attribute_casts(engine, contract, attributes, names, kept, reading.numbers)
    columns = ", ".join(f"{casts.get(name, identifier(name))} AS {identifier(name)}" for name in names)
    engine.replace_table(table, f"SELECT {columns} FROM {kept}")
    _hold_rejected(engine, table, checked, {ours: given_name(reading, ours) for ours in names}, has_replaced=n_replaced > 0)
    n_read = n_kept + sum(n_by_reason.values())
    n_by_reason |= {REPLACED: n_replaced} if n_replaced else {}
    return TableOutcome(
        table=table,
        n_read=n_read,
        n_kept=n_kept - n_replaced,
        n_by_reason=dict(sorted(n_by_reason.items(), key=lambda pair: (-pair[1], pair[0]))),
        n_exact_duplicates=count_exact_duplicates(engine, table, names),
    )


def drop_working_tables(engine: SparkEngine, table: str) -> None:
    """Let go of what ``clean_lake_table`` held beside its two tables."""
    for name in sorted(engine.tables()):
        if name in (f"raw_{table}", f"versions_{table}") or name.startswith(f"checked_{table}_"):
            engine.execute(f"DROP TABLE {name}")


def _checked(
    engine: SparkEngine,
    contract: Contract,
    reading: Reading,
    part: LakePart,
    place: int,
    *,
    is_alone: bool,
    now: datetime,
    protection: Protection,
) -> CheckedRows:
    """One part, read and held as ``checked_<table>_<place>``: its source is read once, or twice if rows are never stored."""
    try:
        part.load(engine)
        rows = checked_rows(
            engine, contract, reading, now=now, protection=protection, beside=[PLACED.order], shown_as=_SHOWN
        )
        _hold_checked(engine, f"checked_{contract.table}_{place}", rows)
    except (MissingColumnsError, ColumnTypeError) as error:
        if is_alone:
            raise
        raise type(error)(f"In {part.name!r}: {error}") from None
    except QueryError as error:
        raise part.trouble(error) from None
    return rows


def _hold_checked(engine: SparkEngine, name: str, rows: CheckedRows) -> None:
    shown = [identifier(f"{_SHOWN}{theirs}") for theirs in rows.shown]
    columns = [
        *map(identifier, rows.names),
        *(SOURCE, ROW, _ORDER, REASON),
        # As given only where the row is left out: of the others nobody asks for it.
        *(f"CASE WHEN {REASON} IS NOT NULL THEN {column} END AS {column}" for column in shown),
    ]
    engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {', '.join(columns)} FROM ({rows.query})")


def _rows(contract: Contract, checked: Sequence[CheckedRows], names: Sequence[str]) -> str:
    """Relation of the checked rows of all parts in the columns ``names``."""
    types = {name: column.kind if (column := contract.column(name)) else Kind.TEXT for name in names}
    queries = []
    for place, rows in enumerate(checked):
        there = {name.lower() for name in rows.names}
        columns = [
            identifier(name) if name.lower() in there else f"CAST(NULL AS {kind}) AS {identifier(name)}"
            for name, kind in types.items()
        ]
        columns += [SOURCE, ROW, _ORDER, REASON, f"{place} AS {_PLACE}"]
        queries.append(f"SELECT {', '.join(columns)} FROM checked_{contract.table}_{place}")
    return f"({' UNION ALL '.join(queries)})"


def _hold_versions(engine: SparkEngine, table: str, kept: str, key: Sequence[str], names: Sequence[str]) -> None:
    """Hold ``versions_<table>``: the accepted rows, numbered within their key from the one that counts on."""
    columns, complete = key_sql(key, names)
    recorded = ["recorded_at DESC NULLS LAST"] if "recorded_at" in names else []
    # In the end all columns decide, so that the answer does not depend on who computes it.
    latest = [*recorded, f"{_PLACE} DESC", f"{_ORDER} DESC NULLS LAST", *(f"{identifier(name)} DESC" for name in names)]
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE versions_{table} AS "
        f"SELECT *, row_number() OVER (PARTITION BY {columns} ORDER BY {', '.join(latest)}) AS {_VERSION} "
        f"FROM {kept} WHERE {complete} UNION ALL SELECT *, 1 AS {_VERSION} FROM {kept} WHERE NOT ({complete})"
    )


def _hold_rejected(
    engine: SparkEngine, table: str, checked: Sequence[CheckedRows], theirs: Mapping[str, str], *, has_replaced: bool
) -> None:
    """Hold ``rejected_<table>``; ``theirs`` names the columns of a replaced row, which tells its values as understood."""
    names = _merged(name for rows in checked for name in rows.shown)
    replaced = {name.lower(): ours for ours, name in theirs.items()} if has_replaced else {}
    names = [name for name in _merged([*names, *(theirs.values() if has_replaced else ())]) if name.lower() not in _PLACES]
    places = [f"{sql} AS {name}" for name, sql in _PLACES.items()]
    queries = []
    for place, rows in enumerate(checked):
        shown = {name.lower(): identifier(f"{_SHOWN}{name}") for name in rows.shown}
        columns = [f"{shown.get(name.lower(), 'CAST(NULL AS VARCHAR)')} AS {identifier(name)}" for name in names]
        where = f"FROM checked_{table}_{place} WHERE {REASON} IS NOT NULL"
        queries.append(f"SELECT {', '.join([*columns, *places])} {where}")
    if has_replaced:
        understood = {name: identifier(replaced[name.lower()]) if name.lower() in replaced else "NULL" for name in names}
        columns = [f"CAST({sql} AS VARCHAR) AS {identifier(name)}" for name, sql in understood.items()]
        places = [*places[:-1], f"{literal(REPLACED)} AS reason"]
        queries.append(f"SELECT {', '.join([*columns, *places])} FROM versions_{table} WHERE {_VERSION} > 1")
    engine.execute(f"CREATE OR REPLACE TEMP TABLE rejected_{table} AS {' UNION ALL '.join(queries)}")


def _merged(names: Iterable[str]) -> list[str]:
    """Each name once, case aside, as it was written first."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.lower(), name)
    return list(found.values())
