"""The parts by name, each imported when it is asked for: who is timed holds no more packages than the work needs."""

from __future__ import annotations

from importlib import import_module

from speed_parts.contenders import Part

# In the order of the page.
PARTS = ("features", "btyd", "score", "evaluation")


def part_named(name: str) -> Part:
    """``PART`` of the module of that name."""
    part: Part = import_module(f"speed_parts.{name}").PART
    return part
