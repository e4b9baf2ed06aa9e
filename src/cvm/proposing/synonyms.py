"""How files and columns are called: the words of ``synonyms.yaml``, and how a name is compared with them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

# Where one word of a name ends and the next begins: at other signs, between aB, and between ABc.
_SMALL, _CAPITAL = "[a-z0-9\u0430-\u045f\u0491]", "[A-Z\u0400-\u042f\u0490]"
_BETWEEN = re.compile(rf"[^\w']+|_+|(?<={_SMALL})(?={_CAPITAL})|(?<={_CAPITAL})(?={_CAPITAL}(?![0-9]){_SMALL})")
# Letters and signs that are written in two ways.
_SPELLINGS = str.maketrans("\u0451\u2019\u02bc", "\u0435''")
_SAME_AS = "="


def words(kind: str) -> Any:
    """The list or mapping of that name in ``synonyms.yaml``."""
    return _all_words()[kind]


@cache
def _all_words() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(files(__package__).joinpath("synonyms.yaml").read_text(encoding="utf-8"))
    return found


def tokens(name: str) -> tuple[str, ...]:
    """Words of a name, in lower case: ``InvoiceDate``, ``invoice_date`` and ``Invoice date`` are the same two."""
    spelled = unicodedata.normalize("NFKC", name).translate(_SPELLINGS)
    return tuple(part.lower() for part in _BETWEEN.split(spelled) if part)


@cache
def column_names(table: str, column: str) -> tuple[str, ...]:
    """What a canonical column is called elsewhere, the likeliest first."""
    columns: Mapping[str, Mapping[str, Sequence[str]]] = words("columns")
    found: list[str] = [column]
    for name in columns[table].get(column, ()):
        found += column_names(name.removeprefix(_SAME_AS), column) if name.startswith(_SAME_AS) else [name]
    return tuple(dict.fromkeys(found))


def likeness(name: str, known: Iterable[str]) -> tuple[int, int] | None:
    """How well a name fits the first of the ``known`` that it fits, smaller is better; ``None`` where it fits none.

    The first number is 0 for the same words, 1 where further words are only fillers; the second is the place in ``known``.
    """
    given, joined = tokens(name), "".join(tokens(name))
    places = list(enumerate(known))
    for place, one in places:
        if joined == "".join(tokens(one)):
            return 0, place
    for place, one in places:
        rest = _without(given, tokens(one))
        if rest is not None and set(rest) <= _fillers():
            return 1, place
    return None


def begins_like(name: str, known: Iterable[str]) -> bool:
    """Whether words of a name begin like one of the ``known``."""
    given = tokens(name)
    beginnings = [tokens(one) for one in known]
    return any(
        all(word.startswith(start) for word, start in zip(given[place:], one, strict=False))
        for one in beginnings
        for place in range(len(given) - len(one) + 1)
    )


def currency_of(text: str) -> str | None:
    """Currency that a sign or a word of ``text`` stands for."""
    known: Mapping[str, str] = words("currencies")
    signs = (sign for sign in known if not sign[0].isalpha() and sign in text)
    return next((known[word] for word in (*signs, *(token.rstrip(".") for token in tokens(text))) if word in known), None)


@cache
def _fillers() -> frozenset[str]:
    return frozenset(words("fillers"))


def _without(given: Sequence[str], part: Sequence[str]) -> list[str] | None:
    """What is left of ``given`` when the words ``part`` that follow each other are taken out."""
    for place in range(len(given) - len(part) + 1):
        if tuple(given[place : place + len(part)]) == tuple(part):
            return [*given[:place], *given[place + len(part) :]]
    return None
