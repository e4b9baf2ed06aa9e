"""Every decision on which model is in use, oldest first: one Parquet table, open to BI tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.errors import BundleError
from cvm.promotion.decision import Decision
from cvm.workspace import replaced_file

# The registry refuses tags of some thousand letters; the table keeps the whole reason.
_LONGEST_TAG = 500
_FIGURE = pa.struct(
    [
        ("name", pa.string()),
        *((name, pa.float64()) for name in ("challenger", "champion", "worse_by", "lower", "upper")),
    ]
)
_GATE = pa.struct([("name", pa.string()), ("passed", pa.bool_()), ("found", pa.string())])
SCHEMA = pa.schema(
    [
        ("decided_at", pa.string()), ("decision", pa.string()), ("challenger", pa.string()),
        ("champion_before", pa.string()), ("champion_after", pa.string()), ("compared_on", pa.string()),
        ("days", pa.int64()), ("champion_by", pa.string()), ("n_customers", pa.int64()), ("figures", pa.list_(_FIGURE)),
        ("gates", pa.list_(_GATE)), ("reason", pa.string()),
    ]
)  # fmt: skip


def read_decisions(path: Path) -> list[Decision]:
    """All decisions, oldest first; none where there is no file yet.

    Raises
    ------
    BundleError
        If the file is damaged.
    """
    if not path.is_file():
        return []
    try:
        return [Decision.from_state(row) for row in pq.read_table(path, partitioning=None).to_pylist()]
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"The history of decisions {path} is damaged ({type(error).__name__}). "
            "Restore it from a backup, or move it away: the champion on file stays, and a new history begins."
        ) from error


def add_decision(path: Path, decision: Decision) -> None:
    """Add a row; the table is replaced whole.

    Raises
    ------
    BundleError
        If the table on file is damaged.
    WorkspaceError
        If it cannot be written.
    """
    _write([*read_decisions(path), decision], path)


def decision_tags(decision: Decision) -> dict[str, str]:
    """What the model registry should say of a decision; ``figures`` and ``failed_gates`` as JSON."""
    return {
        "decision": decision.verdict,
        "decided_at": decision.decided_at.isoformat(timespec="seconds"),
        "compared_with": decision.champion_before or "nobody",
        "reason": decision.reason[:_LONGEST_TAG] or "none given",
        "failed_gates": json.dumps([gate.name for gate in decision.failed]),
        "figures": json.dumps({figure.name: round(figure.worse_by, 6) for figure in decision.figures}),
    }


def _write(decisions: Sequence[Decision], path: Path) -> None:
    table = pa.Table.from_pylist([decision.state() for decision in decisions], schema=SCHEMA)
    with replaced_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
