"""Orders and buyers of the clean tables: one pass over the lines that every judgement of the data shares."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cvm.engines import Engine
from cvm.engines.sql import local_day

ORDER, BUYER = "placed_order", "buyer"


@contextmanager
def order_tables(engine: Engine, *, timezone: str) -> Iterator[None]:
    """Hold the temporary tables ``placed_order`` and ``buyer`` while the block runs.

    ``placed_order`` has one row per customer and ``order_id``, or day where there is no id: ``customer_id``, ``order_id``,
    ``placed_at`` (UTC), ``amount``, ``n_lines``, ``contents`` (hash of its lines whatever their order), ``has_sale`` (a line
    that is no return) and ``is_order``, false for what was taken back as a whole. ``buyer`` has one row per customer with an
    order: ``customer_id``, ``n_orders``, ``first_at``, ``last_at``.
    Returns that name no order are not netted here; features do that, point in time.

    Parameters
    ----------
    engine : Engine
        Holds ``transactions``.
    timezone : str
        Zone that cuts days.
    """
    columns = engine.columns("transactions")
    line = ", ".join(name for name in ("product_id", "quantity", "amount") if name in columns)
    order_id = "order_id" if "order_id" in columns else "CAST(NULL AS VARCHAR)"
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE {ORDER} AS SELECT customer_id, {order_id} AS order_id, "
        f"min(occurred_at) AS placed_at, sum(amount) AS amount, count(*) AS n_lines, "
        f"bit_xor(hash({line})) AS contents, max(amount) >= 0 AS has_sale, "
        "sum(amount) > 0 OR min(amount) >= 0 AS is_order "
        f"FROM transactions GROUP BY {_order_key(engine, has_id='order_id' in columns, timezone=timezone)}"
    )
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE {BUYER} AS SELECT customer_id, count(*) AS n_orders, min(placed_at) AS first_at, "
        f"max(placed_at) AS last_at FROM {ORDER} WHERE is_order GROUP BY customer_id"
    )
    try:
        yield
    finally:
        engine.execute(f"DROP TABLE {ORDER}; DROP TABLE {BUYER}")


def _order_key(engine: Engine, *, has_id: bool, timezone: str) -> str:
    day = local_day("occurred_at", timezone)
    if not has_id:
        return f"customer_id, {day}"
    # The day is left out where no line needs it: it would double the time.
    if engine.row("SELECT count(order_id) = count(*) AS is_complete FROM transactions")["is_complete"]:
        return "customer_id, order_id"
    return f"customer_id, order_id, CASE WHEN order_id IS NULL THEN {day} END"


def quarter(moment: str) -> str:
    """SQL for the quarter of an hour a UTC moment lies in: zones are offset by such, and few are left to be converted."""
    return f"make_timestamp(epoch_us({moment}) - epoch_us({moment}) % 900000000)"
