"""Packages whose names are imported on first use, so that naming one does not import what the others need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any


def getter_of(names: dict[str, Any], homes: Mapping[str, str]) -> Callable[[str], Any]:
    """What such a package has as its ``__getattr__``.

    Parameters
    ----------
    names : dict of str to object
        ``globals()`` of the package; what was found once is kept there.
    homes : mapping of str to str
        Public name to the module that defines it. None may be called as a module of the package is: once imported, that
        module would stand in its place.
    """
    package = names["__name__"]

    def found(name: str) -> Any:
        if name not in homes:
            near = sorted(get_close_matches(name, homes))
            hint = f"did you mean one of {near}?" if near else f"its public names are {sorted(homes)}"
            raise AttributeError(f"module {package!r} has no attribute {name!r}; {hint}")
        names[name] = getattr(import_module(homes[name]), name)
        return names[name]

    return found
