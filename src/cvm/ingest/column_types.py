"""What the engine calls the types of columns."""

FLOATS = ("DOUBLE", "FLOAT")
INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)


def is_number(found_type: str) -> bool:
    """Whether a column of that type holds numbers."""
    return found_type in INTEGERS or found_type in FLOATS or _is_one("DECIMAL", found_type)


def is_time(found_type: str) -> bool:
    """Whether a column of that type holds dates or moments."""
    return found_type == "DATE" or _is_one("TIMESTAMP", found_type)


def has_zone(found_type: str) -> bool:
    """Whether the moments of that type carry a zone."""
    return found_type.startswith("TIMESTAMPTZ") or found_type == "TIMESTAMP WITH TIME ZONE"


def _is_one(kind: str, found_type: str) -> bool:
    """Whether a value of that type is one of a kind, and no list of them (``DECIMAL(18,4)[]``)."""
    return found_type.startswith(kind) and not found_type.endswith("]")
