"""What a check found, and the file it is kept in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.errors import MissingOutputError
from cvm.workspace import replaced_file

Severity = Literal["info", "warning", "serious"]
Action = Literal["dropped", "quarantined", "kept", "merged", "converted"]

N_EXAMPLES = 5
_GRAVITY = {"serious": 0, "warning": 1, "info": 2}

_SCHEMA = pa.schema(
    [
        ("table", pa.string()),
        ("check", pa.string()),
        ("severity", pa.string()),
        ("n", pa.int64()),
        ("unit", pa.string()),
        ("share", pa.float64()),
        ("action", pa.string()),
        ("meaning", pa.string()),
        ("advice", pa.string()),
        ("examples", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class Finding:
    """One thing worth knowing about the data.

    Attributes
    ----------
    table : str
        Canonical table.
    check : str
        Name of the check.
    severity : {"info", "warning", "serious"}
        ``warning`` may bend results, ``serious`` does.
    n : int
        How many ``unit``: rows, orders, customers, days, weeks or columns.
    unit : str
    share : float
        Of all of that unit.
    action : {"dropped", "quarantined", "kept", "merged", "converted"}
        What was done.
    meaning, advice : str
        What it is, and what to do about it.
    examples : tuple of str
        Up to five customer ids, order ids, source rows or dates.
    """

    table: str
    check: str
    severity: Severity
    n: int
    unit: str
    share: float
    action: Action
    meaning: str
    advice: str
    examples: tuple[str, ...] = ()


def by_gravity(findings: Iterable[Finding]) -> list[Finding]:
    """The gravest first, and of these the commonest."""
    return sorted(findings, key=lambda finding: (_GRAVITY[finding.severity], -finding.share))


def severity_of(share: float, *, warning_from: float | None, serious_from: float | None) -> Severity:
    """Severity of a share; ``None`` means that no share is that grave."""
    if serious_from is not None and share >= serious_from:
        return "serious"
    return "warning" if warning_from is not None and share >= warning_from else "info"


def write_findings(findings: Iterable[Finding], path: Path) -> None:
    """Put findings in the place of the Parquet file ``path``, one row each."""
    rows = [asdict(finding) | {"examples": list(finding.examples)} for finding in findings]
    with replaced_file(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), temporary)


def read_findings(path: Path) -> list[Finding]:
    """Findings as ``write_findings`` left them.

    Raises
    ------
    MissingOutputError
        If the file is not there or damaged.
    """
    if not path.is_file():
        raise MissingOutputError.from_stage(path, command="cvm ingest")
    try:
        rows = pq.ParquetFile(path).read(columns=_SCHEMA.names).to_pylist()  # read_table would import pandas
        return [Finding(**row | {"examples": tuple(row["examples"])}) for row in rows]
    except (pa.ArrowException, OSError, KeyError, TypeError):  # the last two of a table of something else
        raise MissingOutputError.from_damage(path, command="cvm ingest") from None
