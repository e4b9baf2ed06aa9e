"""What a check is, and how all checks of one relation are computed in one scan.

A check is one entry of a catalogue: a condition on the rows of a relation. A relation is a query over the clean tables and
over ``placed_order`` and ``buyer`` (``ingest/orders.py``); it exists where the columns that it needs are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cvm.engines import Engine, identifier
from cvm.engines.sql import local_day
from cvm.ingest.quality.finding import N_EXAMPLES, Action, Finding, severity_of


@dataclass(frozen=True)
class Tables:
    """Columns of each table there is, and what the business says of all.

    Attributes
    ----------
    columns : dict of str to frozenset of str
    currency : str
    is_converted : bool
        Whether all amounts are in ``currency`` by now.
    timezone : str
        Zone that cuts days.
    """

    columns: dict[str, frozenset[str]]
    currency: str
    is_converted: bool
    timezone: str

    @classmethod
    def of(cls, engine: Engine, names: Iterable[str], *, currency: str, is_converted: bool, timezone: str) -> Tables:
        """The tables that an engine holds."""
        columns = {name: frozenset(engine.columns(identifier(name))) for name in names}
        return cls(columns, currency, is_converted, timezone)

    def has(self, needed: str) -> bool:
        """Whether there is ``table`` or ``table.column``."""
        table, _, column = needed.partition(".")
        return table in self.columns and (not column or column in self.columns[table])

    def on_day_before(self, moment: str, other: str) -> str:
        """SQL that says whether a UTC moment lies on a day before that of another."""
        days = f"{local_day(moment, self.timezone)} < {local_day(other, self.timezone)}"
        # Nearly always the moments alone tell: only where they may be of two days are zones looked up.
        return f"CASE WHEN {moment} < {other} THEN {days} ELSE false END"


@dataclass(frozen=True)
class Relation:
    """Rows that checks look at.

    Attributes
    ----------
    name : str
    query : callable
        The relation in SQL, given the tables there are.
    needs : tuple of str
        ``table`` or ``table.column``; without them the relation does not exist.
    total : str
        SQL for how many there are of what its checks count.
    """

    name: str
    query: Callable[[Tables], str]
    needs: tuple[str, ...]
    total: str = "count(*)"


@dataclass(frozen=True)
class Check:
    """One entry of the catalogue.

    Attributes
    ----------
    name, table : str
        What the finding is called and which table it is about.
    relation : str
        Relation it looks at.
    condition : str
        SQL that is true of the rows counted.
    unit : str
        What is counted.
    meaning, advice : str
        What it is, and what to do about it; ``{money}`` in the meaning is filled by ``money``.
    example : str
        SQL for an id of the row.
    needs : tuple of str
        ``table`` or ``table.column``; without them the check does not exist.
    counts, money : str
        SQL aggregates over the rows counted.
    warning_from, serious_from : float or None
        Share from which on it is that grave; below both it is information.
    action : str
        What was done with what is counted.
    """

    name: str
    table: str
    relation: str
    condition: str
    unit: str
    meaning: str
    advice: str
    example: str = "customer_id"
    needs: tuple[str, ...] = ()
    counts: str = "count(*)"
    money: str = ""
    warning_from: float | None = 0.001
    serious_from: float | None = 0.05
    action: Action = "kept"


def check_findings(engine: Engine, tables: Tables, relations: Sequence[Relation], checks: Sequence[Check]) -> list[Finding]:
    """What the checks find, each relation being scanned once."""
    found = []
    for relation in relations:
        asked = [check for check in checks if check.relation == relation.name and all(map(tables.has, check.needs))]
        if asked and all(map(tables.has, relation.needs)):
            row = engine.row(_scan(relation.query(tables), relation.total, asked))
            found += [_finding(check, row, number) for number, check in enumerate(asked) if row[f"n_{number}"]]
    return found


def _scan(query: str, total: str, checks: Sequence[Check]) -> str:
    columns = [f"{total} AS total"]
    for number, check in enumerate(checks):
        only = f"FILTER (WHERE {check.condition})"
        # The smallest ids rather than any, so that a rerun names the same; several rows may share one.
        examples = f"min(CAST({check.example} AS VARCHAR), {5 * N_EXAMPLES}) {only}"
        columns += [f"{check.counts} {only} AS n_{number}", f"{examples} AS examples_{number}"]
        columns.append(f"{check.money} {only} AS money_{number}" if check.money else f"NULL AS money_{number}")
    return f"SELECT {', '.join(columns)} FROM ({query})"


def _finding(check: Check, row: dict[str, Any], number: int) -> Finding:
    n, money = int(row[f"n_{number}"]), row[f"money_{number}"]
    share = n / int(row["total"])
    return Finding(
        table=check.table,
        check=check.name,
        severity=severity_of(share, warning_from=check.warning_from, serious_from=check.serious_from),
        n=n,
        unit=check.unit,
        share=share,
        action=check.action,
        meaning=check.meaning if money is None else check.meaning.format(money=f"{money:,.2f}"),
        advice=check.advice,
        examples=tuple(dict.fromkeys(row[f"examples_{number}"] or ()))[:N_EXAMPLES],
    )
