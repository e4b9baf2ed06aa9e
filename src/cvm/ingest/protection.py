"""What ingest never stores: people who asked to be forgotten, rows past their time, and, with pseudonyms, who somebody is.

All of it happens in the query that reads an export, before the first byte is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from cvm.engines import Engine, identifier, literal
from cvm.engines.sql import BLANKS
from cvm.ingest.contact_keys import email_key, phone_key
from cvm.ingest.contracts import Contract
from cvm.privacy.keyed_hash import KeyedHash
from cvm.privacy.suppression import NOBODY, Forgotten

FORGOTTEN = "forgotten at the person's request"
EXPIRED = "older than privacy.keep_days"
NEVER_STORED = (FORGOTTEN, EXPIRED)

# Columns that hold ids of customers, and what tells how old a row is: the first that the table has.
IDS = ("customer_id", "source_id")
_AGE = {
    "transactions": ("occurred_at",),
    "events": ("occurred_at",),
    "subscriptions": ("ended_at",),
    "assignments": ("assigned_at",),
    "features": ("as_of", "recorded_at"),
}
CONTACTS = ("email", "phone")
# Attributes that say who somebody is; with pseudonyms they are not read at all.
_NAMES = ("name", "first_name", "last_name", "full_name", "middle_name", "surname", "address", "street")


@dataclass(frozen=True)
class Protection:
    """Rules of privacy for ingest; by default nothing is held back.

    Attributes
    ----------
    pseudonyms : KeyedHash or None
        Under which key customers are hashed; then contacts are kept only as hashes to match accounts by, and only in the
        checked rows of exports.
    forgotten : Forgotten
    keep_days : mapping of str to int
        Table to the age in days from which on its rows go.
    country_code : str or None
        Country of telephone numbers that name none.
    reads_contacts : bool
        Whether accounts will be matched; else contacts are not read at all with pseudonyms.
    """

    pseudonyms: KeyedHash | None = None
    forgotten: Forgotten = NOBODY
    keep_days: Mapping[str, int] = field(default_factory=dict)
    country_code: str | None = None
    reads_contacts: bool = True

    @property
    def fingerprint(self) -> str:
        """What decides, beside the way of reading, under which names rows are stored; empty without pseudonyms."""
        return f"{self.pseudonyms.fingerprint} {self.country_code}" if self.pseudonyms else ""

    def install(self, engine: Engine) -> None:
        """Make the expressions below mean something to an engine."""
        if self.pseudonyms:
            self.pseudonyms.install(engine)
        self.forgotten.install(engine)

    def hides(self, name: str) -> bool:
        """Whether an attribute is not read."""
        unread = _NAMES if self.reads_contacts else (*_NAMES, *CONTACTS)
        return self.pseudonyms is not None and name.lower() in unread

    def kept_since(self, table: str, now: datetime) -> datetime | None:
        """First moment of which rows of a table are kept; None keeps all. Whole days, so that a day has one answer."""
        days = self.keep_days.get(table)
        return None if days is None else datetime.combine(now.date() - timedelta(days=days), time())

    def never_stored(self, contract: Contract, names: Collection[str], now: datetime) -> str | None:
        """SQL, over canonical columns as they were given, for why a row is not stored, or null; None if all are."""
        cases = []
        forms = self._id_forms(names) if self.forgotten else []
        if forms:
            cases.append(f"WHEN {self.forgotten.sql(forms)} THEN {literal(FORGOTTEN)}")
        since, age = self.kept_since(contract.table, now), age_sql(contract.table, names)
        if since and age:
            cases.append(f"WHEN {age} < {literal(since)} THEN {literal(EXPIRED)}")
        return f"CASE {' '.join(cases)} END" if cases else None

    def stored(self, names: Collection[str]) -> dict[str, str]:
        """SQL for the canonical columns that are stored otherwise than they were given."""
        if not self.pseudonyms:
            return {}
        hashed = {name: self.pseudonyms.pseudonym_sql(name) for name in IDS if name in names}
        keys = {"email": email_key("email"), "phone": phone_key("phone", country_code=self.country_code)}
        # Empty text where the contact reaches nobody, as identity resolution has it.
        contacts = {
            name: f"CASE WHEN {name} IS NOT NULL THEN coalesce({self.pseudonyms.sql(keys[name])}, '') END"
            for name in CONTACTS
            if name in names
        }
        return hashed | contacts

    def shown(self, ours: str | None, written: str) -> str | None:
        """SQL for a value of a row left out, ``written`` as it was given, in the quarantine; None where it is not shown.

        ``ours`` is the canonical name of its column, None where it has none.
        """
        if not self.pseudonyms:
            return written
        if ours in IDS:
            return self.pseudonyms.pseudonym_sql(f"nullif(trim({written}, {literal(BLANKS)}), '')")
        return None if ours is None or ours in CONTACTS else written

    def without_contacts(self, engine: Engine) -> None:
        """Take what accounts were matched by out of the clean table of customers."""
        if self.pseudonyms and "customers" in engine.tables():
            columns = engine.columns("customers")
            kept = [identifier(name) for name in columns if name not in CONTACTS]
            if len(kept) < len(columns):
                engine.replace_table("customers", f"SELECT {', '.join(kept)} FROM customers")

    def _id_forms(self, names: Collection[str]) -> list[str]:
        """Everything an id may be called: bare, as a pseudonym, and by its system where ids of several systems are alike."""
        bare = [name for name in IDS if name in names]
        forms = [*bare, *(self.pseudonyms.pseudonym_sql(name) for name in bare if self.pseudonyms)]
        return forms + [f"source || ':' || {form}" for form in forms if "source" in names]


UNPROTECTED = Protection()


def keep_days_key(table: str) -> str:
    """Key of ``params.yaml`` that says how long rows of a table are kept."""
    return f"privacy.keep_days.{'own_features' if table == 'features' else table}"


def age_sql(table: str, names: Collection[str]) -> str | None:
    """SQL for the moment that tells how old a row is; None where the table has none."""
    told = [name for name in _AGE.get(table, ()) if name in names]
    return f"coalesce({', '.join(told)})" if told else None
