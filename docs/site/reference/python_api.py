"""The Python names, for mkdocstrings to fill in from their docstrings."""

from __future__ import annotations

import cvm
from cvm import engines
from cvm.models import btyd

_ELSEWHERE = {"Engines": engines, "Purchase processes": btyd}


def python_names() -> str:
    """Markdown: a directive for every public name, those of ``cvm`` first."""
    parts = ["## cvm", *(_directive(f"cvm.{name}") for name in sorted(cvm.__all__))]
    for title, module in _ELSEWHERE.items():
        shown = [name for name in module.__all__ if name not in cvm.__all__ and callable(getattr(module, name))]
        parts += [f"## {title}", *(_directive(f"{module.__name__}.{name}") for name in shown)]
    return "\n\n".join(parts)


def _directive(name: str) -> str:
    return f"::: {name}\n    options:\n      heading_level: 3"
