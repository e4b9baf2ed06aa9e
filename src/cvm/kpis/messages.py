"""Which messages were opened and clicked: each answer belongs to one message, so that rates are shares of messages."""

from __future__ import annotations

ANSWERED = ("messages_openable", "messages_opened", "messages_clickable", "messages_clicked")


def message_rows(events: str) -> str:
    """SQL for the messages of each customer, month and channel that they were sent in.

    Of one customer, campaign, kind of message and day there is one message: copies do not count. An answer belongs to the
    latest message of its campaign that was sent on its day or before; where there is none, to the latest of its kind.

    Parameters
    ----------
    events : str
        Relation with ``who``, ``month``, ``day``, ``channel``, ``campaign`` (empty where there is none) and the columns of
        ``event_kinds``.

    Returns
    -------
    str
        A query with ``who``, ``month``, ``channel`` and ``ANSWERED``.
    """
    key = "who, message_channel, campaign, day"
    # Of one day messages go before answers; rows are counted, since not every warehouse has frames of equal values.
    latest = (
        "max(sent_day) OVER (PARTITION BY who, message_channel{} ORDER BY day, is_open + is_click ROWS UNBOUNDED PRECEDING)"
    )
    return f"""
  WITH message AS (
    SELECT {key}, min(month) AS month, min(channel) AS channel, max(is_openable) AS is_openable,
      max(is_clickable) AS is_clickable
    FROM {events} WHERE is_openable = 1 OR is_clickable = 1 GROUP BY {key}
  ),
  of_kind AS (SELECT who, message_channel, day, min(campaign) AS campaign FROM message GROUP BY who, message_channel, day),
  answer AS (
    SELECT {key}, max(is_open) AS is_open, max(is_click) AS is_click
    FROM {events} WHERE is_open = 1 OR is_click = 1 GROUP BY {key}
  ),
  reached AS (
    SELECT {key}, is_open, is_click, {latest.format(", campaign")} AS own_day, {latest.format("")} AS other_day
    FROM (
      SELECT {key}, day AS sent_day, 0 AS is_open, 0 AS is_click FROM message
      UNION ALL SELECT {key}, NULL, is_open, is_click FROM answer
    )
  ),
  answered AS (
    SELECT reached.who, reached.message_channel, coalesce(own_day, other_day) AS day,
      CASE WHEN own_day IS NULL THEN other.campaign ELSE reached.campaign END AS campaign,
      max(is_open) AS is_open, max(is_click) AS is_click
    FROM reached LEFT JOIN of_kind AS other
      ON other.who = reached.who AND other.message_channel = reached.message_channel AND other.day = other_day
    WHERE is_open = 1 OR is_click = 1
    GROUP BY ALL
  )
  SELECT who, month, channel, sum(is_openable) AS messages_openable,
    sum(CASE WHEN is_open = 1 THEN is_openable ELSE 0 END) AS messages_opened, sum(is_clickable) AS messages_clickable,
    sum(CASE WHEN is_click = 1 THEN is_clickable ELSE 0 END) AS messages_clicked
  FROM message LEFT JOIN answered USING ({key}) GROUP BY who, month, channel"""
