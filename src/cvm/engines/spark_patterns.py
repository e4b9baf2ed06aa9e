"""Regular expressions of DuckDB (RE2) in the words of Java, which Spark uses.

Source
------
Syntax of RE2, and ``java.util.regex.Pattern``.
"""

from __future__ import annotations

import re

# Java also takes the vertical tab for a space.
_SPACES = r"\t\n\f\r "


def java_pattern(pattern: str) -> str:
    """A pattern that matches in Java what ``pattern`` matches in RE2: ``$`` is the end of the text, not of its last line."""
    found, in_class = [], False
    for sign in re.findall(r"\\.|.", pattern, flags=re.DOTALL):
        if sign == r"\s":
            found.append(_SPACES if in_class else f"[{_SPACES}]")
        elif in_class:
            found.append(rf"\{sign}" if sign in "[&" else sign)
            in_class = sign != "]"
        else:
            found.append({"$": r"\z", ".": r"[^\n]"}.get(sign, sign))
            in_class = sign == "["
    return "".join(found)


def first_only(pattern: str) -> str:
    """A pattern of Java that matches a text up to and with its first match; groups count from the second on."""
    return rf"\A((?s:.*?))(?:{pattern})"


def java_replacement(replacement: str, *, shift: int = 0) -> str:
    r"""A replacement with ``\1`` as ``$1``; with a shift, behind what ``first_only`` passes over."""
    found = ["$1"] if shift else []
    for sign in re.findall(r"\\.|.", replacement, flags=re.DOTALL):
        if sign[0] == "\\" and sign[1:].isdigit():
            found.append(f"${int(sign[1:]) + shift if sign[1:] != '0' else 0}")
        else:
            # A digit behind a group would be taken for a part of its number.
            found.append(rf"\{sign[-1]}" if sign[-1] in "$\\0123456789" else sign[-1])
    return "".join(found)
