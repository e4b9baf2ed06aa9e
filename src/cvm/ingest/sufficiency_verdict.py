"""Whether the data is enough, in plain words, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cvm.errors import MissingOutputError
from cvm.workspace import replaced_file


@dataclass(frozen=True)
class SufficiencyVerdict:
    """Whether the data is enough for one purpose.

    Attributes
    ----------
    purpose : {"churn", "CLV", "uplift"}
    is_enough : bool
    because : tuple of str
        What was found, when enough; else what is missing, and what would help.
    """

    purpose: str
    is_enough: bool
    because: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """One line for the terminal."""
        return f"{'enough' if self.is_enough else 'not enough'} for {self.purpose}: {'; '.join(self.because)}"


def write_verdicts(verdicts: Iterable[SufficiencyVerdict], path: Path) -> None:
    """Put verdicts in the place of the JSON file ``path``."""
    with replaced_file(path) as temporary:
        temporary.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1) + "\n", encoding="utf-8")


def read_verdicts(path: Path) -> list[SufficiencyVerdict]:
    """Verdicts as ``write_verdicts`` left them.

    Raises
    ------
    MissingOutputError
        If the file is not there or damaged.
    """
    if not path.is_file():
        raise MissingOutputError.from_stage(path, command="cvm ingest")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [SufficiencyVerdict(row["purpose"], row["is_enough"], tuple(row["because"])) for row in rows]
    except (ValueError, KeyError, TypeError):
        raise MissingOutputError.from_damage(path, command="cvm ingest") from None
