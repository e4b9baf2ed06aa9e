"""What ``params.yaml`` says of each of its keys, also of those that are commented out there."""

from __future__ import annotations

import re
from collections.abc import Iterator

Path = tuple[str, ...]
# In place of a key: an item of a list.
ITEM = "[]"
# Where a comment stands so far to the right, it goes on from the line above.
_GOES_ON = 20
_KEY = re.compile(r"""(- )?["']?([A-Za-z_]\w*)["']?:(?=\s|$)(.*)""")
_BEHIND = re.compile(r"\s#\s+(.*)$")


def comments(text: str) -> dict[Path, str]:
    """Path of a key to the comment on it, lines joined; keys without one are left out.

    Parameters
    ----------
    text : str
        Of a ``params.yaml`` that is laid out as the one that ships.
    """
    found: dict[Path, list[str]] = {}
    open_keys: list[tuple[int, str]] = []
    before: list[str] = []
    for indent, line, is_comment in _lines(text):
        key = _KEY.match(line) if indent < _GOES_ON else None
        path = tuple(name for _, name in open_keys)
        if key is not None:
            path = _opened(open_keys, indent, key)
            behind = _BEHIND.search(key[3])
            found.setdefault(path, []).extend([*before, *([behind[1]] if behind else [])])
            before = []
        elif indent >= _GOES_ON and path:
            found[path].append(line)
        elif is_comment and line and not line.startswith("-"):
            before.append(line)
        elif not line:
            before = []
    return {path: " ".join(said).rstrip(":") for path, said in found.items() if said}


def _lines(text: str) -> Iterator[tuple[int, str, bool]]:
    """Indent and content of each line as if no line were commented out, and whether it was."""
    for written in text.splitlines():
        line = written.strip()
        indent, is_comment = len(written) - len(written.lstrip()), False
        while line.startswith("#"):
            is_comment, rest = True, line[1:]
            line = rest.lstrip()
            if indent >= _GOES_ON:
                break
            indent += max(0, len(rest) - len(line) - 1)
        yield indent, line, is_comment


def _opened(open_keys: list[tuple[int, str]], indent: int, key: re.Match[str]) -> Path:
    """Close what ``key`` ends, open it, and give its path."""
    while open_keys and open_keys[-1][0] >= indent:
        open_keys.pop()
    if key[1]:
        open_keys.append((indent, ITEM))
        indent += 2
    open_keys.append((indent, key[2]))
    return tuple(name for _, name in open_keys)
