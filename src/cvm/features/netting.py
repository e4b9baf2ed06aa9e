"""Orders out of transaction lines, net of the returns known.

A return that names its order (``order_id``) reduces that order. Any other return reduces the customer's latest earlier
orders: they are a stack, and a return takes from its top. With ``C`` the running sum of a customer's signed amounts, its
level ``L = C - min(0, min C so far)`` is the height of that stack; an order that raised it from ``L - a`` to ``L`` keeps
what no later level has fallen below, ``min(a, min later L - (L - a))``, at least 0. What a return takes below the bottom
belongs to an order that the data does not hold: it is unmatched, so that orders less unmatched returns are net spend, to
the cent. (Own derivation.)

A return whose ``order_id`` has no sale counts as one that names none. Far more often than an order too old for the data such
an id is the credit note's own number, and most shops that number credit notes would otherwise see no order reduced at all.
"""

from __future__ import annotations

# A free order is activity; one whose returns ate all of it is not.
_COUNTS = "sum(amount) <> 0 OR min(amount) >= 0"


def placed_orders(*, key: str, per: str, condition: str = "", extra: str = "") -> str:
    """SQL for orders before unnamed returns: sums of lines with one key, a negative sum being such a return.

    Parameters
    ----------
    key : str
        SQL for what makes lines one order.
    per : str
        Columns that tell customers (and snapshots) apart.
    condition : str
        Further condition on the group, for example its first day.
    extra : str
        Further aggregates, each after a comma.

    Returns
    -------
    str
        A query on ``line`` with ``per``, ``order_key``, ``day`` (of the first line), ``amount``, and those of ``extra``.
    """
    further = f" AND {condition}" if condition else ""
    return (
        f"SELECT {per}, {key} AS order_key, min(day) AS day, sum(amount) AS amount{extra} "
        f"FROM line GROUP BY {per}, order_key HAVING ({_COUNTS}){further}"
    )


def active_days(*, per: str, has_returns: bool, extra: str = "") -> str:
    """SQL for the days with a line, whatever became of it.

    Parameters
    ----------
    per : str
        Columns that tell customers (and snapshots) apart.
    has_returns : bool
        Whether there is any negative amount.
    extra : str
        Further aggregates, each after a comma.

    Returns
    -------
    str
        A query on ``line`` with ``per``, ``day``, ``amount`` (net of what was returned on that day), ``bought`` (without
        that), ``lowest_amount``, ``n_lines``, ``n_bought`` (lines that are no returns), and those of ``extra``.
    """
    bought, n_bought = "sum(amount)", "count(*)"
    if has_returns:
        bought, n_bought = "sum(greatest(amount, 0))", "count(*) FILTER (WHERE amount >= 0)"
    return (
        f"SELECT {per}, day, sum(amount) AS amount, {bought} AS bought, min(amount) AS lowest_amount, "
        f"count(*) AS n_lines, {n_bought} AS n_bought{extra} FROM line GROUP BY {per}, day"
    )


def day_orders(*, per: str) -> str:
    """SQL for orders before unnamed returns, as ``placed_orders`` gives them, where an order is all of a day.

    Parameters
    ----------
    per : str
        Columns that tell customers (and snapshots) apart.

    Returns
    -------
    str
        A query on ``active_day``.
    """
    return f"SELECT {per}, day AS order_key, day, amount FROM active_day WHERE amount <> 0 OR lowest_amount >= 0"


def netted_orders(placed: str, *, per: str, has_returns: bool) -> str:
    """SQL for orders net of all returns known; those left with nothing are gone.

    Parameters
    ----------
    placed : str
        A query as ``placed_orders`` gives.
    per : str
        Columns that tell customers (and snapshots) apart.
    has_returns : bool
        Whether there is any negative amount; without one nothing has to be sorted.

    Returns
    -------
    str
        A query with the columns of ``placed``.
    """
    if not has_returns:
        return placed
    in_time = _in_time(per)
    kept = "greatest(least(amount, lowest_later - (level - amount)), 0)"
    return f"""
      SELECT {per}, order_key, day, {kept} AS amount
      FROM (
        SELECT *, min(level) OVER ({in_time} ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS lowest_later
        FROM (
          SELECT *, total - least(min(total) OVER so_far, 0) AS level
          FROM (SELECT *, sum(amount) OVER ({in_time} ROWS UNBOUNDED PRECEDING) AS total FROM ({placed}))
          WINDOW so_far AS ({in_time} ROWS UNBOUNDED PRECEDING)
        )
      )
      WHERE amount = 0 OR (amount > 0 AND {kept} > 0)"""


def unmatched_returns(placed: str, *, per: str) -> str:
    """SQL for what returns took below the bottom of the stack: a row per return of which some part is unmatched.

    Parameters
    ----------
    placed : str
        A query as ``placed_orders`` gives.
    per : str
        Columns that tell customers (and snapshots) apart.

    Returns
    -------
    str
        A query with the columns of ``placed``; ``amount``, above 0, is the unmatched part.
    """
    before = f"min(total) OVER ({_in_time(per)} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    return f"""
      SELECT {per}, order_key, day, bottom - total AS amount
      FROM (
        SELECT *, least(coalesce({before}, 0), 0) AS bottom
        FROM (SELECT *, sum(amount) OVER ({_in_time(per)} ROWS UNBOUNDED PRECEDING) AS total FROM ({placed}))
      )
      WHERE total < bottom"""


def _in_time(per: str) -> str:
    """Within a day orders come before returns."""
    return f"PARTITION BY {per} ORDER BY day, amount < 0, order_key"
