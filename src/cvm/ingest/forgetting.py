"""A person in what ingest wrote: every account and contact of theirs, and the parts of exports without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from cvm.engines import DuckDBEngine, literal
from cvm.engines.sql import parquet
from cvm.ingest.accounts import customer_tables
from cvm.ingest.contact_keys import email_key, phone_key
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.identity import MERGED
from cvm.ingest.ledger import Ledger, part_rows, read_ledger, remove_orphans, write_ledger
from cvm.ingest.merging import LISTED
from cvm.ingest.protection import CONTACTS, FORGOTTEN, Protection
from cvm.ingest.trimming import trim_parts
from cvm.privacy.marks import Marks
from cvm.workspace import Workspace


@dataclass(frozen=True)
class Accounts:
    """What the people who were asked for are called, and how they are reached.

    Attributes
    ----------
    ids : frozenset of str
        Ids that are theirs alone; where systems use one id for different people it stands as ``source:id``.
    addresses, numbers : frozenset of str
        E-mail addresses and telephone numbers that nobody else has, as given and as keys.
    found : frozenset of str
        Which of the ids that were asked for the warehouse knows.
    ambiguous : frozenset of str
        Which of them several people have, each in another system.
    """

    ids: frozenset[str]
    addresses: frozenset[str]
    numbers: frozenset[str]
    found: frozenset[str]
    ambiguous: frozenset[str]


def accounts_of(workspace: Workspace, asked: Iterable[str], *, country_code: str | None) -> Accounts:
    """Everything that the warehouse, the identities and the ingested customers tell of some people.

    Parameters
    ----------
    workspace : Workspace
    asked : iterable of str
        Ids of people, or of one of their accounts, bare or as ``source:id``; as they are stored.
    country_code : str or None
        Country of telephone numbers that name none.
    """
    with DuckDBEngine() as engine:
        engine.execute(f"ATTACH {literal(str(workspace.warehouse))} AS kept (READ_ONLY); USE kept")
        engine.register("asked", pa.table({"id": pa.array(sorted(set(asked)), pa.string())}))
        engine.execute(f"CREATE TEMP TABLE called AS SELECT DISTINCT * FROM ({_called(engine, workspace)})")
        # A name of several people is nobody's own.
        engine.execute(
            "CREATE TEMP TABLE own AS SELECT name, min(person) AS person FROM called GROUP BY 1 HAVING count(*) = 1"
        )
        engine.execute("CREATE TEMP TABLE people AS SELECT person FROM own WHERE name IN (SELECT id FROM asked)")
        ids = _texts(engine, "SELECT name FROM own WHERE person IN (FROM people)")
        found = _texts(engine, "SELECT name FROM own WHERE name IN (SELECT id FROM asked)")
        ambiguous = _texts(engine, "SELECT DISTINCT name FROM called WHERE name IN (SELECT id FROM asked)") - found
        addresses, numbers = _contacts(engine, workspace, country_code=country_code)
    return Accounts(ids, addresses, numbers, found, ambiguous)


def forget_in_parts(workspace: Workspace, protection: Protection, marks: Marks, *, now: datetime, writes: bool) -> int:
    """Take people out of the parts of all exports, and say how many rows that are or would be.

    The next ingest makes warehouse, quarantine and assessment of these parts again.

    Parameters
    ----------
    workspace : Workspace
    protection : Protection
        With the people in ``forgotten``.
    marks : Marks
    now : datetime
    writes : bool
        Whether the ledger is changed; else everything is as it was.

    Raises
    ------
    MissingOutputError
        If a part is gone or damaged.
    """
    folder = workspace.ingested
    ledger = read_ledger(folder)
    if ledger is None or not ledger.tables:
        return 0
    kept, tables = ledger, {}
    try:
        with DuckDBEngine() as engine:
            protection.install(engine)
            marks.install(engine)
            for table, known in ledger.tables.items():
                parts = trim_parts(engine, CONTRACTS[table], known.parts, folder, protection, now=now, marks=marks)
                tables[table] = replace(known, parts=tuple(parts))
        n = sum(
            new.n_by_reason.get(FORGOTTEN, 0) - old.n_by_reason.get(FORGOTTEN, 0)
            for table, known in ledger.tables.items()
            for old, new in zip(known.parts, tables[table].parts, strict=True)
        )
        if writes and n:
            kept = replace(ledger, tables=tables, stamps={})
            write_ledger(folder, kept)
    finally:
        remove_orphans(folder, kept)
    return n


def _called(engine: DuckDBEngine, workspace: Workspace) -> str:
    """Query for ``person`` and ``name``: everything that any table calls a person."""
    parts = [f"SELECT customer_id AS person, customer_id AS name FROM {table}" for table in customer_tables(engine)]
    if LISTED in engine.tables():
        for name in ("customer_id", "source_id", "source || ':' || source_id"):
            parts.append(f"SELECT customer_id, {name} FROM {LISTED}")
    if workspace.identity.is_file():
        listing = parquet([workspace.identity])
        parts.append(f"SELECT customer_id, account_id FROM {listing} WHERE status = {literal(MERGED)}")
    return " UNION ".join(parts)


def _contacts(engine: DuckDBEngine, workspace: Workspace, *, country_code: str | None) -> list[frozenset[str]]:
    """Addresses and numbers that some of ``people`` have and nobody else."""
    files = _customer_files(workspace)
    # The warehouse is rewritten after the parts: once they are, a run that was cut short finds contacts there alone.
    tables = [f"SELECT * FROM {part_rows(files)}"] if files else []
    tables += ["SELECT * FROM customers"] if "customers" in engine.tables() else []
    if not tables:
        return [frozenset(), frozenset()]
    rows = f"({' UNION ALL BY NAME '.join(tables)})"
    columns = engine.columns(rows)
    forms = ["customer_id", *(["source || ':' || customer_id"] if "source" in columns else [])]
    is_theirs = " OR ".join(
        f"coalesce({form} IN (SELECT name FROM own WHERE person IN (FROM people)), false)" for form in forms
    )
    keys = {"email": email_key("email"), "phone": phone_key("phone", country_code=country_code)}
    found = []
    for kind in CONTACTS:
        if columns.get(kind) != "VARCHAR":
            found.append(frozenset[str]())
            continue
        given = f"SELECT {kind} AS given, coalesce({keys[kind]}, lower({kind})) AS key, {is_theirs} AS is_theirs FROM {rows}"
        engine.execute(f"CREATE OR REPLACE TEMP TABLE reached AS {given} WHERE {kind} <> ''")
        theirs = "FROM reached WHERE is_theirs AND key NOT IN (SELECT key FROM reached WHERE NOT is_theirs)"
        found.append(_texts(engine, f"SELECT given {theirs} UNION SELECT key {theirs}"))
    return found


def _customer_files(workspace: Workspace) -> Sequence[Path]:
    ledger = read_ledger(workspace.ingested) or Ledger()
    known = ledger.tables.get("customers")
    files = [workspace.ingested / next(iter(part.files)) for part in (known.parts if known else ()) if part.files]
    return [file for file in files if file.is_file()]


def _texts(engine: DuckDBEngine, query: str) -> frozenset[str]:
    return frozenset(text for text in engine.table(query).column(0).to_pylist() if text is not None)
