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
    return found_type in INTEGERS or found_type in FLOATS or found_type.startswith("DECIMAL")


def is_time(found_type: str) -> bool:
    """Whether a column of that type holds dates or moments."""
    return found_type == "DATE" or found_type.startswith("TIMESTAMP")


def has_zone(found_type: str) -> bool:
    """Whether the moments of that type carry a zone."""
    return found_type.startswith("TIMESTAMPTZ") or found_type == "TIMESTAMP WITH TIME ZONE"
