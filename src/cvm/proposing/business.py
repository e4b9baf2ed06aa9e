"""Facts of the business that columns may tell or not: the currency, the time zone, the margin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zoneinfo import available_timezones

from cvm.proposing.questions import Question
from cvm.proposing.synonyms import currency_of
from cvm.proposing.tables import Candidate

_SUBJECT = "business"
_UKRAINIAN = re.compile("[іїєґ]", re.IGNORECASE)
# What stands first where nothing tells a currency.
_UNTOLD = "USD"
# What stands first where no row tells its margin, and has to be replaced.
ALL_IS_MARGIN = "1.0"


def currency_question(candidates: Sequence[Candidate]) -> Question:
    """Which currency the amounts of these tables are in."""
    proposal, reason = _told_currency(candidates)
    return Question(_SUBJECT, "currency of the amounts, ISO 4217", proposal, reason, _currency_problem)


def zone_question(tables: Sequence[str]) -> Question:
    """In which zone times are that do not tell it."""
    return Question(
        _SUBJECT,
        "time zone of times that carry none, such as Europe/Kyiv",
        "UTC",
        f"times of {', '.join(tables)} tell none; only you know it",
        _zone_problem,
    )


def margin_question() -> Question:
    """How much of the revenue is margin, where no row tells it."""
    return Question(
        _SUBJECT,
        "margin_rate: of 1 in revenue, how much is margin, such as 0.3",
        ALL_IS_MARGIN,
        "only you know it: 1.0 says that all revenue is profit, and CLV is that much too high",
        _margin_problem,
    )


def _told_currency(candidates: Sequence[Candidate]) -> tuple[str, str]:
    for candidate in candidates:
        match = candidate.matches.get("currency")
        codes = candidate.sample.columns[match.theirs[0]].few if match else ()
        if match and codes:
            others = f" ({', '.join(codes)}: data.exchange_rates has to tell their worth)" if len(codes) > 1 else ""
            return codes[0].upper(), f"column {match.shown} of {candidate.sample.files.shown}{others}"
    amounts = [
        one.sample.columns[name] for one in candidates if "amount" in one.matches for name in one.matches["amount"].theirs
    ]
    for facts in amounts:
        if facts.are_priced and (found := currency_of(facts.sign or "")):
            return found, f"{facts.sign} stands beside the amounts"
    for facts in amounts:
        if found := currency_of(facts.name):
            return found, f"the name of column {facts.name}"
    names = " ".join(name for one in candidates for name in one.sample.columns)
    if _UKRAINIAN.search(names):
        return "UAH", "nothing tells it; names of columns are Ukrainian"
    return _UNTOLD, "nothing tells it, so it is a guess: say which it is"


def _currency_problem(answer: str) -> str | None:
    return (
        None
        if re.fullmatch("[A-Za-z]{3}", answer)
        else f"{answer!r} is no code of three letters, such as EUR, GBP, USD or UAH"
    )


def _margin_problem(answer: str) -> str | None:
    is_share = re.fullmatch(r"0?\.\d+|1(\.0*)?", answer) and float(answer) > 0
    return None if is_share else f"{answer!r} is no number above 0 and up to 1; write 0.3 where 30 % of the price is margin"


def _zone_problem(answer: str) -> str | None:
    zones = available_timezones()
    if answer in zones:
        return None
    meant = answer.casefold().replace(" ", "_")
    likely = sorted(zone for zone in zones if meant in (zone.casefold(), zone.rpartition("/")[2].casefold()))
    return f"{answer!r} is not an IANA time zone; write for example {' or '.join(likely) or 'Europe/Kyiv'}"
