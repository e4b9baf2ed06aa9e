"""What the report reads: files of one run, added up by the engine, so that no customer but those shown is ever in memory."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cvm.engines import DuckDBEngine, QueryError
from cvm.engines.sql import parquet
from cvm.errors import MissingOutputError
from cvm.models.bundle import Bundle
from cvm.workspace import Workspace

_HASH_DIGITS = 12


@dataclass(frozen=True)
class Base:
    """One run, to be reported on.

    Attributes
    ----------
    engine : DuckDBEngine
        Reads the files.
    workspace : Workspace
    bundle : Bundle
        The model behind the scores.
    as_of : date
        Of the scores.
    hash_salt : str or None
        Key that customer ids are hashed with; None shows them as they are.
    segment_goals : mapping of str to str
        What is wanted of customers of each segment, by its rule.
    until : datetime or None
        UTC; evaluations that observed anything after it are not known yet. None: all on file are.
    timezone : str
        Of the business.
    """

    engine: DuckDBEngine
    workspace: Workspace
    bundle: Bundle
    as_of: date
    hash_salt: str | None = None
    segment_goals: Mapping[str, str] = field(default_factory=dict)
    until: datetime | None = None
    timezone: str = "UTC"

    @property
    def currency(self) -> str:
        """Of all money."""
        return self.bundle.currency

    @property
    def scores(self) -> Path:
        """Of ``as_of``."""
        return self.workspace.scores_of(self.as_of)

    @property
    def previous(self) -> date | None:
        """Day of the latest earlier scores on file."""
        return max((day for day in self.workspace.score_files() if day < self.as_of), default=None)

    def shown(self, path: Path) -> str:
        """A path as the report names it: below the folder of outputs, not where that lies on this machine."""
        outputs = self.workspace.outputs
        return str(Path(outputs.name) / path.relative_to(outputs)) if path.is_relative_to(outputs) else path.name

    def rows(self, query: str, path: Path, *, command: str) -> list[dict[str, Any]]:
        """Rows of a query on ``{file}``; none where the file is not there.

        Parameters
        ----------
        query : str
            SQL with ``{file}`` where the relation goes.
        path : Path
            Parquet.
        command : str
            What writes the file.

        Raises
        ------
        MissingOutputError
            If the file cannot be read, or lacks a column.
        """
        if not path.exists():
            return []
        try:
            found: list[dict[str, Any]] = self.engine.table(query.replace("{file}", parquet([path]))).to_pylist()
        except QueryError as error:
            raise MissingOutputError.from_damage(path, command=command) from error
        return found

    def of_scores(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query on the scores.

        Raises
        ------
        MissingOutputError
            If there are none.
        """
        if not self.scores.exists():
            raise MissingOutputError.from_stage(self.scores, command="cvm score")
        return self.rows(query, self.scores, command="cvm score")

    def other_models(self) -> list[str]:
        """Versions of models other than ``bundle`` that made any of the scores."""
        found = {row["model_version"] for row in self.of_scores("SELECT DISTINCT model_version FROM {file}")}
        return sorted(found - {self.bundle.model_version, None})

    def customer(self, customer_id: str) -> str:
        """The id as the report shows it."""
        if self.hash_salt is None:
            return customer_id
        return hmac.new(self.hash_salt.encode(), customer_id.encode(), hashlib.sha256).hexdigest()[:_HASH_DIGITS]

    def with_ids(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows with ``customer_id`` as the report shows it."""
        return [{**row, "customer_id": self.customer(str(row["customer_id"]))} for row in rows]
