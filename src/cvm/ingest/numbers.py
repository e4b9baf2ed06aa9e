"""How numbers are written in text: the decimal mark and the mark between thousands, as declared."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cvm.engines import identifier, literal

_EXPONENT = r"([eE][+-]?\d+)?"
# Exports put any kind of space and either apostrophe where the user sees one.
_MARKS = {".": r"\.", ",": ",", " ": "[ \u00a0\u2009\u202f]", "'": "['\u2019]"}
_BLANKS = f"{_MARKS[' ']}*"


@dataclass(frozen=True)
class NumberFormat:
    """Marks of numbers in text; a value that does not follow them is no number.

    Attributes
    ----------
    decimal : str
        ``.`` or ``,``.
    thousands : str or None
        One of ``.``, ``,``, a space and ``'``; ``None`` means that digits are not grouped.
    sign : str or None
        Currency that may stand before or behind a number, such as ``$`` or ``грн``.
    """

    decimal: str = "."
    thousands: str | None = None
    sign: str | None = None

    def is_number(self, text: str) -> str:
        """SQL that says whether a text is a number."""
        mark = _MARKS[self.decimal]
        whole = rf"(\d{{1,3}}({_MARKS[self.thousands]}\d{{3}})+|\d+)" if self.thousands else r"\d+"
        pattern = self._priced("[+-]?", rf"({whole}({mark}\d*)?|{mark}\d+){_EXPONENT}")
        return f"regexp_full_match({text}, {literal(pattern)})"

    def is_quantity(self, name: str) -> str:
        """SQL that says whether all values of a text column are plain numbers: neither 007 nor a number of 16 digits."""
        pattern = self._priced("-?", rf"(0|[1-9]\d{{0,14}})({_MARKS[self.decimal]}\d+)?")
        return f"coalesce(bool_and(regexp_full_match({identifier(name)}, {literal(pattern)})), false)"

    def _priced(self, minus: str, number: str) -> str:
        """The pattern of a number with the currency that may stand before or behind it."""
        if not self.sign:
            return minus + number
        sign = re.escape(self.sign)
        return rf"({minus}({sign}{_BLANKS})?|{sign}{_BLANKS}{minus}){number}({_BLANKS}{sign}\.?)?"

    def plain(self, text: str) -> str:
        """SQL of the same number as the engine writes it."""
        if self.sign:
            pattern = rf"{_BLANKS}{re.escape(self.sign)}(\.$)?{_BLANKS}"
            text = f"regexp_replace({text}, {literal(pattern)}, '', 'g')"
        if self.thousands:
            text = f"regexp_replace({text}, {literal(_MARKS[self.thousands])}, '', 'g')"
        return text if self.decimal == "." else f"replace({text}, {literal(self.decimal)}, '.')"
