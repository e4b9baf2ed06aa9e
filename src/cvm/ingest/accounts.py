"""Accounts: what the systems of a company call one person, and the contacts by which two accounts can be one.

A table may tell in ``source`` which system its ids come from. A system counts as a name space of ids if the table
``identities`` knows it; elsewhere an id is the same whichever table it stands in. An id used by one such system alone is
an account by itself; an id that several use stands for several accounts, written ``source:id``. A row that does not tell
its source is of the account of that id; where several systems use the id it stays apart: any choice would be a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.ingest.contact_keys import email_key, phone_key
from cvm.ingest.linkage import FIELDS, probable_links


def customer_tables(engine: DuckDBEngine) -> list[str]:
    """The tables there are whose rows are somebody's."""
    present = engine.tables()
    known = ("transactions", "events", "customers", "subscriptions", "assignments", "features")
    return [table for table in known if table in present]


def name_accounts(engine: DuckDBEngine) -> None:
    """Write every row's account into its ``customer_id``, and two temporary tables.

    ``identity_account`` holds ``source``, ``source_id`` and ``account_id`` of all systems that ``identities`` knows, and
    ``identity_listed`` what that table says of accounts: ``account_id``, ``customer_id``. Afterwards, if there is such a
    table, no other has a ``source``, which would no longer say where the id comes from.
    """
    if "identities" not in engine.tables():
        engine.execute("CREATE OR REPLACE TEMP TABLE identity_account (source TEXT, source_id TEXT, account_id TEXT)")
        engine.execute("CREATE OR REPLACE TEMP TABLE identity_listed (account_id TEXT, customer_id TEXT)")
        return
    sourced = [table for table in customer_tables(engine) if "source" in engine.columns(table)]
    used = [
        f"SELECT source, customer_id AS source_id FROM {table} WHERE source IN (SELECT source FROM identities)"
        for table in sourced
    ]
    every = " UNION ".join(["SELECT source, source_id FROM identities", *used])
    is_shared = "count(*) OVER (PARTITION BY source_id) > 1"
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_account AS SELECT source, source_id, "
        f"CASE WHEN {is_shared} THEN source || ':' || source_id ELSE source_id END AS account_id FROM ({every})"
    )
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_listed AS "
        "SELECT DISTINCT account_id, customer_id FROM identities JOIN identity_account USING (source, source_id)"
    )
    for table in sourced:
        engine.execute(
            f"UPDATE {table} SET customer_id = account_id FROM identity_account "
            f"WHERE {table}.source = identity_account.source AND {table}.customer_id = source_id AND source_id <> account_id"
        )
        engine.execute(f"ALTER TABLE {table} DROP COLUMN source")


def read_contacts(engine: DuckDBEngine, kinds: Sequence[str], *, country_code: str | None, are_keys: bool = False) -> None:
    """Write the temporary table ``identity_contact``: the latest e-mail address and telephone number of each account.

    Columns ``account_id``, ``via`` (kind of contact), ``key`` (empty text where the contact reaches nobody) and
    ``recency`` (a larger number is later). Accounts without a contact are not in it.

    Parameters
    ----------
    engine : DuckDBEngine
    kinds : sequence of str
        Of ``email`` and ``phone``, those to match on.
    country_code : str or None
        Country of telephone numbers without one.
    are_keys : bool
        Whether the contacts were made keys when they were read.
    """
    columns = engine.columns("customers") if "customers" in engine.tables() else {}
    keys = {"email": email_key("email"), "phone": phone_key("phone", country_code=country_code)}
    keys = dict(zip(keys, keys, strict=True)) if are_keys else keys
    parts = [
        f"SELECT customer_id AS account_id, {literal(kind)} AS via, arg_max(coalesce({keys[kind]}, ''), recency) AS key, "
        f"max(recency) AS recency FROM ranked WHERE {kind} IS NOT NULL GROUP BY customer_id"
        for kind in kinds
        if columns.get(kind) == "VARCHAR"
    ]
    create = "CREATE OR REPLACE TEMP TABLE identity_contact"
    if not parts:
        engine.execute(f"{create} (account_id VARCHAR, via VARCHAR, key VARCHAR, recency BIGINT)")
        return
    contacts = ", ".join(name for name in ("email", "phone") if name in columns)
    ranked = (
        f"SELECT customer_id, {contacts}, row_number() OVER (ORDER BY {recency_order(columns)}) AS recency FROM customers "
        f"WHERE coalesce({contacts}) IS NOT NULL"
    )
    engine.execute(f"{create} AS WITH ranked AS ({ranked}) {' UNION ALL '.join(parts)}")


def add_probable_links(engine: DuckDBEngine, *, threshold: float, country_code: str | None) -> None:
    """Add to ``identity_contact`` a key ``splink`` of each two accounts that are probably one person."""
    columns = engine.columns("customers") if "customers" in engine.tables() else {}
    plain = {name: f"lower(CAST({name} AS VARCHAR))" for name in FIELDS if name in columns}
    keys = {"email": email_key("email"), "phone": phone_key("phone", country_code=country_code)}
    fields = {name: keys.get(name, sql) for name, sql in plain.items()}
    order = recency_order(columns)
    selected = "".join(
        f", last({sql} ORDER BY {order}) FILTER ({sql} IS NOT NULL) AS {name}" for name, sql in fields.items()
    )
    source = f"SELECT customer_id AS account_id{selected} FROM customers GROUP BY customer_id"
    accounts = engine.table(source) if columns else pa.table({"account_id": []})
    links = probable_links(accounts, threshold=threshold)
    engine.register("identity_links", links)
    engine.execute(
        "INSERT INTO identity_contact SELECT unnest([a, b]), 'splink', a || ' ' || b, "
        "row_number() OVER (ORDER BY a, b) FROM identity_links; DROP VIEW identity_links"
    )


def recency_order(columns: Mapping[str, str]) -> str:
    """Order of rows of ``customers`` from the oldest state to the newest; complete, so that nothing is left to chance.

    By ``recorded_at``, then by ``signed_up_at``, where the table has them; equal rows by all they hold.
    """
    return _order(columns, ("recorded_at", "signed_up_at"), nulls="FIRST")


def birth_order(columns: Mapping[str, str]) -> str:
    """Order of rows of ``customers`` from the account opened first to the one opened last; complete, too."""
    return _order(columns, ("signed_up_at",), nulls="LAST")


def _order(columns: Mapping[str, str], moments: Sequence[str], *, nulls: str) -> str:
    """By those of ``moments`` that are times, then by the account, then by all other columns."""
    times = [name for name in moments if columns.get(name) == "TIMESTAMP"]
    others = [name for name in columns if name not in (*times, "customer_id")]
    return ", ".join(f"{identifier(name)} NULLS {nulls}" for name in (*times, "customer_id", *others))
