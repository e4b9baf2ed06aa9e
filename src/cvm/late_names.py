"""Packages whose names are imported on first use, so that naming one does not import what the others need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def late_names(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """What such a package has as its ``__getattr__``.

    Parameters
    ----------
    package : str
        Its name, for the message about a name that it does not have.
    homes : mapping of str to str
        Public name to the module that defines it. None may be called as a module of the package is: once imported, that
        module would stand in its place.
    """

    def found(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; its public names are {[*homes]}")
        return getattr(import_module(homes[name]), name)

    return found
