"""Features of the contacts a customer received, whoever sent them, and of what they answered.

Every event whose type ends in ``_sent`` is a contact; ``email_open`` and ``email_click`` answer ``email_sent``, and so for
every channel. Counts per channel are among the features of each type (``n_email_sent_90d``); these are over all channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cvm.features.behaviour import in_template, is_named, types_by_name
from cvm.features.catalogue import Feature

# What names of events end in that tell of a contact.
SENT = "_sent"
_ANSWERS = {"open": "Opens", "click": "Clicks"}


def contact_features(event_types: Sequence[str]) -> Iterator[Feature]:
    """Contacts received over all channels, and answers per contact; nothing where no type of event is a contact.

    Answers are set against the contacts of the channels on which they are recorded at all: a letter cannot be opened in a
    log. Several opens of one mail count several times, so a ratio can be above 1.
    """
    types = types_by_name(event_types)
    channels = sorted(name.removesuffix(SENT) for name in types if name.endswith(SENT))
    if not channels:
        return
    contacts = is_named((f"{channel}{SENT}" for channel in channels), types)
    yield Feature(
        "n_contacts_{window}d",
        f"count(*) FILTER (WHERE {in_template(contacts)} AND age_days <= {{window}})",
        "event",
        "contacts",
        "Contacts received in the last {window} days, over all channels.",
        windows=(30, 90, 365),
        empty="0",
    )
    yield Feature(
        "days_since_contact",
        f"min(age_days) FILTER (WHERE {contacts})",
        "event",
        "days",
        "Days since the last contact, over all channels.",
    )
    for answer, meaning in _ANSWERS.items():
        answered = [channel for channel in channels if f"{channel}_{answer}" in types]
        if answered:
            asked = in_template(is_named((f"{channel}{SENT}" for channel in answered), types))
            given = in_template(is_named((f"{channel}_{answer}" for channel in answered), types))
            yield Feature(
                f"{answer}s_per_contact_{{window}}d",
                f"CAST(count(*) FILTER (WHERE {given} AND age_days <= {{window}}) AS DOUBLE)"
                f" / nullif(count(*) FILTER (WHERE {asked} AND age_days <= {{window}}), 0)",
                "event",
                "per contact",
                f"{meaning} per contact of the last {{window}} days, over the channels that record them.",
                windows=(90, 365),
            )
