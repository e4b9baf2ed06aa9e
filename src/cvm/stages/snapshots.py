"""Features of single dates, computed from the warehouse when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvm.features.clustered import clustered_tables
from cvm.features.query import Schema
from cvm.features.snapshots import check_in_history
from cvm.features.stage import history_days, snapshot_query
from cvm.params import Params
from cvm.scoring.files import mark_of, origin_for, origin_of
from cvm.stages.context import Progress, engine_trouble, fingerprint, silent
from cvm.stages.inputs import economics_of
from cvm.stages.warehouse import open_warehouse
from cvm.workspace import Workspace

if TYPE_CHECKING:
    from cvm.models.bundle import Bundle


@dataclass(frozen=True)
class Snapshots:
    """The warehouse as it is, from which features of any date of its history can be had.

    Attributes
    ----------
    params : Params
    workspace : Workspace
    warehouse : str
        Fingerprint of all rows.
    schema : Schema
    """

    params: Params
    workspace: Workspace
    warehouse: str
    schema: Schema

    @classmethod
    def of(cls, params: Params, workspace: Workspace, dates: Sequence[date]) -> Snapshots:
        """The warehouse of a workspace, if it knows all these dates.

        Raises
        ------
        InsufficientDataError
            If dates lie outside of the history; all of them are named.
        """
        with engine_trouble(), open_warehouse(params) as engine:
            first_day, last_day = history_days(engine, timezone=params.business.timezone)
            check_in_history(dates, first_day=first_day, last_day=last_day)
            return cls(params, workspace, fingerprint(engine), Schema.of(engine))

    def origins(self, dates: Sequence[date], *, share: float, model: Bundle) -> dict[date, dict[str, Any]]:
        """What makes the scores of each date, if dates are scored in this order: of the same origin they are the same."""
        on_file, found = self.workspace.score_files(), dict[date, dict[str, Any]]()
        for as_of in dates:
            earlier = max((day for day in {*on_file, *found} if day < as_of), default=None)
            found[as_of] = origin_for(model, reasons_share=share) | {
                "warehouse": self.warehouse,
                "features": hashlib.sha256(self._query(as_of).encode()).hexdigest()[:16],
                "previous": f"{earlier} {mark_of(found.get(earlier) or origin_of(on_file[earlier]))}" if earlier else None,
            }
        return found

    def write(self, files: Mapping[date, Path], *, progress: Progress = silent) -> None:
        """Compute the features of dates into files, as the features stage would, out of one clustered copy.

        Nothing of the warehouse is held open or in memory afterwards.
        """
        if not files:
            return
        with (
            engine_trouble(),
            open_warehouse(self.params) as engine,
            clustered_tables(engine, self.schema) as clustered,
        ):
            for number, (as_of, path) in enumerate(files.items(), start=1):
                progress(f"features of {as_of} ({number} of {len(files)})")
                clustered.write(self._query(as_of), path)

    def _query(self, as_of: date) -> str:
        return snapshot_query(
            self.schema, as_of, timezone=self.params.business.timezone, economics=economics_of(self.params)
        )
