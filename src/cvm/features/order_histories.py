"""Order histories straight from a frame of transactions: what the models of ``cvm.BuyTillYouDie`` are fitted to."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from cvm.engines import DuckDBEngine, QueryError, identifier
from cvm.engines.sql import local_day
from cvm.errors import CvmError, HistoryError, MissingColumnsError
from cvm.features.histories import customer_histories_query
from cvm.features.query import Schema
from cvm.frames import Frame, arrow_table, like
from cvm.ingest import values
from cvm.ingest.column_types import is_number, is_time
from cvm.ingest.contracts import CONTRACTS, Column, Kind
from cvm.ingest.numbers import NumberFormat
from cvm.ingest.times import TimeFormat

_TABLE = "transactions"


def order_histories(
    transactions: Frame,
    *,
    as_of: date | None = None,
    customer_id: str = "customer_id",
    occurred_at: str = "occurred_at",
    amount: str = "amount",
    order_id: str | None = None,
    timezone: str = "UTC",
) -> Frame:
    """How often, since when, how lately and for how much each customer ordered.

    An order is all lines of one customer on one day, or of one ``order_id``, net of the returns known at ``as_of``: the
    numbers are those of the feature catalogue.

    Parameters
    ----------
    transactions : pandas or Polars frame, or Arrow table, of shape (n_lines, ...)
        One row per line of an order. Negative amounts are returns.
    as_of : date, optional
        What happened from its first moment on is not known; by default the day after the last row.
    customer_id, occurred_at, amount : str
        Your names of these columns.
    order_id : str, optional
        Column that tells the orders of one day apart.
    timezone : str
        Zone that cuts days, and of times that carry none.

    Returns
    -------
    frame of the same kind, of shape (n_customers, 5)
        ``customer_id``, ``n_orders``, ``recency_days`` (since the last order), ``tenure_days`` (since the first) and
        ``mean_order_value``, sorted by ``customer_id``; who had no order before ``as_of`` is not among them.

    Raises
    ------
    SourceError
        If ``transactions`` is no frame.
    MissingColumnsError
        If it lacks a column.
    CvmError
        If ``as_of`` is no date.
    HistoryError
        If a column is of a wrong type, rows lack an id or cannot be read, the zone is none, or nobody has an order.

    Examples
    --------
    >>> from datetime import datetime
    >>> import pandas as pd
    >>> import cvm
    >>> transactions = pd.DataFrame(
    ...     {
    ...         "client": ["ann", "ann", "bob"],
    ...         "paid_at": [datetime(2024, 1, 1), datetime(2024, 1, 31), datetime(2024, 1, 11)],
    ...         "total": [10.0, 20.0, 5.0],
    ...     }
    ... )
    >>> cvm.order_histories(transactions, customer_id="client", occurred_at="paid_at", amount="total")
      customer_id  n_orders  recency_days  tenure_days  mean_order_value
    0         ann         2             1           31              15.0
    1         bob         1            21           21               5.0
    """
    asked = {"customer_id": customer_id, "occurred_at": occurred_at, "amount": amount}
    if order_id is not None:
        asked["order_id"] = order_id
    _check_zone(timezone)
    with DuckDBEngine() as engine:
        engine.register("given_frame", arrow_table(_TABLE, transactions))
        try:
            _read(engine, asked, engine.columns("given_frame"), timezone)
            last = engine.row(f"SELECT max({local_day('occurred_at', timezone)}) AS day FROM {_TABLE}")["day"]
            as_of = _date(as_of, last)
            query = customer_histories_query(Schema.of(engine), as_of, timezone=timezone)
            found = engine.table(
                "SELECT customer_id, n_orders, CAST(recency_days AS BIGINT) AS recency_days, "
                f"CAST(tenure_days AS BIGINT) AS tenure_days, mean_order_value FROM ({query}) ORDER BY customer_id"
            )
        except QueryError as error:  # its message may hold values of customers
            if "TimeZone" in str(error):
                raise _no_zone(timezone) from None
            raise HistoryError(
                "The transactions cannot be computed with: their sums are larger than any business has, or memory ran out."
            ) from None
    if not found.num_rows:
        raise HistoryError(f"Nobody has an order before as_of == {as_of}; the last transaction is of {last}.")
    return like(transactions, found)


def _check_zone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, TypeError, OSError):
        raise _no_zone(timezone) from None


def _no_zone(timezone: str) -> HistoryError:
    return HistoryError(f"timezone == {timezone!r} is no zone; write for example 'Europe/Kyiv'.")


def _read(engine: DuckDBEngine, asked: dict[str, str], types: dict[str, str], timezone: str) -> None:
    """Make the table ``transactions`` by the rules of ingest, or say what is wrong with the frame."""
    missing = [theirs for theirs in asked.values() if theirs not in types]
    if missing:
        raise MissingColumnsError(
            f"The transactions lack the columns {missing}; they have {list(types)}. "
            "Name yours, for example order_histories(frame, customer_id='client', occurred_at='paid_at', amount='total')."
        )
    when, sum_type = types[asked["occurred_at"]], types[asked["amount"]]
    if not (is_time(when) or when == "VARCHAR"):
        raise HistoryError(
            f"Column {asked['occurred_at']!r} is of type {when}, which is no date. Convert it to dates first."
        )
    if not (is_number(sum_type) or sum_type == "VARCHAR"):
        raise HistoryError(f"Column {asked['amount']!r} is of type {sum_type}, which is no amount of money.")
    columns = [f"{_value(name, theirs, types[theirs], timezone)} AS {name}" for name, theirs in asked.items()]
    engine.execute(f"CREATE TEMP TABLE {_TABLE} AS SELECT {', '.join(columns)} FROM given_frame")
    nulls = ", ".join(f"count(*) FILTER ({name} IS NULL) AS {name}" for name in asked if name != "order_id")
    counted = engine.row(f"SELECT count(*) AS n_rows, {nulls} FROM {_TABLE}")
    n_rows = counted.pop("n_rows")
    if not n_rows:
        raise HistoryError("The transactions have no rows.")
    faults = [f"{n:,} lack a readable {asked[name]!r}" for name, n in counted.items() if n]
    if faults:
        raise HistoryError(f"Of {n_rows:,} transactions {' and '.join(faults)}. Mend them or leave them out.")


def _value(name: str, theirs: str, found_type: str, timezone: str) -> str:
    """SQL for a value of the frame; ids keep their type, so that the result can be joined."""
    given, column = values.given(theirs, found_type), CONTRACTS[_TABLE].column(name)
    if name == "customer_id":
        return f"CASE WHEN {given} IS NOT NULL THEN {identifier(theirs)} END"
    return values.parsed(
        _TABLE,
        column or Column(name, Kind.TEXT, ""),
        theirs,
        found_type,
        text=given,
        times=TimeFormat(timezone),
        numbers=NumberFormat(),
    )


def _date(as_of: date | None, last: date) -> date:
    if as_of is None:
        return last + timedelta(days=1)
    if not isinstance(as_of, date) or as_of != as_of:  # NaT calls itself a date
        raise CvmError(f"as_of is of type {type(as_of).__name__}, must be a date, such as datetime.date(2024, 1, 31).")
    return as_of.date() if isinstance(as_of, datetime) else as_of
