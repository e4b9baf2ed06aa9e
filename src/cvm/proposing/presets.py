"""Exports of well-known programs, known by the names of their columns."""

from __future__ import annotations

from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.presets import preset_names, preset_sections
from cvm.proposing.samples import TableSample

# A preset is meant where so many of its columns, and this share of them, are there under their very names.
_AT_LEAST, _SHARE = 3, 0.6


def fitting_presets(sample: TableSample) -> dict[str, str]:
    """Canonical table to the preset whose export the file is."""
    found: dict[str, tuple[int, str]] = {}
    for name in preset_names():
        for table, section in preset_sections(name).items():
            columns, defaults = section.get("columns", {}), section.get("defaults", {})
            listed = {ours: [theirs] if isinstance(theirs, str) else theirs for ours, theirs in columns.items()}
            present = [ours for ours, theirs in listed.items() if any(one in sample.columns for one in theirs)]
            needed = [ours for ours in CONTRACTS[table].required if ours not in defaults]
            is_meant = len(present) >= max(_AT_LEAST, _SHARE * len(columns)) and set(needed) <= set(present)
            if is_meant and len(present) > found.get(table, (0, ""))[0]:
                found[table] = (len(present), name)
    return {table: name for table, (_, name) in found.items()}
