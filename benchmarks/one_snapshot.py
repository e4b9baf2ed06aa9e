"""Features of one date, alone: what a nightly run needs of them, and what `cvm score --as-of` computes.

Run: python benchmarks/one_snapshot.py BASE FILE. Imports what that takes and no more, for the process is what is measured.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from cvm.features.query import Schema
from cvm.params import load_params
from cvm.stages.context import workspace_of
from cvm.stages.snapshots import Snapshots
from cvm.stages.warehouse import open_warehouse
from purchases import LAST_DAY


def write_one_snapshot(base: Path, path: Path, *, as_of: date = LAST_DAY) -> None:
    """Features of one date as a list of dates is scored from, with the engine of the base's params."""
    path.parent.mkdir(parents=True, exist_ok=True)
    params = load_params(base / "params.yaml")
    with open_warehouse(params) as engine:
        schema = Schema.of(engine)
    Snapshots(params, workspace_of(params), "of no matter here", schema).write({as_of: path})


if __name__ == "__main__":
    write_one_snapshot(Path(sys.argv[1]), Path(sys.argv[2]))
