"""Money in one currency: amounts in any other are converted at the rate of their day, or the run is refused.

A row is in the currency its ``currency`` column names, in that of the business where it names none. Its rate is the latest
one of that currency valid when the money moved. The column keeps the code as given; the amounts are the business's from here
on, so this runs once on tables just cleaned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from cvm.engines import Engine, identifier, literal
from cvm.ingest.contracts import Kind

_RATES = "exchange_rates"
# Amounts that reach it do not fit their column.
_MOST_MONEY = 1e14
# Cast, because in an open-ended table the column is whatever the user has under that name.
_CODE = "upper(CAST(currency AS VARCHAR))"
# Stands for the date of rows that have none, so that they take the latest rate.
_UNDATED = date(9999, 12, 31)


@dataclass(frozen=True)
class _Priced:
    """A table whose money may come in several currencies; ``moment`` chooses the rate, the latest where it is missing."""

    table: str
    moment: str
    amounts: tuple[str, ...]


_PRICED = (
    _Priced("transactions", "occurred_at", ("amount", "margin", "discount")),
    _Priced("customers", "signed_up_at", ("acquisition_cost",)),
    _Priced("subscriptions", "started_at", ("price_per_month",)),
)


def convert_currencies(engine: Engine, *, currency: str) -> str | None:
    """Convert all amounts in other currencies to that of the business.

    Parameters
    ----------
    engine : Engine
        Holds the clean tables, ``exchange_rates`` among them if the user gave any.
    currency : str
        Of the business, ISO 4217.

    Returns
    -------
    str or None
        Why it cannot be done and how to mend it, in which case the tables are as they were; ``None`` when all is done.
    """
    priced = [found for entry in _PRICED if (found := _present(engine, entry))]
    has_rates = _RATES in engine.tables()
    if has_rates and not priced:
        return (
            f"Table '{_RATES}' is given, but no table says in which currency its amounts are. "
            "Map the column: data.transactions.columns: {currency: <your column>}; or take data.exchange_rates out."
        )
    foreign = [entry for entry in priced if _codes(engine, entry, currency)]
    problems = _bad_rates(engine, currency) if has_rates else _no_rates(engine, foreign, currency)
    problem = next(problems, None)
    if problem is None and has_rates:
        problem = next(_gaps(engine, foreign, currency), None)
    if problem is None:
        for entry in foreign:
            engine.replace_table(entry.table, _converted(engine, entry, currency))
    return problem


def _present(engine: Engine, entry: _Priced) -> _Priced | None:
    """The entry as far as the warehouse has it: ``None`` without money or without a currency."""
    columns = engine.columns(entry.table) if entry.table in engine.tables() else {}
    amounts = tuple(name for name in entry.amounts if name in columns)
    if not amounts or "currency" not in columns:
        return None
    moment = identifier(entry.moment) if entry.moment in columns else "NULL"
    return _Priced(entry.table, f"coalesce({moment}, CAST({literal(_UNDATED)} AS TIMESTAMP))", amounts)


def _foreign(entry: _Priced, currency: str) -> str:
    """SQL that is true of rows with money in another currency."""
    money = " OR ".join(f"{identifier(name)} IS NOT NULL" for name in entry.amounts)
    return f"{_CODE} <> {literal(currency)} AND ({money})"


def _codes(engine: Engine, entry: _Priced, currency: str) -> dict[str, int]:
    """Other currencies of a table and their rows, the commonest first."""
    query = (
        f"SELECT {_CODE} AS code, count(*) AS n FROM {entry.table} "
        f"WHERE {_foreign(entry, currency)} GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    return {row["code"]: row["n"] for row in engine.table(query).to_pylist()}


def _no_rates(engine: Engine, foreign: Sequence[_Priced], currency: str) -> Iterator[str]:
    for entry in foreign:
        codes = _codes(engine, entry, currency)
        yield (
            f"Table {entry.table!r} holds amounts in {list(codes)} ({_rows(sum(codes.values()))}) beside "
            f"business.currency == {currency}. Convert them before the export, give their rates under "
            "data.exchange_rates (currency, valid_from, rate), or set business.currency."
        )


def _bad_rates(engine: Engine, currency: str) -> Iterator[str]:
    """Why the rates cannot be used; the first of each kind of fault stands for all."""
    is_own = f"{_CODE} = {literal(currency)} AND rate <> 1"
    for condition, found, fix in (
        ("rate <= 0", "must be above 0", f"A rate is what one unit of the currency is worth in {currency}."),
        (
            is_own,
            f"is the rate of business.currency == {currency} in itself, which is 1",
            f"Give rates as units of {currency} per unit of the other currency.",
        ),
    ):
        query = f"SELECT currency, valid_from, rate, count(*) OVER () AS n FROM {_RATES} WHERE {condition} ORDER BY 2, 1, 3"
        for row in engine.table(f"{query} LIMIT 1").to_pylist():
            first = f"{row['currency']} from {row['valid_from']:%Y-%m-%d} on: {row['rate']:g}"
            yield f"Table '{_RATES}': {first}, {found} ({_rows(row['n'])} of this kind). {fix}"
    twice = (
        f"SELECT {_CODE} AS code, valid_from, min(rate) AS low, max(rate) AS high, count(*) OVER () AS n "
        f"FROM {_RATES} GROUP BY 1, 2 HAVING min(rate) < max(rate) ORDER BY 2, 1 LIMIT 1"
    )
    for row in engine.table(twice).to_pylist():
        yield (
            f"Table '{_RATES}': {row['code']} has several rates from {row['valid_from']:%Y-%m-%d} on, {row['low']:g} and "
            f"{row['high']:g} among them ({row['n']:,} such moments). Keep one; or set data.{_RATES}.key: "
            "[currency, valid_from], and the last in the file counts."
        )


def _gaps(engine: Engine, foreign: Sequence[_Priced], currency: str) -> Iterator[str]:
    """Rows that no rate covers, or that become larger than an amount can be."""
    for entry in foreign:
        largest = ", ".join(f"abs({identifier(name)})" for name in entry.amounts)
        query = f"""
          SELECT code, count(*) FILTER (WHERE since IS NULL OR moment < since) AS n_without, any_value(since) AS since,
            min(moment) AS first, count(*) FILTER (WHERE largest * highest >= {_MOST_MONEY}) AS n_too_large
          FROM (
            SELECT {_CODE} AS code, {entry.moment} AS moment, greatest({largest}) AS largest
            FROM {entry.table} WHERE {_foreign(entry, currency)}
          )
          LEFT JOIN (
            SELECT {_CODE} AS code, min(valid_from) AS since, max(rate) AS highest FROM {_RATES} GROUP BY 1
          ) USING (code)
          GROUP BY code HAVING n_without > 0 OR n_too_large > 0 ORDER BY n_without DESC, code"""
        lacking = engine.table(query).to_pylist()
        without = [row for row in lacking if row["n_without"]]
        if without:
            said = "; ".join(_lack(row["code"], row["n_without"], row["first"], row["since"]) for row in without)
            yield (
                f"Table {entry.table!r} holds amounts that data.{_RATES} has no rate for: {said}. Add these rates, or "
                "convert the amounts before the export."
            )
        for row in lacking:
            yield (
                f"Table {entry.table!r}: {_rows(row['n_too_large'])} in {row['code']} would become amounts of "
                f"{_MOST_MONEY:.0e} {currency} and more. Check the rates of {row['code']} in data.{_RATES}."
            )


def _lack(code: str, n: int, first: datetime, since: datetime | None) -> str:
    missing = "no rate at all" if since is None else f"rates only from {since:%Y-%m-%d} on"
    begin = f", the first on {first:%Y-%m-%d}" if first.date() < _UNDATED else ""
    return f"{_rows(n)} in {code}{begin} ({missing})"


def _converted(engine: Engine, entry: _Priced, currency: str) -> str:
    """The table with its money in the currency of the business; what is in it already stays to the last digit."""
    money = {
        name: f'CASE WHEN "cvm:rate" IS NULL THEN {identifier(name)} '
        f'ELSE CAST(CAST({identifier(name)} * "cvm:rate" AS DOUBLE) AS {Kind.MONEY}) END'
        for name in entry.amounts
    }
    columns = ", ".join(f"{money.get(name, identifier(name))} AS {identifier(name)}" for name in engine.columns(entry.table))
    return f"""
      SELECT {columns}
      FROM (
        SELECT *, CASE WHEN {_foreign(entry, currency)} THEN {_CODE} END AS "cvm:code",
          {entry.moment} AS "cvm:moment"
        FROM {entry.table}
      )
      ASOF LEFT JOIN (
        SELECT {_CODE} AS "cvm:of", valid_from AS "cvm:since", any_value(rate) AS "cvm:rate"
        FROM {_RATES} GROUP BY 1, 2
      ) ON "cvm:code" = "cvm:of" AND "cvm:since" <= "cvm:moment"
      """


def _rows(n: int) -> str:
    return f"{n:,} row{'' if n == 1 else 's'}"
