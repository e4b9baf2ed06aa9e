"""All tables follow a merge: one customer id per person, one profile, one line per campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.sql import literals
from cvm.ingest.accounts import birth_order, customer_tables, recency_order
from cvm.ingest.sources import RESERVED

_ROW, _PERSON, _FIRST, _LAST = (identifier(f"{RESERVED}{name}") for name in ("row", "person", "first", "last"))

MIXED = "mixed"
# What a consent looks like that was not given, as text.
_REFUSALS = ("0", "0.0", "denied", "f", "false", "n", "no", "off", "opt-out", "opted out", "refused", "unsubscribed")


def follow(engine: DuckDBEngine) -> None:
    """Put every row under the person of its account, as the temporary table ``identity_moved`` says.

    ``identity_moved`` holds ``account_id`` and ``customer_id``. Rows of ``transactions``, ``events`` and ``subscriptions``
    stay as many as they are. Rows of ``customers`` become one profile per person: the earliest ``signed_up_at``, where the
    person came from (``acquisition_*``) at the earliest account, a consent only if nowhere refused, of everything else the
    latest known value. Rows of ``assignments`` become one per campaign and person: who was put into several arms is in
    ``mixed``, since the earliest of the times, at the sum of the costs. Rows of ``features`` become one per person and time.
    """
    tables = customer_tables(engine)
    if "customers" in tables:
        columns = engine.columns("customers")
        _collapse(
            engine,
            "customers",
            keys=(),
            values={name: _profile_value(name) for name in columns},
            first=birth_order(columns),
            last=recency_order(columns),
        )
    if "assignments" in tables:
        columns = engine.columns("assignments")
        since = ", ".join(
            f"{identifier(name)} NULLS LAST" for name in sorted(columns, key=lambda name: name != "assigned_at")
        )
        values = {name: _assignment_value(name) for name in columns}
        _collapse(engine, "assignments", keys=("campaign_id",), values=values, first=since, last=since)
    if "features" in tables:
        columns = engine.columns("features")
        times = [name for name in ("as_of", "recorded_at") if name in columns]
        values = {name: _PERSON if name == "customer_id" else _latest(name) for name in columns}
        order = ", ".join(f"{identifier(name)} NULLS FIRST" for name in columns)
        _collapse(engine, "features", keys=times, values=values, first=order, last=order)
    for table in tables:
        engine.execute(
            f"UPDATE {table} SET customer_id = moved.customer_id FROM identity_moved AS moved "
            f"WHERE {table}.customer_id = account_id AND account_id <> moved.customer_id"
        )


def _collapse(
    engine: DuckDBEngine, table: str, *, keys: Sequence[str], values: Mapping[str, str], first: str, last: str
) -> None:
    """Make the rows that different accounts of a person have under the same ``keys`` one row; others stay as they are.

    ``first`` and ``last`` are orders of the rows; ``values`` gives an aggregate per column.
    """
    types = engine.columns(table)
    partition = ", ".join([_PERSON, *map(identifier, keys)])
    same = ", ".join(["moved.customer_id", *(f"own.{identifier(key)}" for key in keys)])
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_rows AS SELECT *, "
        f"row_number() OVER (ORDER BY {first}) AS {_FIRST}, row_number() OVER (ORDER BY {last}) AS {_LAST} FROM ("
        f"SELECT own.*, own.rowid AS {_ROW}, moved.customer_id AS {_PERSON} FROM {table} AS own "
        "JOIN identity_moved AS moved ON own.customer_id = account_id "
        f"WINDOW person AS (PARTITION BY {same}) "
        "QUALIFY min(own.customer_id) OVER person <> max(own.customer_id) OVER person)"
    )
    engine.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT {_ROW} FROM identity_rows)")
    selected = ", ".join(f"CAST({values[name]} AS {types[name]}) AS {identifier(name)}" for name in types)
    engine.execute(f"INSERT INTO {table} SELECT {selected} FROM identity_rows GROUP BY {partition} ORDER BY {partition}")
    engine.execute("DROP TABLE identity_rows")


def _profile_value(name: str) -> str:
    if name == "customer_id":
        return _PERSON
    if name == "signed_up_at":
        return "min(signed_up_at)"
    if name.startswith("acquisition_"):
        return _earliest(name)
    if name.startswith("consent_"):
        refused = f"lower(CAST({identifier(name)} AS VARCHAR)) IN ({literals(_REFUSALS)})"
        return f"coalesce({_latest(name, where=refused)}, {_latest(name)})"
    return _latest(name)


def _assignment_value(name: str) -> str:
    several = "min(arm) <> max(arm)"
    return {
        "campaign_id": "campaign_id",
        "customer_id": _PERSON,
        "arm": f"CASE WHEN {several} THEN {literal(MIXED)} ELSE min(arm) END",
        "cost": f"sum(cost ORDER BY {_FIRST})",
        "exposed_at": "min(exposed_at)",
        # Nobody was meant to be in several arms, so no chance of it is known.
        "propensity": f"CASE WHEN {several} THEN NULL ELSE {_earliest('propensity')} END",
    }.get(name, _earliest(name))


def _earliest(name: str) -> str:
    return f"arg_min({identifier(name)}, {_FIRST}) FILTER ({identifier(name)} IS NOT NULL)"


def _latest(name: str, *, where: str = "true") -> str:
    return f"arg_max({identifier(name)}, {_LAST}) FILTER ({identifier(name)} IS NOT NULL AND {where})"
