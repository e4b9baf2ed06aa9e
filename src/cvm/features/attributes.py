"""Features out of the customers table: time since signing up, and the attributes the user supplies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cvm.engines import identifier
from cvm.features.catalogue import Feature

# Contact data identifies a person; a consent says who may be written to, not who will buy; a source names a system.
_NEVER = re.compile(r"customerid|signedupat|email|phone|source|consent.*")
_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL\(\d+,\d+\)|DOUBLE|FLOAT|BOOLEAN")


def attribute_name(column: str) -> str:
    """Name of an attribute in the relation ``profile`` and among the features."""
    return f"attribute_{column}"


def attribute_features(columns: Mapping[str, str]) -> Iterator[Feature]:
    """Features of a customers table with these columns and types."""
    if "signed_up_at" in columns:
        yield Feature("days_since_signup", "max(age_days)", "profile", "days", "Days since signing up.")
    for column, found_type in columns.items():
        if is_never_a_feature(column):
            continue
        name = attribute_name(column)
        is_number = _NUMBER.fullmatch(found_type) is not None
        if is_number or found_type == "VARCHAR":
            yield Feature(
                name,
                f"max({identifier(name)})",
                "profile",
                "as supplied" if is_number else "category",
                f"Attribute {column} of the customers table, as known today.",
                kind="number" if is_number else "category",
            )


def is_never_a_feature(column: str) -> bool:
    """Whether a column is named like an id, contact data, a consent or a system, however it is spelled."""
    return _NEVER.fullmatch(_plain(column)) is not None


def _plain(column: str) -> str:
    """Letters and digits alone, so that ``E-mail`` and ``email`` are the same."""
    return re.sub(r"[\W_]+", "", column).lower()
