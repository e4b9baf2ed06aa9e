"""Every refusal: read from the source, so that nothing has to be imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import cvm
from reference.tables import Row, code, prose, table

_BASE = "CvmError"


def error_table() -> str:
    """Markdown: one table."""
    rows = (Row(kind.name, (code(kind.name), prose(_said(kind)), ", ".join(map(code, _also(kind))))) for kind in refusals())
    return table(("Error", "When", "Also a"), rows, kind="errors")


def refusals() -> list[ast.ClassDef]:
    """``CvmError`` and all that derive from it, the base first, then by name."""
    kinds = {kind.name: kind for kind in _classes()}
    family = {_BASE}
    while True:
        more = {name for name, kind in kinds.items() if family & set(_bases(kind))} - family
        if not more:
            break
        family |= more
    return [kinds[name] for name in sorted(family, key=lambda name: (name != _BASE, name))]


def _classes() -> Iterator[ast.ClassDef]:
    for path in sorted(Path(cvm.__file__).parent.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^class \w+\(.*Error\b", text, re.MULTILINE) or path.stem == "errors":
            yield from (node for node in ast.parse(text).body if isinstance(node, ast.ClassDef))


def _bases(kind: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).split(".")[-1] for base in kind.bases]


def _also(kind: ast.ClassDef) -> list[str]:
    return [name for name in _bases(kind) if name not in (_BASE, "Exception")]


def _said(kind: ast.ClassDef) -> str:
    return " ".join((ast.get_docstring(kind) or "").split("\n\n")[0].split())
