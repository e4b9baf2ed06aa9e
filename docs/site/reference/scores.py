"""The columns of the scores, in order."""

from __future__ import annotations

import pyarrow as pa

from cvm.scoring.schema import SCORE_COLUMNS
from reference.tables import Row, code, prose, table


def score_table() -> str:
    """Markdown: one table."""
    rows = (Row(one.name, (code(one.name), _type(one.kind), prose(one.meaning))) for one in SCORE_COLUMNS)
    return table(("Column", "Type", "Meaning"), rows, kind="scores")


def _type(kind: pa.DataType) -> str:
    if not pa.types.is_list(kind):
        return code(str(kind))
    fields = ", ".join(f"{field.name} {code(str(field.type))}" for field in kind.value_type)
    return f"list of {fields}"
