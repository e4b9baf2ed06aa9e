"""Features out of the customers table: time since signing up, and the attributes the user supplies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cvm.engines import identifier
from cvm.features.catalogue import Feature
from cvm.ingest.column_types import is_number

# Contact data identifies a person; a consent says who may be written to, not who will buy; a source names a system.
_NEVER = re.compile(r"customerid|signedupat|email|phone|source|consent.*|mobile(number|no)?|tel(ephone)?(number|no)?")
# Text under such names tells who a person is or how to reach them.
_PERSONAL = re.compile(
    r"(home|work|cell|mobile|contact|customer|client|user|primary|second(ary)?|other)?"
    r"(email|phone|telegram|whatsapp|viber|passport|iban|taxid)(address|number|no|id|name|handle)?[0-9]*"
    r"|surname|street(address|name|line)?[0-9]*|birth(day|date)|dateofbirth"
    r"|(first|last|full|middle|family|given|nick|user|customer|client|contact)?name"
    r"|(home|street|postal|mail|delivery|billing|shipping)?address(line)?[0-9]*"
)


def attribute_name(column: str) -> str:
    """Name of an attribute in the relation ``profile`` and among the features."""
    return f"attribute_{column}"


def attribute_features(columns: Mapping[str, str]) -> Iterator[Feature]:
    """Features of a customers table with these columns and types."""
    if "signed_up_at" in columns:
        yield Feature("days_since_signup", "max(age_days)", "profile", "days", "Days since signing up.")
    for column, found_type in columns.items():
        if is_never_a_feature(column, found_type):
            continue
        name = attribute_name(column)
        counts = is_number(found_type) or found_type == "BOOLEAN"
        if counts or found_type == "VARCHAR":
            yield Feature(
                name,
                f"max({identifier(name)})",
                "profile",
                "as supplied" if counts else "category",
                f"Attribute {column} of the customers table, as known today.",
                kind="number" if counts else "category",
            )


def is_never_a_feature(column: str, found_type: str) -> bool:
    """Whether a column is named like an id, contact data, a consent or a system, or is text that tells who a person is."""
    name = _plain(column)
    return _NEVER.fullmatch(name) is not None or (found_type == "VARCHAR" and _PERSONAL.fullmatch(name) is not None)


def _plain(column: str) -> str:
    """Letters and digits alone, so that ``E-mail`` and ``email`` are the same."""
    return re.sub(r"[\W_]+", "", column).lower()
