"""Files of the stage: lists for those who act on them, and what is in each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cvm.campaigns.spreadsheet import write_csv
from cvm.workspace import replaced_directory, replaced_file

if TYPE_CHECKING:
    from cvm.actions.triggers import TriggerList

ACTIONS, REPLENISHMENT, ALSO_BOUGHT = "actions.parquet", "replenishment.parquet", "also_bought.parquet"
RECOMMENDATIONS = "recommendations.parquet"
TRIGGERS = "triggers.json"
_ROWS = 50_000


def write_table(table: pa.Table | None, path: Path) -> None:
    """Write a Parquet file, whole or not at all; without a table none stays."""
    if table is None:
        path.unlink(missing_ok=True)
        return
    with replaced_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def write_tables(tables: Mapping[str, pa.Table | None], folder: Path) -> None:
    """Replace ``folder`` by one Parquet file per name, all or none; without any table no folder stays."""
    there = {name: table for name, table in tables.items() if table is not None}
    with replaced_directory(folder) as target:
        for name, table in there.items():
            write_table(table, target / name)
    if not there:
        folder.rmdir()


def write_triggers(lists: Iterable[TriggerList], folder: Path, *, as_of: date) -> None:
    """Replace ``folder`` by one CSV file for each list that was made, and ``triggers.json`` about all of them."""
    with replaced_directory(folder) as target:
        told = []
        for one in lists:
            file = None
            if one.rows is not None:
                file = f"{one.name}.csv"
                texts = [pc.cast(one.rows[name], pa.string()) for name in one.rows.column_names]
                columns = pa.table(texts, names=one.rows.column_names)
                write_csv(target / file, columns.column_names, columns.to_batches(max_chunksize=_ROWS))
            told.append(
                {
                    "name": one.name,
                    "meaning": one.meaning,
                    "n_customers": None if one.rows is None else one.n_customers,
                    "file": file,
                    "reason": one.reason,
                }
            )
        content = json.dumps({"as_of": as_of.isoformat(), "triggers": told}, indent=1, ensure_ascii=False)
        (target / TRIGGERS).write_text(content + "\n", encoding="utf-8")
