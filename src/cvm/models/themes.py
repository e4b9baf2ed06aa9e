"""Which features say the same thing: three reasons must be three different things."""

from __future__ import annotations

import re
from functools import lru_cache

# First match wins; a group named ``what`` becomes part of the theme.
_THEMES = (
    (r"(attribute|own)_(?P<what>.+)", "{what}"),
    (r"recency_days|recency_over_mean_gap|(n_orders|spend|trend_orders|trend_spend)_\d+d", "recent orders"),
    (r"n_orders|tenure_days|orders_per_year|active_months|\w+_gap_days|days_since_signup", "buying rhythm"),
    (r"(mean|median|std|min|max|first|last|last_over_mean)_order_value|spend|historic_value", "order value"),
    (r"share_weekend_orders|share_orders_q\d", "time of ordering"),
    (r"n_returns|share_returned", "returns"),
    (r"share_discount|share_discounted_lines", "discounts"),
    (r"lines_per_active_day|quantity|n_products|n_categories(_\d+d)?|(share_)?main_category", "basket"),
    (r"cost_to_serve(_\d+d)?", "cost to serve"),
    (r"(share_)?main_(?P<what>\w+)|n_(?P<what_too>\w+)_values", "{what}"),
    (r"n_event_days_\d+d|days_since_event", "activity"),
    (r"n_contacts_\d+d|days_since_contact|\w+_per_contact_\d+d", "contacts"),
    (r"\w*subscription\w*", "subscription"),
    (r"last_nps", "nps"),
    (r"(n_|trend_|days_since_)(?P<what>email|push|sms|message)_(sent|open|click)(_\d+d)?", "{what}"),
    (r"(n|trend)_(?P<what>\w+)_\d+d|days_since_(?P<what_too>\w+)", "{what}"),
)
_COMPILED = tuple((re.compile(pattern), theme) for pattern, theme in _THEMES)


@lru_cache(maxsize=4096)
def theme_of(feature: str) -> str:
    """The theme of a feature; one that is in no theme is a theme of its own.

    >>> theme_of("n_orders_90d") == theme_of("recency_days")
    True
    >>> theme_of("trend_email_open_30d")
    'email'
    """
    for pattern, theme in _COMPILED:
        found = pattern.fullmatch(feature)
        if found:
            groups = found.groupdict()
            return theme.format(what=(groups.get("what") or groups.get("what_too") or "").replace("_", " "))
    return feature.replace("_", " ")
