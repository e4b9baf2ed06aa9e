"""The pages that a reader reads, and the blocks of code they hold."""

from __future__ import annotations

import ast
import builtins
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = sorted({*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"})
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A piece of code of a page."""

    page: Path
    language: str
    code: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}: {self.code.splitlines()[0] if self.code else ''}"

    @property
    def free_names(self) -> set[str]:
        """Names that it uses without making them, where it is Python."""
        nodes = list(ast.walk(ast.parse(self.code)))
        names = [node for node in nodes if isinstance(node, ast.Name)]
        aliases = [alias for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names]
        made = {(alias.asname or alias.name).split(".")[0] for alias in aliases} | {
            node.id for node in names if isinstance(node.ctx, ast.Store)
        }
        return {node.id for node in names} - made - set(dir(builtins))


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """What a page says outside of its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def code_marks(page: Path) -> list[str]:
    """Everything in code marks, within a line."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def blocks(*languages: str) -> list[Block]:
    """All blocks of the pages in these languages; that of a block without one is empty."""
    found = []
    for page in PAGES:
        for indent, language, code in _FENCE.findall(page.read_text(encoding="utf-8")):
            lines = code.splitlines()
            found.append(Block(page, language, "\n".join(line.removeprefix(indent) for line in lines)))
    return [block for block in found if block.language in languages]
