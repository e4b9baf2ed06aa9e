"""KPIs, cohorts and goals as files that any BI tool loads."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from cvm.campaigns.spreadsheet import safe_cells
from cvm.errors import MissingOutputError
from cvm.workspace import replaced_directory

if TYPE_CHECKING:
    import pandas as pd

KPIS, COHORTS, GOALS = "kpis", "cohorts", "goals"


def write_kpi_files(folder: Path, *, kpis: pa.Table, cohorts: pa.Table, goals: pa.Table) -> None:
    """Put all files in the place of ``folder`` at once, each table as Parquet and as CSV.

    Parameters
    ----------
    folder : Path
    kpis, cohorts, goals : Table

    Raises
    ------
    WorkspaceError
        If the file system refuses; what was there stays.
    """
    with replaced_directory(folder) as temporary:
        for name, table in {KPIS: kpis, COHORTS: cohorts, GOALS: goals}.items():
            pq.write_table(table, temporary / f"{name}.parquet", compression="zstd")
            write_plain_csv(table, temporary / f"{name}.csv")


def write_plain_csv(table: pa.Table, path: Path) -> None:
    """Write UTF-8 with commas, ISO dates, decimal points, and nothing where there is no value.

    Texts that a spreadsheet would take for a formula get an apostrophe in front.
    """
    columns = [
        safe_cells(pc.cast(column, pa.string()).combine_chunks()) if pa.types.is_string(column.type) else column
        for column in table.columns
    ]
    options = pa_csv.WriteOptions(quoting_style="needed")
    pa_csv.write_csv(pa.table(columns, names=table.column_names), path, write_options=options)


def read_kpi_file(folder: Path, name: str) -> pa.Table:
    """One of the tables ``kpis``, ``cohorts``, ``goals``.

    Raises
    ------
    MissingOutputError
        If it is not there or damaged.
    """
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise MissingOutputError.from_stage(path, command="cvm kpis")
    try:
        return pq.read_table(path)
    except (OSError, ValueError) as error:
        raise MissingOutputError.from_damage(path, command="cvm kpis") from error


def latest_complete(kpis: pd.DataFrame, period: str) -> date | None:
    """Start of the latest period that is over and told of as a whole: the last with a number of orders of everybody.

    Parameters
    ----------
    kpis : DataFrame
        Rows of the table ``kpis``; of its columns ``kpi``, ``group_by``, ``period``, ``period_start`` and ``value``.
    period : {"month", "quarter", "year"}

    Returns
    -------
    date or None
        None where no period is.
    """
    told = (kpis["group_by"] == "all") & (kpis["kpi"] == "orders") & (kpis["period"] == period) & kpis["value"].notna()
    starts: list[date] = kpis.loc[told, "period_start"].tolist()
    return max(starts, default=None)
