"""``try_strptime`` for Spark, whose own formats of time know other letters and are lenient in other places."""

from __future__ import annotations

import re

from cvm.engines.error import QueryError

_MONTHS = [
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
]
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
# Specifier -> pattern of Java. Numbers take as many digits as they can, and give none back.
_FIELDS = {
    "Y": r"\d{1,4}+",
    "y": r"\d{1,2}+",
    "m": r"\d{1,2}+",
    "d": r"\d{1,2}+",
    "H": r"\d{1,2}+",
    "I": r"\d{1,2}+",
    "M": r"\d{1,2}+",
    "S": r"\d{1,2}+",
    "f": r"\d{1,6}+",
    "g": r"\d{1,3}+",
    "p": "(?i:am|pm)",
    "B": f"(?i:{'|'.join(_MONTHS)})",
    "b": f"(?i:{'|'.join(month[:3] for month in _MONTHS)})",
    "A": f"(?i:{'|'.join(_DAYS)})",
    "a": f"(?i:{'|'.join(day[:3] for day in _DAYS)})",
    "z": r"[+-]\d{2}(?::?\d{2})?",
}
_BLANKS = r"[\t\n\x0B\f\r ]"


def strptime_sql(text: str, pattern: str) -> str:
    """SQL of Spark for the moment that ``text`` names under a ``strptime`` pattern, null where it names none.

    Parameters
    ----------
    text : str
        SQL of Spark.
    pattern : str

    Returns
    -------
    str
        A timestamp without zone, or of UTC with one where the pattern has ``%z``.

    Raises
    ------
    QueryError
        If the pattern has a specifier that is not known here.
    """
    matched, order = _java(pattern)
    if len(set(order)) < len(order):
        raise QueryError(f"the pattern {pattern!r} names a part of the time twice")
    whole = _quoted(rf"\A{_BLANKS}*{matched}{_BLANKS}*\z")

    def field(name: str) -> str:
        return f"regexp_extract({text}, {whole}, {order.index(name) + 1})"

    def number(name: str, default: str) -> str:
        return f"CAST({field(name)} AS INT)" if name in order else default

    year = number("Y", "1900")
    if "y" in order:
        year = f"({number('y', '')} + CASE WHEN {number('y', '')} < 69 THEN 2000 ELSE 1900 END)"
    month = number("m", "1")
    for name, words in (("B", _MONTHS), ("b", [word[:3] for word in _MONTHS])):
        if name in order:
            month = f"array_position(array({', '.join(map(_quoted, words))}), lower({field(name)}))"
    hour = number("H", "0")
    if "I" in order:
        is_pm = f"lower({field('p')}) = 'pm'" if "p" in order else "false"
        twelve = number("I", "")
        hour = f"CASE WHEN {twelve} BETWEEN 1 AND 12 THEN {twelve} % 12 + CASE WHEN {is_pm} THEN 12 ELSE 0 END END"
    second = number("S", "0")
    # Seconds of 60 would be taken for the next minute.
    fraction = next(
        (f"CAST(rpad({field(name)}, 6, '0') AS DECIMAL(6, 0)) * 0.000001BD" for name in "fg" if name in order), "0"
    )
    seconds = f"CASE WHEN {second} < 60 THEN CAST({second} AS DECIMAL(8, 6)) + {fraction} END"
    parts = f"{year}, CAST({month} AS INT), {number('d', '1')}, {hour}, {number('M', '0')}, {seconds}"
    moment = f"make_timestamp_ntz({parts})"
    if "z" in order:
        offset = f"rpad(replace({field('z')}, ':', ''), 5, '0')"
        minutes = f"(CAST(substr({offset}, 2, 2) AS INT) * 60 + CAST(substr({offset}, 4, 2) AS INT))"
        signed = f"{minutes} * CASE WHEN {offset} LIKE '-%' THEN -1 ELSE 1 END"
        moment = f"CAST(timestampadd(MINUTE, -({signed}), {moment}) AS TIMESTAMP_LTZ)"
    return f"CASE WHEN {text} RLIKE {whole} THEN {moment} END"


def _java(pattern: str) -> tuple[str, list[str]]:
    """A pattern of Java with a group for each field, and the fields in their order."""
    found, order = [], []
    for sign in re.findall(r"%-?.|\s+|.", pattern, flags=re.DOTALL):
        if sign[0] != "%" or sign == "%%":
            found.append(f"{_BLANKS}+" if sign.isspace() else rf"\Q{sign[-1]}\E")
            continue
        name = sign[-1].replace("h", "b")
        if name not in _FIELDS:
            known = ", ".join(f"%{each}" for each in _FIELDS)
            raise QueryError(f"Spark does not know {sign}; it knows {known}")
        found.append(f"({_FIELDS[name]})")
        order.append(name)
    return "".join(found), order


def _quoted(text: str) -> str:
    """A literal of Spark, in which a backslash stands for itself only when written twice."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
