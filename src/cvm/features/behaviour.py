"""Features of what customers did beside buying, one family per type of event."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cvm.engines.sql import literals
from cvm.features.catalogue import Feature

_WINDOWS = (30, 90, 365)

EVENT_MIXES = ("channel", "device")

# Features of these names exist without any event: n_orders_30d, days_since_signup ... An event type so called is set apart
# by a double underscore, which no other name holds.
_TAKEN = (
    *("contact", "contacts", "event", "event_days", "orders", "signup", "spend"),
    *("subscription_change", "subscription_changes", "subscription_end", "subscriptions_dropped"),
)

_OVERALL = (
    Feature(
        "n_event_days_{window}d",
        "count(DISTINCT day) FILTER (WHERE age_days <= {window})",
        "event",
        "days",
        "Distinct days with any event in the last {window} days.",
        windows=_WINDOWS,
        empty="0",
    ),
    Feature("days_since_event", "min(age_days)", "event", "days", "Days since any event."),
)


def column_name(event_type: str) -> str:
    """``event_type`` as part of a column name: lower-case letters of any script, digits and single underscores.

    >>> column_name("E-mail Opened!")
    'e_mail_opened'
    >>> column_name("orders")
    'event__orders'
    """
    name = re.sub(r"[\W_]+", "_", unicodedata.normalize("NFKC", event_type).lower()).strip("_") or "unnamed"
    return f"event__{name}" if name in _TAKEN else name


def types_by_name(event_types: Iterable[str]) -> dict[str, list[str]]:
    """Types of event by ``column_name``: those that differ only in case or punctuation are one."""
    found: dict[str, list[str]] = {}
    for event_type in event_types:
        found.setdefault(column_name(event_type), []).append(event_type)
    return found


def is_named(names: Iterable[str], types: Mapping[str, Sequence[str]]) -> str:
    """SQL for whether an event has one of these names of ``types_by_name``."""
    return f"event_type IN ({literals(event_type for name in names for event_type in types[name])})"


def in_template(condition: str) -> str:
    """``condition`` for the SQL of a feature with windows: braces of the user's own words stay as they are."""
    return condition.replace("{", "{{").replace("}", "}}")


def event_features(event_types: Sequence[str]) -> Iterator[Feature]:
    """Features of every name of events, and of all events together."""
    yield from _OVERALL
    types = types_by_name(event_types)
    for name in sorted(types):
        yield from _features_of_name(name, is_named([name], types))


def _features_of_name(name: str, condition: str) -> Iterator[Feature]:
    is_type = in_template(condition)
    yield Feature(
        f"n_{name}_{{window}}d",
        f"count(*) FILTER (WHERE {is_type} AND age_days <= {{window}})",
        "event",
        "events",
        f"Events of type {name} in the last {{window}} days.",
        windows=_WINDOWS,
        empty="0",
    )
    yield Feature(
        f"trend_{name}_{{window}}d",
        f"(2.0 * count(*) FILTER (WHERE {is_type} AND age_days <= {{window}})"
        f" - count(*) FILTER (WHERE {is_type} AND age_days <= {{double}}))"
        f" / nullif(count(*) FILTER (WHERE {is_type} AND age_days <= {{double}}), 0)",
        "event",
        "-1 to 1",
        f"Events of type {name} of the last {{window}} days against the {{window}} days before.",
        windows=(30, 90),
    )
    yield Feature(
        f"days_since_{name}", f"min(age_days) FILTER (WHERE {condition})", "event", "days", f"Days since the last {name}."
    )


def value_features(event_types: Sequence[str]) -> Iterator[Feature]:
    """Features of the measured ``value`` of events."""
    types = types_by_name(event_types)
    if "nps" in types:
        yield Feature(
            "last_nps",
            # Ordered by time, then by value, so that two answers at one moment give one answer.
            f"arg_max(value, struct_pack(at := occurred_at, value := value)) FILTER (WHERE {is_named(['nps'], types)})",
            "event",
            "0 to 10",
            "Last answer to the recommendation question.",
            needs=("value",),
        )
