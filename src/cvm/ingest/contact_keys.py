"""SQL that turns an e-mail address or a telephone number into a key: equal for equal contacts, null for placeholders."""

from __future__ import annotations

from collections.abc import Sequence

from cvm.engines import literal
from cvm.engines.sql import BLANKS

# What forms that demand an address get: letters alone are compared, so that "no-reply" and "noreply" are the same.
_NOBODY = (
    "abc", "anon", "anonymous", "asdf", "donotreply", "dummy", "email", "example", "fake", "guest", "mail", "na", "name",
    "nan", "nil", "no", "noaddress", "nobody", "noemail", "nomail", "none", "noname", "noreply", "notavailable",
    "notprovided", "null", "qwerty", "sample", "spam", "test", "tester", "testing", "undefined", "unknown", "user",
    "x", "xx", "xxx", "xxxx",
)  # fmt: skip
_NOWHERE = r"@(invalid|localhost|na|noemail|nomail|none|nowhere|null|test|unknown)\.|\.(invalid|test|localhost)$"

_ADDRESS = r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+\.[^@\s<>,;:\".\d]{2,}"
# One mailbox, however many dots are in its name and whatever follows a plus (Gmail Help, "Dots don't matter").
_GMAIL = r"@(gmail|googlemail)\.com$"

# Digits and what people write between them.
_NUMBER = r"[+0-9(][+0-9()\s.\-\x{00A0}]*"
# National trunk prefixes other than 0; Italy dials the 0 from abroad too.
_TRUNK = {"7": "8", "39": ""}
# E.164 allows 15 digits; with fewer than 8 a number lacks its area.
_PHONE_DIGITS = (8, 15)
# A number that ends like this was typed to get past a form.
_RUNS = [digit * 7 for digit in "0123456789"] + ["1234567", "12345678", "123456789", "1234567890", "7654321", "9876543210"]
_NATIONAL_DIGITS = 9


def mail_address(raw: str) -> str:
    """SQL for an address as it is written to: lower case, no blanks around; whether it is one, ``email_key`` tells."""
    return f"lower(trim({raw}, {literal(BLANKS)}))"


def email_key(raw: str) -> str:
    """SQL for the mailbox an address reaches; null when it is no address or one of nobody.

    Upper and lower case and blanks around do not matter. What follows a plus is part of the address, and so are dots,
    except at Gmail, which ignores both.

    Parameters
    ----------
    raw : str
        SQL for the address as text.
    """
    address = mail_address(raw)
    user = f"split_part({address}, '@', 1)"
    letters = f"regexp_replace({user}, '[^\\p{{L}}]', '', 'g')"
    # Expressions alone: DuckDB 2.0 trips over `split_part(...) IN (...)` in a CASE over a column of nulls.
    return (
        f"CASE WHEN NOT regexp_full_match({address}, {literal(_ADDRESS)}) THEN NULL "
        f"WHEN regexp_full_match({letters}, {_one_of(_NOBODY)}) AND {_few_digits(user)} THEN NULL "
        f"WHEN regexp_matches({address}, {literal(_NOWHERE)}) THEN NULL "
        f"WHEN regexp_matches({address}, {literal(_GMAIL)}) "
        f"THEN replace(split_part({user}, '+', 1), '.', '') || '@gmail.com' "
        f"ELSE {address} END"
    )


def phone_key(raw: str, *, country_code: str | None) -> str:
    """SQL for the digits of a telephone number, with its country where that is known; null when nobody can be reached.

    Blanks, brackets, dashes, a "(0)" and an extension do not matter, nor whether the country is led by ``+`` or ``00``.
    A number without either is national when ``country_code`` is given and it does not begin with it: the trunk prefix
    makes way for the country. Without ``country_code`` its digits stand as they are.

    Parameters
    ----------
    raw : str
        SQL for the number as text.
    country_code : str or None
        Digits, such as 380.
    """
    # An extension or a second number comes after a letter, a comma or the like.
    number = f"replace(regexp_extract({raw}, {literal(_NUMBER)}), '(0)', '')"
    digits = f"regexp_replace({number}, '[^0-9]', '', 'g')"
    whole = digits
    if country_code is not None:
        trunk = _TRUNK.get(country_code, "0")
        national = f"regexp_replace({digits}, {literal(f'^{trunk}')}, '')" if trunk else digits
        has_country = f"starts_with({digits}, {literal(country_code)}) AND length({digits}) > {_NATIONAL_DIGITS}"
        whole = f"CASE WHEN {has_country} THEN {digits} ELSE {literal(country_code)} || {national} END"
    key = (
        f"CASE WHEN starts_with(ltrim({number}, '( '), '+') THEN {digits} "
        f"WHEN starts_with({digits}, '00') THEN {digits}[3:] ELSE {whole} END"
    )
    least, most = _PHONE_DIGITS
    reachable = f"length({digits}) >= {least} AND length({key}) BETWEEN {least} AND {most}"
    run = f"regexp_matches({key}, {literal('(' + '|'.join(_RUNS) + ')$')})"
    return f"CASE WHEN {reachable} AND NOT {run} THEN {key} END"


def _one_of(words: Sequence[str]) -> str:
    return literal(f"({'|'.join(words)})")


def _few_digits(user: str) -> str:
    """``test2`` is nobody; ``user48151623`` may be somebody."""
    return f"length(regexp_replace({user}, '[^0-9]', '', 'g')) <= 3"
