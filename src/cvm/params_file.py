"""``params.yaml`` as plain values: YAML in, a mapping out. What the values mean is for ``cvm.params`` to say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cvm.errors import ParamsError, without_password


def read_mapping(path: Path) -> dict[Any, Any]:
    """The sections of a YAML file.

    Raises
    ------
    ParamsError
        If the file is missing, or is no YAML mapping in which every key stands once.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is not UTF-8 text ({error})"
        raise ParamsError(f"{path} cannot be read: {reason}. Choose another file with --params.") from None
    try:
        values = _yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ParamsError(f"{path} is not valid YAML{where}: {problem}. Mend the line, or choose another file.") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{path} holds no sections. Start from the params.yaml that ships with cvm.")
    return values


def with_overrides(values: dict[Any, Any], overrides: Sequence[str]) -> dict[Any, Any]:
    """``values``, changed by ``section.key=value`` pairs.

    Raises
    ------
    ParamsError
        If a pair is of another form, its value is no YAML, or it goes below a value.
    """
    for override in overrides:
        key, separator, text = override.partition("=")
        shown = without_password(override)
        if not separator or not key.strip():
            raise ParamsError(f"--set {shown!r} is not of the form section.key=value, for example windows.horizon_days=90.")
        try:
            value = _yaml(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise ParamsError(f"--set {shown!r}: the value {without_password(text)!r} is not valid YAML.") from None
        *sections, name = key.strip().split(".")
        node = values
        for section in sections:
            if node.get(section) is None:
                node[section] = {}
            if not isinstance(node[section], dict):
                raise ParamsError(f"--set {shown!r}: {section!r} is a value, not a section.")
            node = node[section]
        node[name] = value
    return values


# Far more than any params.yaml says; a few lines of aliases can unfold to more than any memory holds.
_MOST_VALUES = 100_000


class _Loader(yaml.SafeLoader):
    """YAML in which no key stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands there twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


# Dates stay text, so that a wrong one can be named by its key.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _yaml(text: str) -> Any:
    found = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    try:
        n_values = _n_values(found, {})
    except RecursionError:
        raise ValueError("a value holds itself, or values are nested without end; write it without aliases") from None
    if n_values > _MOST_VALUES:
        raise ValueError(f"its aliases unfold to {n_values:,} values, more than {_MOST_VALUES:,}; write fewer")
    return found


def _n_values(value: Any, known: dict[int, int]) -> int:
    """Values in a tree as it would be written out; the same value behind several aliases is looked at once."""
    if not isinstance(value, (dict, list)):
        return 1
    if id(value) not in known:
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_n_values(one, known) for one in inner)
    return known[id(value)]
