"""What each run of monitoring found, on file: one JSON per date, and all of them as one long table for BI tools."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.errors import MissingOutputError
from cvm.workspace import replaced_file

if TYPE_CHECKING:
    from cvm.monitoring.verdict import Monitored

FILE = "history.parquet"
SCHEMA = pa.schema(
    [
        ("as_of", pa.date32()), ("model_version", pa.string()), ("verdict", pa.string()), ("what", pa.string()),
        ("name", pa.string()), ("segment", pa.string()), ("value", pa.float64()), ("lower", pa.float64()),
        ("upper", pa.float64()),
    ]
)  # fmt: skip


def write_monitored(folder: Path, found: Monitored) -> Path:
    """Add one run to the history; a run of the same date takes the place of the earlier one. Gives the table's path.

    Raises
    ------
    MissingOutputError
        If an earlier run's file is damaged; its name is said.
    WorkspaceError
        If nothing can be written.
    """
    with replaced_file(folder / f"{found.as_of}.json") as temporary:
        temporary.write_text(json.dumps(asdict(found), indent=1, default=str, allow_nan=False) + "\n", encoding="utf-8")
    rows = [row for path in sorted(folder.glob("????-??-??.json")) for row in history_rows(_read(path))]
    with replaced_file(folder / FILE) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), temporary, compression="zstd")
    return folder / FILE


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        list(history_rows(found))
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise MissingOutputError.from_damage(path, command=f"cvm monitor --set windows.as_of={path.stem}") from error
    return dict(found)


def history_rows(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The file of one run as rows of ``SCHEMA``, one per figure."""
    run = {
        "as_of": date.fromisoformat(found["as_of"]),
        "model_version": found["model_version"],
        "verdict": found["verdict"]["word"],
    }
    for signal in found["signals"]:
        name = f"purchase rate, {len(signal['months'])} months"
        yield {**run, "what": "level", "name": name, **_level(signal)}
    for tested in found["backtests"]:
        for group in tested["groups"]:
            of = {**run, "what": "backtest", "segment": group["segment"]}
            for figure in ("churned", "revenue", "auc"):
                yield {**of, "name": f"{figure} of {tested['as_of']}", **(group[figure] or {})}
            yield {**of, "name": f"calibration error of {tested['as_of']}", "value": group["calibration_error"]}
    for what in ("features", "scores"):
        for moved in found[what]:
            yield {**run, "what": what, "name": moved["name"], "value": moved["drift"]["stability_index"]}


def _level(signal: Mapping[str, Any]) -> dict[str, Any]:
    return {"value": signal["change"], "lower": signal["lower"], "upper": signal["upper"]}
