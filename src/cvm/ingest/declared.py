"""From what ``params.yaml`` declares of a table to its source."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cvm.engines import identifier
from cvm.errors import ParamsError
from cvm.frames import arrow_table
from cvm.ingest.origins import DatabaseSource, FileSource, FrameSource, Source, passed_name
from cvm.ingest.presets import read_preset
from cvm.ingest.reading import Reading


def declared_source(
    table: str, section: Mapping[str, Any], *, folder: Path, zone: str | None, frame: object | None = None
) -> Source:
    """Source of one table.

    Parameters
    ----------
    table : str
        Canonical table.
    section : mapping
        The keys that ``data.<table>`` sets; its url may be a secret of pydantic.
    folder : Path
        Folder of ``params.yaml``, which paths are relative to.
    zone : str or None
        The business time zone, where somebody declared it.
    frame : object, optional
        Frame from Python, which takes the place of files and databases.

    Raises
    ------
    ParamsError
        If there is neither an origin nor a frame, or the preset is none for this table.
    SourceError
        If the frame is none.
    """
    reading = declared_reading(table, section, zone)
    if frame is not None:
        return FrameSource(arrow_table(table, frame), passed_name(table), reading, is_passed=True)
    if section.get("url") is not None:
        url = section["url"]
        return DatabaseSource(getattr(url, "get_secret_value", lambda: url)(), section["query"], reading)
    path = section.get("path")
    if path is None:
        raise ParamsError(
            f"data.{table} has no origin that engine: duckdb can read. Set path, or url and query; or hand a frame over "
            f"from Python: cvm.run(params, tables={{{table!r}: frame}})."
        )
    query = section.get("query") or (f"SELECT * FROM {identifier(section['table'])}" if section.get("table") else None)
    if query is not None:
        return DatabaseSource(folder / Path(path if isinstance(path, str) else path[0]).expanduser(), query, reading)
    return FileSource([path] if isinstance(path, str) else list(path), folder, reading)


def declared_reading(table: str, section: Mapping[str, Any], zone: str | None) -> Reading:
    """How the rows of one table are read; arguments as of ``declared_source``."""
    preset = dict(read_preset(section["preset"], table=table)) if section.get("preset") else {}
    columns = preset.pop("columns", {})
    told = {key: value for key, value in {**preset, **section}.items() if key in Reading.__dataclass_fields__}
    if "datetime_format" in section or "day_first" in section:  # how the user's times are written, as a whole
        told |= {"datetime_format": section.get("datetime_format"), "day_first": section.get("day_first", False)}
    return Reading(
        **{
            **told,
            "timezone": told.get("timezone") or zone,
            "preset": {ours: theirs for ours, theirs in columns.items() if ours not in section.get("columns", {})},
        }
    )
