"""Where a message reaches a customer: the address a channel needs, as SQL, and what is wrong where there is none."""

from __future__ import annotations

from collections.abc import Collection

from cvm.engines import identifier, literal
from cvm.ingest.contact_keys import email_key, mail_address, phone_key

EMAIL, PHONE = "email", "phone"
ADDRESSES = (EMAIL, PHONE)
# Columns of a query that hold them once they are checked, and what is wrong where they are null; no user's are called so.
USABLE = {name: identifier(f"usable {name}") for name in ADDRESSES}
FLAW = {name: identifier(f"flaw of {name}") for name in ADDRESSES}
# Channels whose messages go to an e-mail address or a telephone number; a letter or a notice in an app needs neither.
CHANNELS = {
    "email": EMAIL, "e-mail": EMAIL, "newsletter": EMAIL,
    "sms": PHONE, "mms": PHONE, "call": PHONE, "phone": PHONE, "message": PHONE, "viber": PHONE, "whatsapp": PHONE,
}  # fmt: skip


def address_of(channel: str) -> str | None:
    """``email`` or ``phone``, whichever the channel needs; none where it needs neither, or is not known."""
    return CHANNELS.get(channel.strip().casefold())


def email_sql(raw: str) -> str:
    """SQL for the address to write to; null when it is none, one of nobody, or one a spreadsheet would read as a formula."""
    address = mail_address(raw)
    return (
        f"CASE WHEN {email_key(raw)} IS NOT NULL AND NOT regexp_matches({address}, {literal('^[-=+@]')}) THEN {address} END"
    )


def phone_sql(raw: str, *, country_code: str | None) -> str:
    """SQL for the digits of an international number, its country first; null where it is none or its country is not known.

    Parameters
    ----------
    raw : str
        SQL for the number as text.
    country_code : str or None
        Country of numbers that name none, such as 380.

    Source
    ------
    ITU-T E.164: up to 15 digits, none of whose country codes begins with 0.
    """
    digits = phone_key(raw, country_code=country_code)
    return f"CASE WHEN NOT starts_with({digits}, '0') THEN {digits} END"


def checked_columns(email: str, phone: str, *, country_code: str | None) -> list[str]:
    """SQL for the columns ``USABLE`` and ``FLAW`` out of both addresses as they were given.

    Parameters
    ----------
    email, phone : str
        SQL for texts.
    country_code : str or None
    """
    number = phone_key(phone, country_code=country_code)
    flaws = {
        EMAIL: f"WHEN {_is_blank(email)} THEN 'no e-mail' ELSE 'unusable e-mail'",
        PHONE: f"WHEN {_is_blank(phone)} THEN 'no phone' WHEN {number} IS NULL THEN 'unusable phone' "
        "ELSE 'phone without its country'",
    }
    usable = {EMAIL: email_sql(email), PHONE: phone_sql(phone, country_code=country_code)}
    columns = []
    for name in ADDRESSES:
        columns.append(f"{usable[name]} AS {USABLE[name]}")
        columns.append(f"CASE WHEN {usable[name]} IS NOT NULL THEN NULL {flaws[name]} END AS {FLAW[name]}")
    return columns


def _is_blank(text: str) -> str:
    return f"trim(coalesce({text}, '')) = ''"


def unreachable_sql(needed: Collection[str]) -> str:
    """SQL, over the columns of ``checked_columns``, for why nothing reaches a customer; null where something does.

    Parameters
    ----------
    needed : collection of str
        Of ``email`` and ``phone``; one of them is enough. None: everybody is reached.
    """
    # Null as soon as one of them has no flaw.
    return " || ', ' || ".join(FLAW[name] for name in needed) or "CAST(NULL AS VARCHAR)"


def google_hash_sql(email: str) -> str:
    """SQL for the SHA-256 by which Google knows an address: at Gmail without dots and without what follows a plus.

    Source
    ------
    Google Data Manager API, "Format user data".
    """
    user, domain = f"split_part({email}, '@', 1)", f"split_part({email}, '@', 2)"
    bare = f"replace(split_part({user}, '+', 1), '.', '')"
    return f"sha256(CASE WHEN {domain} IN ('gmail.com', 'googlemail.com') THEN {bare} || '@' || {domain} ELSE {email} END)"


def hash_sql(text: str) -> str:
    """SQL for the SHA-256 of a text, in hexadecimal digits."""
    return f"sha256({text})"
