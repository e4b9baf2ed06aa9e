"""What types of event mean to KPIs."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pyarrow as pa

from cvm.features.behaviour import column_name

EVENT_KINDS = "kpi_event_kind"
_SESSIONS = ("visit", "app_open")
_NPS = "nps"

# Sums of ``kpi_behaviour``; ``{value}`` is the event's value.
BEHAVIOUR: dict[str, str] = {
    "interactions": "is_active",
    "sessions": "is_session",
    "logins": "is_login",
    "timed_sessions": "CASE WHEN {value} IS NOT NULL THEN is_session ELSE 0 END",
    "minutes": "CASE WHEN is_session = 1 THEN {value} END",
    "nps_answers": "CASE WHEN {value} BETWEEN 0 AND 10 THEN is_nps ELSE 0 END",
    "nps_promoters": "CASE WHEN {value} BETWEEN 9 AND 10 THEN is_nps ELSE 0 END",
    "nps_detractors": "CASE WHEN {value} BETWEEN 0 AND 6 THEN is_nps ELSE 0 END",
}


def event_kinds(types: Iterable[str], *, active: Collection[str]) -> pa.Table:
    """One row per type of event: 1 where it is what the column says, else 0.

    Parameters
    ----------
    types : iterable of str
        As they are spelled in the table; case and punctuation do not matter.
    active : collection of str
        Interactions of the customer's own.

    Returns
    -------
    Table
        ``event_type``, the channel of a message type (``email`` of ``email_open``) and what ``BEHAVIOUR`` asks for. Opens
        and clicks are set against the messages of the channels that record them.
    """
    named = {spelled: column_name(spelled) for spelled in types}
    names, wanted = set(named.values()), {column_name(name) for name in active}
    channels = {name.removesuffix("_sent") for name in names if name.endswith("_sent")}
    opened, clicked = ({channel for channel in channels if f"{channel}_{what}" in names} for what in ("open", "click"))

    def kind(spelled: str, name: str) -> dict[str, object]:
        channel, _, what = name.rpartition("_")
        flags = {
            "is_active": name in wanted,
            "is_session": name in _SESSIONS,
            "is_login": name == "login",
            "is_openable": what == "sent" and channel in opened,
            "is_open": what == "open" and channel in opened,
            "is_clickable": what == "sent" and channel in clicked,
            "is_click": what == "click" and channel in clicked,
            "is_nps": name == _NPS,
        }
        is_message = what in ("sent", "open", "click") and channel in channels
        return {
            "event_type": spelled,
            "message_channel": channel if is_message else None,
            **{flag: int(holds) for flag, holds in flags.items()},
        }

    rows = [kind(spelled, name) for spelled, name in named.items()]
    flags = [name for name in kind("", "") if name.startswith("is_")]
    fields = [("event_type", pa.string()), ("message_channel", pa.string()), *((name, pa.int32()) for name in flags)]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))
