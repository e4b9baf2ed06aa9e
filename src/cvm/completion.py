"""What the shell offers for values of options and arguments: names that cost next to nothing to find out.

Runs at each press of Tab, so it imports nothing heavy, and what goes wrong offers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

# Those of the rooms that make them, which would take long to import; a test compares.
DATASET_NAMES = ("cdnow", "complete-journey", "hillstrom", "online-retail", "starbucks", "telco")
WAREHOUSE_NAMES = ("snowflake", "bigquery", "databricks", "redshift", "postgres", "duckdb", "spark")
ALIASES = ("champion", "challenger")


def one_of(names: Sequence[str]) -> Callable[[str], list[str]]:
    """Completion of a value from a list that is known beforehand."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return complete


def campaign_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Plans of the parameter file that the line names, else of ``params.yaml`` in this folder."""
    from cvm.errors import CvmError
    from cvm.params_file import read_mapping

    try:
        sections: Any = read_mapping(Path(ctx.params.get("params") or "params.yaml"))
    except CvmError:
        return []
    for key in ("campaigns", "plans"):
        sections = sections.get(key) if isinstance(sections, dict) else None
    return [str(name) for name in sections or () if str(name).startswith(incomplete)] if isinstance(sections, dict) else []
