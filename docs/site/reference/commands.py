"""Every command with its arguments and options, from the functions that the command line calls."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from cvm.cli import app
from reference.tables import Row, code, prose, table

_SHARED = ("--params", "--set", "--quiet")
_VALUES = {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH", datetime: "DATE"}


@dataclass(frozen=True)
class Parameter:
    """One argument or option.

    Attributes
    ----------
    names : tuple of str
        Spellings of an option, the longest first; of an argument its name.
    value : str
        What it takes; empty for a flag.
    default : str
        ``required``, or as it would be written; empty where leaving it out means none.
    meaning : str
    """

    names: tuple[str, ...]
    value: str
    default: str
    meaning: str

    @property
    def is_option(self) -> bool:
        """Whether it is told by a name rather than by its place."""
        return self.names[0].startswith("-")


@dataclass(frozen=True)
class Command:
    """One command: its name with that of its group, what it does, what it takes."""

    name: str
    meaning: str
    parameters: tuple[Parameter, ...]


def command_sections() -> str:
    """Markdown: what several commands share, then a section per command."""
    found = all_commands()
    shared = {one.names[0]: one for command in found for one in command.parameters if one.names[0] in _SHARED}
    before = _parameters(app.registered_callback.callback) if app.registered_callback else []
    common = (_table(before), _table([shared[name] for name in _SHARED]))
    parts = [
        "## What many share\n\nBefore the command:\n\n{}\nBehind the command, where it reads params.yaml:\n\n{}".format(
            *common
        )
    ]
    for command in found:
        own = [one for one in command.parameters if one.names[0] not in _SHARED]
        usage = " ".join(["cvm", command.name, *(one.names[0] for one in own if not one.is_option), "[OPTIONS]"])
        options = _table(own) if own else ""
        parts += [f"## cvm {command.name}", f"`{usage}`", f"<p>{prose(command.meaning)}</p>", options]
    return "\n\n".join(filter(None, parts))


def all_commands() -> list[Command]:
    """All there are, those of groups last."""
    return list(_walk(app, ()))


def _walk(group: typer.Typer, path: tuple[str, ...]) -> Iterator[Command]:
    for info in group.registered_commands:
        if info.callback is None or info.hidden:
            continue
        name = info.name or info.callback.__name__
        meaning = " ".join((inspect.getdoc(info.callback) or "").split())
        yield Command(" ".join((*path, name)), meaning, tuple(_parameters(info.callback)))
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from _walk(inner.typer_instance, (*path, str(inner.name)))


def _parameters(function: Callable[..., object] | None) -> list[Parameter]:
    if function is None:
        return []
    hints = get_type_hints(function, include_extras=True)
    given = inspect.signature(function).parameters.values()
    return [_parameter(one.name, hints[one.name], one.default) for one in given]


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    annotation, told = hint, None
    if get_origin(hint) is Annotated:
        annotation, *extras = get_args(hint)
        told = next((extra for extra in extras if isinstance(extra, (ArgumentInfo, OptionInfo))), None)
    is_flag = annotation is bool
    meaning = (told.help if told else None) or ""
    if isinstance(told, OptionInfo):
        # Inside of Annotated the first spelling stands where a default would.
        spelled = [text for text in (told.default, *(told.param_decls or ())) if isinstance(text, str)]
        names = tuple(sorted(spelled or [f"--{name.replace('_', '-')}"], key=len, reverse=True))
        return Parameter(names, "" if is_flag else _value(annotation), _default(default), meaning)
    return Parameter((name.rstrip("_").upper(),), "", _default(default), meaning)


def _value(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "|".join(str(member.value) for member in annotation)
    if get_origin(annotation) in (Union, types.UnionType, list):
        return next(_value(inner) for inner in get_args(annotation) if inner is not type(None))
    return _VALUES.get(annotation, "TEXT")


def _default(default: Any) -> str:
    if default in (inspect.Parameter.empty, ...):
        return "required"
    if default is None or default is False:
        return ""
    shown = default.value if isinstance(default, Enum) else default.date() if isinstance(default, datetime) else default
    return str(shown)


def _table(given: list[Parameter]) -> str:
    rows = (Row("", (_named(one), one.default and _shown(one.default), prose(one.meaning))) for one in given)
    return table(("Option", "Default", "Meaning"), rows, kind="options")


def _named(one: Parameter) -> str:
    names = ", ".join(map(code, one.names))
    return f"{names} <small>{one.value}</small>" if one.value else names


def _shown(default: str) -> str:
    return default if default == "required" else code(default)
