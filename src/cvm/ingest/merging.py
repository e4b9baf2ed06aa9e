"""Which accounts are one person: listed ones, then those that share a contact, until no two people share one."""

from __future__ import annotations

from cvm.engines import DuckDBEngine, literal
from cvm.ingest.components import connected_components

LISTED = "identities"
TOO_MANY = "too_many_accounts"
TOO_LONG = "chain_too_long"


def merge_listed(engine: DuckDBEngine) -> None:
    """Accounts that ``identities`` gives one ``customer_id`` are one person, over as many steps as it takes.

    Writes the temporary tables ``identity_person`` (``account_id``, ``person``; accounts linked to no other are left out)
    and ``identity_evidence`` (``via``, ``key``, ``account_id``).
    """
    connected_components(engine, "SELECT account_id AS a, customer_id AS b FROM identity_listed", name="identity_group")
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_person AS SELECT node AS account_id, root AS person FROM identity_group"
    )
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_evidence AS SELECT DISTINCT "
        f"{literal(LISTED)} AS via, customer_id AS key, unnest([account_id, customer_id]) AS account_id "
        "FROM identity_listed WHERE account_id <> customer_id"
    )


def merge_contacts(engine: DuckDBEngine, *, max_accounts_per_key: int, max_accounts_per_person: int) -> None:
    """Merge people who share a key, again and again until none do; then what is still shared is ignored.

    The first round looks at the contacts of all accounts, further ones at the latest contact of every person, which is all
    that the merged tables show. So a base that was merged once has nothing left to merge.

    A key that more than ``max_accounts_per_key`` people hold merges nobody. Neither does any key of a chain of people, each
    sharing a key with the next, that is longer than ``max_accounts_per_person``. Within a round all keys count at once, so
    the order of rows does not matter.

    Adds to ``identity_person`` and ``identity_evidence``, and writes the temporary table ``identity_ignored`` (``via``,
    ``key``, ``n_accounts``, ``first_account``, ``status``).
    """
    _hold(engine, latest_only=False)
    _share(engine, max_accounts_per_key=max_accounts_per_key, max_accounts_per_person=max_accounts_per_person)
    _unite(engine)
    found = True
    while found:
        _hold(engine, latest_only=True)
        _share(engine, max_accounts_per_key=max_accounts_per_key, max_accounts_per_person=max_accounts_per_person)
        found = engine.row("SELECT count(*) > 0 AS found FROM identity_shared WHERE status IS NULL")["found"]
        if found:
            _unite(engine)
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_ignored AS "
        "SELECT via, key, n AS n_accounts, first_account, status FROM identity_shared"
    )


def _hold(engine: DuckDBEngine, *, latest_only: bool) -> None:
    """Who holds which key: of every account, or only the latest of each kind that a person has."""
    every = (
        "SELECT via, key, contact.account_id, coalesce(person, contact.account_id) AS person, recency "
        "FROM identity_contact AS contact LEFT JOIN identity_person USING (account_id)"
    )
    latest = (
        "SELECT via, arg_max(key, recency) AS key, arg_max(account_id, recency) AS account_id, person "
        f"FROM ({every}) GROUP BY via, person"
    )
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_held AS SELECT via, key, account_id, person "
        f"FROM ({latest if latest_only else every}) WHERE key <> ''"
    )


def _share(engine: DuckDBEngine, *, max_accounts_per_key: int, max_accounts_per_person: int) -> None:
    """The keys that several people hold, and why they merge nobody if they do not."""
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_shared AS SELECT via, key, count(DISTINCT person) AS n, "
        "min(person) AS anchor, min(account_id) AS first_account FROM identity_held GROUP BY ALL "
        "HAVING min(person) <> max(person)"
    )
    links = (
        "SELECT person AS a, anchor AS b FROM identity_held JOIN identity_shared USING (via, key) "
        f"WHERE n <= {literal(max_accounts_per_key)}"
    )
    connected_components(engine, links, name="identity_group")
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE identity_shared AS SELECT identity_shared.*, CASE "
        f"WHEN n > {literal(max_accounts_per_key)} THEN {literal(TOO_MANY)} "
        f"WHEN size > {literal(max_accounts_per_person)} THEN {literal(TOO_LONG)} END AS status "
        "FROM identity_shared LEFT JOIN "
        "(SELECT node, count(*) OVER (PARTITION BY root) AS size FROM identity_group) ON node = anchor"
    )
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_group AS SELECT * FROM identity_group "
        f"QUALIFY count(*) OVER (PARTITION BY root) <= {literal(max_accounts_per_person)}"
    )


def _unite(engine: DuckDBEngine) -> None:
    """Those who hold a key that counts become one person."""
    engine.execute(
        "INSERT INTO identity_evidence SELECT DISTINCT via, key, account_id "
        "FROM identity_held JOIN identity_shared USING (via, key) WHERE status IS NULL"
    )
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_person AS "
        "SELECT account_id, coalesce(root, person) AS person FROM identity_person LEFT JOIN identity_group ON person = node "
        "UNION SELECT account_id, root FROM identity_held JOIN identity_group ON person = node"
    )
