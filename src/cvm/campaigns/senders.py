"""Which columns each sender's import expects: titles, order, separator, encoding.

Most imports let the user match columns by hand, so that the titles here are those their documentation or their own exports
use; Mindbox, Google Ads and Meta go by the titles alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cvm.campaigns.addresses import EMAIL, PHONE, USABLE, google_hash_sql, hash_sql

# SQL of what can stand in a column besides the columns of the audience itself, with the address it tells.
_EMAIL, _DIGITS = USABLE[EMAIL], USABLE[PHONE]
_NUMBER = f"'+' || {_DIGITS}"
COMPUTED = {
    "email": _EMAIL,
    "phone": _NUMBER,
    "phone_digits": _DIGITS,
    "google_email": google_hash_sql(_EMAIL),
    "google_phone": hash_sql(_NUMBER),
    "meta_email": hash_sql(_EMAIL),
    "meta_phone": hash_sql(_DIGITS),
}
ADDRESS = {name: EMAIL if EMAIL in name else PHONE for name in COMPUTED}


@dataclass(frozen=True)
class SenderTemplate:
    """The file one sender imports.

    Attributes
    ----------
    columns : mapping of str to str
        Title to what stands below it, in order: a name of ``COMPUTED``, else a column of the audience. A column the audience
        lacks is left out of the file.
    delimiter : str
    has_bom : bool
        Whether the file is likely to be opened in Excel before it is imported.
    needs_address : bool
        Whether a customer without any address is of no use to it.
    is_hashed : bool
        Whether nothing but hashes may stand in it; attributes are left out, and addresses serve to find people, not to
        write to them, so both are in it whatever the channel.
    source : str
        Where its format is described.
    """

    columns: Mapping[str, str]
    delimiter: str = ","
    has_bom: bool = False
    needs_address: bool = True
    is_hashed: bool = False
    source: str = ""


TEMPLATES: dict[str, SenderTemplate] = {
    "plain": SenderTemplate(
        {
            "customer_id": "customer_id",
            "campaign_id": "campaign_id",
            "arm": "arm",
            "channel": "channel",
            "email": "email",
            "phone": "phone",
            "first_name": "first_name",
            "last_name": "last_name",
        },
        has_bom=True,
        needs_address=False,
        source="our own names",
    ),
    "crm": SenderTemplate(
        {
            "ID": "customer_id",
            "First Name": "first_name",
            "Last Name": "last_name",
            "Email": "email",
            "Phone": "phone",
            "Campaign": "campaign_id",
            "Arm": "arm",
            "Channel": "channel",
        },
        delimiter=";",
        has_bom=True,
        needs_address=False,
        source="contact exports of Bitrix24 and Salesforce; columns are matched at import",
    ),
    "mailchimp": SenderTemplate(
        {
            "Email Address": "email",
            "First Name": "first_name",
            "Last Name": "last_name",
            "SMS Phone Number": "phone",
            "Customer ID": "customer_id",
        },
        source="Mailchimp Help, Format Guidelines for Your Import File; Import SMS Marketing Contacts",
    ),
    "sendpulse": SenderTemplate(
        {"Email": "email", "Phone": "phone_digits", "Name": "first_name", "customer_id": "customer_id"},
        source="SendPulse Knowledge Base, mailing lists; further columns become variables",
    ),
    "unisender": SenderTemplate(
        {"email": "email", "phone": "phone_digits", "Name": "first_name", "customer_id": "customer_id"},
        delimiter=";",
        source="UniSender Support, How to import your contact base; field_names of its API method importContacts",
    ),
    "mindbox": SenderTemplate(
        {
            "ExternalId": "customer_id",
            "Email": "email",
            "MobilePhone": "phone_digits",
            "FirstName": "first_name",
            "LastName": "last_name",
        },
        delimiter=";",
        source="Mindbox Help, client import; the title of the external id is the project's own",
    ),
    "google_ads": SenderTemplate(
        {"Email": "google_email", "Phone": "google_phone"},
        is_hashed=True,
        source="Google Ads Help, Formatting guidelines for hashed data; Google Data Manager API, Format user data",
    ),
    "meta": SenderTemplate(
        {"email": "meta_email", "phone": "meta_phone"},
        is_hashed=True,
        source="Meta Business Help Centre, How to format a customer list; Marketing API, Customer File Custom Audiences",
    ),
}
