"""HTML that cannot be injected into: whatever is not markup already is escaped on its way in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from typing import Any

_VOID = {"br", "input", "meta", "link"}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Markup | None | Iterable["Child"]


def tag(name: str, /, *children: Child, **attributes: str | bool | float | None) -> Markup:
    """One element.

    Parameters
    ----------
    name : str
    *children : str, Markup, None or iterables of these
        Plain text is escaped; None is nothing.
    **attributes : str, bool, number or None
        ``class_`` is ``class``, ``data_key`` is ``data-key``; True stands alone, False and None are left out.
    """
    opening = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{opening}>")
    return Markup(f"<{name}{opening}>{markup(children)}</{name}>")


def markup(children: Child) -> Markup:
    """Children one after the other, plain text escaped."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(escape(children, quote=False))
    return Markup("".join(markup(child) for child in children))


def script_json(value: Any) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _attribute(key: str, value: str | bool | float | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
