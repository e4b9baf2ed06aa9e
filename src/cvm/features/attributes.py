"""Features out of the customers table: time since signing up, and the attributes the user supplies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cvm.engines import identifier
from cvm.features.catalogue import Feature

# Contact data identifies a person; a consent says who may be written to, not who will buy.
_NEVER = ("customer_id", "signed_up_at", "email", "phone")
_NUMBERS = ("INT", "DECIMAL", "DOUBLE", "FLOAT", "BOOLEAN")


def attribute_features(columns: Mapping[str, str]) -> Iterator[Feature]:
    """Features of a customers table with these columns and types."""
    if "signed_up_at" in columns:
        yield Feature("days_since_signup", "max(age_days)", "profile", "days", "Days since signing up.")
    for name, found_type in columns.items():
        if name in _NEVER or name.startswith("consent_"):
            continue
        is_number = any(mark in found_type for mark in _NUMBERS)
        if is_number or found_type == "VARCHAR":
            yield Feature(
                f"attribute_{name}",
                f"max({identifier(name)})",
                "profile",
                "as supplied" if is_number else "category",
                f"Attribute {name} of the customers table, as known today.",
                kind="number" if is_number else "category",
            )
