"""One language: its sentences out of a YAML file, its plurals, numbers and dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from math import isfinite
from typing import Any

import yaml

LANGUAGES = ("en", "uk", "ru")

_SIZES = ((1e9, "billion"), (1e6, "million"), (1e3, "thousand"))
_SPACE = "\N{NO-BREAK SPACE}"
# What stands where there is no value.
NOTHING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Words:
    """Sentences by key, and how numbers and dates are written.

    Attributes
    ----------
    language : str
        As HTML names it.
    texts : mapping of str to str
        Sentences by dotted key; ``{name}`` is filled in.
    """

    language: str
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: str) -> str:
        """The sentence of ``key`` with values filled in."""
        return self.texts[key].format(**values)

    def known(self, group: str, name: str | None) -> str:
        """What ``name`` is called here, such as the segment ``vip``; names of the user's own stay as they are."""
        return NOTHING if name is None else self.texts.get(f"{group}.{name}", name)

    def count(self, n: float, noun: str) -> str:
        """``n`` and the noun in the form that goes with it, such as ``12 customers``."""
        return f"{self.number(n)}{_SPACE}{self.texts[f'nouns.{noun}.{_form(self.language, round(n))}']}"

    def number(self, value: float, digits: int = 0) -> str:
        """In full, digits grouped: 12,345.6."""
        text = f"{abs(value):,.{digits}f}".replace(",", "_").replace(".", self.texts["format.decimal"])
        sign = _MINUS if value < 0 and float(f"{value:.{digits}f}") != 0 else ""
        return sign + text.replace("_", self.texts["format.thousands"].replace(" ", _SPACE))

    def short(self, value: float) -> str:
        """Three digits and the size: 12.3 k."""
        for size, name in _SIZES:
            if abs(value) >= size * 0.9995:
                return f"{self._three(value / size)}{_SPACE}{self.texts[f'format.{name}']}"
        return self._three(value)

    def money(self, value: float, currency: str) -> str:
        """Short, with its currency."""
        return f"{self.short(value)}{_SPACE}{currency}"

    def percent(self, share: float, digits: int = 1) -> str:
        """A share of 1."""
        return self.number(100 * share, digits) + self.texts["format.percent"].replace(" ", _SPACE)

    def signed(self, text: str, value: float) -> str:
        """``text`` of a change, with a plus where it is one."""
        return f"+{text}" if value > 0 else text

    def day(self, day: date) -> str:
        """1 Jan 2026."""
        return f"{day.day}{_SPACE}{self.texts[f'months_in_dates.{day.month}']}{_SPACE}{day.year}"

    def month(self, day: date) -> str:
        """Jan 2026."""
        return f"{self.texts[f'months.{day.month}']}{_SPACE}{day.year}"

    def _three(self, value: float) -> str:
        size = abs(value)
        return self.number(value, 0 if size >= 99.95 or size == round(size) else 1 if size >= 9.995 else 2)


def words(language: str) -> Words:
    """The words of one of ``LANGUAGES``."""
    return Words(language, _texts(language))


@cache
def _texts(language: str) -> Mapping[str, str]:
    text = files("cvm.reports.words").joinpath(f"{language}.yaml").read_text(encoding="utf-8")
    return dict(_flat(yaml.safe_load(text)))


def _flat(tree: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value)


def _form(language: str, n: int) -> str:
    """Plural form by the rules of Unicode CLDR for whole numbers."""
    n = abs(n)
    if language == "en":
        return "one" if n == 1 else "many"
    if n % 10 == 1 and n % 100 != 11:
        return "one"
    return "few" if n % 10 in (2, 3, 4) and n % 100 not in (12, 13, 14) else "many"


def is_number(value: Any) -> bool:
    """Whether ``value`` is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
