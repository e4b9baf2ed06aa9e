"""Every key of ``params.yaml``: what it may be from the models that check it, what it means from the file that ships."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from datetime import date
from inspect import getdoc
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from cvm.params import Params
from cvm.params_data import Section
from reference.params_comments import ITEM, comments
from reference.tables import Row, code, prose, table

SHIPPED = Path(__file__).parents[3] / "params.yaml"
_WORDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    date: "date",
    SecretStr: "text, kept secret",
    type(None): "null",
}
_SIGNS = {"gt": "> {}", "ge": "≥ {}", "lt": "< {}", "le": "≤ {}", "min_length": "{} or longer", "max_length": "{} at most"}
_NOT_OF_THE_FILE = ("root",)
# In place of a key: a name that the user gives.
NAME = "NAME"


def params_tables() -> str:
    """Markdown: a section per key at the top of the file; those that are no sections together at the end."""
    said = comments(SHIPPED.read_text(encoding="utf-8"))
    parts, plain = [], []
    for name, field in Params.model_fields.items():
        if name in _NOT_OF_THE_FILE:
            continue
        section = section_of(field.annotation)
        if section is None:
            plain.append(_row((name,), field, said))
            continue
        intro = prose((getdoc(section) or "").split("\n\n")[0])
        about = prose(_sentence(said.get((name,), "")))
        rows = _rows(section, (name, *_named(field.annotation)), said, {})
        parts.append(f"## {name}\n\n<p>{intro}</p>\n\n{f'<p>{about}</p>' if about else ''}\n\n{_table(rows)}")
    return "\n".join([*parts, f"## The rest\n\n{_table(plain)}"])


def all_keys() -> list[tuple[str, ...]]:
    """Path of every key of the file, sections included."""
    return [path for path, _ in _walk(Params, (), {}) if path[0] not in _NOT_OF_THE_FILE]


def _sentence(comment: str) -> str:
    """A comment on a section, which stands alone on the page."""
    comment = f"see {comment}" if comment.startswith("docs/") else comment.removesuffix(", each e.g.")
    return f"{comment[:1].upper()}{comment[1:]}." if comment else ""


def _table(rows: Iterable[Row]) -> str:
    return table(("Key", "Takes", "Default", "Meaning"), rows, kind="params")


def _rows(
    section: type[Section], path: tuple[str, ...], said: dict[tuple[str, ...], str], seen: dict[Any, Any]
) -> Iterator[Row]:
    for inner, field in _walk(section, path, seen):
        yield _row(inner, field, said)


def _walk(
    section: type[Section], path: tuple[str, ...], seen: dict[type[Section], tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Keys below a section; those of a kind of section that several keys share are told once, at the first of them."""
    for name, field in section.model_fields.items():
        here = (*path, name)
        yield here, field
        below = section_of(field.annotation)
        if below is not None and seen.setdefault(below, here) == here:
            yield from _walk(below, (*here, *_named(field.annotation)), seen)


def section_of(annotation: Any) -> type[Section] | None:
    """The kind of section that a key holds, be it one, a list or one per name; None where it holds a value."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(section_of, get_args(annotation))), None)


def _named(annotation: Any) -> tuple[str, ...]:
    """What stands between a key and those of its section: nothing, an item of a list, or a name that the user gives."""
    containers = {get_origin(kind) for kind in (annotation, *get_args(annotation))}
    return (NAME,) if dict in containers else (ITEM,) if list in containers else ()


def _row(path: tuple[str, ...], field: FieldInfo, said: dict[tuple[str, ...], str]) -> Row:
    shown = _shown(path[1:] or path)
    return Row(".".join(path), (code(shown), _takes(field), _default(field), prose(_meaning(path, field, said))))


def _shown(path: tuple[str, ...]) -> str:
    return ".".join(path).replace(f".{ITEM}", ITEM).removeprefix(f"{ITEM}.")


def _meaning(path: tuple[str, ...], field: FieldInfo, said: dict[tuple[str, ...], str]) -> str:
    """The comment of the file; else what the section says of itself."""
    own = next((text for written, text in said.items() if _is_same(written, path)), "")
    if own:
        return own
    below = section_of(field.annotation)
    return (getdoc(below) or "").split("\n\n")[0] if below else ""


def _is_same(written: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(written) == len(path) and all(ours in (word, NAME) for word, ours in zip(written, path, strict=True))


def _takes(field: FieldInfo) -> str:
    return _of(field.annotation, field.metadata)


def _of(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """A type with its bounds in words, as HTML."""
    bounds = ", ".join(_bounds(metadata))
    return f"{_kind(annotation)}{f' {bounds}' if bounds else ''}"


def _kind(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _of(inner[0], inner[1:])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_kind, inner)))
    if origin is Literal:
        return ", ".join(code(str(value)) for value in inner)
    if origin is list:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"{{{_kind(inner[0])}: {_kind(inner[1])}}}"
    return (
        "section"
        if section_of(annotation)
        else _WORDS.get(annotation, code(getattr(annotation, "__name__", str(annotation))))
    )


def _bounds(metadata: Iterable[Any]) -> Iterator[str]:
    for given in metadata:
        if isinstance(given, FieldInfo):
            yield from _bounds(given.metadata)
        for name, sign in _SIGNS.items():
            bound = getattr(given, name, None)
            if bound is not None and not (name == "min_length" and bound == 1):
                yield sign.replace(" ", "\N{NO-BREAK SPACE}").format(f"{bound:,.10g}")
        pattern = getattr(given, "pattern", None)
        if pattern:
            yield f"like {code(pattern)}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Section):
        return ""
    written = yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("\n...\n").strip()
    return code(written)
