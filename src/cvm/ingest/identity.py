"""One profile per customer: who is who, and what says so.

Accounts are one person when the table ``identities`` gives them one ``customer_id``, or when they share an e-mail address
or a telephone number; and so on from account to account. All tables follow, and every merge is listed with its cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cvm.engines import DuckDBEngine, literal
from cvm.engines.sql import literals, parquet
from cvm.ingest.accounts import add_probable_links, customer_tables, name_accounts, read_contacts
from cvm.ingest.merging import LISTED, TOO_LONG, TOO_MANY, merge_contacts, merge_listed
from cvm.ingest.profiles import follow
from cvm.workspace import replaced_file

MERGED = "merged"
AMBIGUOUS = "ambiguous_id"

# From the strongest evidence to the weakest, and how it is called in a sentence.
_VIA = {LISTED: "identities", "email": "e-mail", "phone": "phone", "splink": "splink"}
_WORKING_TABLES = ("account", "contact", "evidence", "group", "held", "ignored", "listed", "moved", "person", "shared")


@dataclass(frozen=True)
class IdentitySettings:
    """What makes two accounts one person.

    Attributes
    ----------
    match : sequence of str
        Of ``email`` and ``phone``, the contacts to match on; what ``identities`` lists always counts.
    max_accounts_per_key : int, >= 1
        A contact shared by more than so many people merges nobody. Five accounts of one person are plausible (shop, app,
        marketplace, loyalty card, guest order); an address shared by more is that of an office, a till or a placeholder.
    max_accounts_per_person : int, >= 1
        A longer chain of shared contacts merges nobody along it.
    country_code : str or None
        Country of telephone numbers that name none, such as 380.
    probabilistic : bool
        Also merge accounts that are probably one person by their names, contacts, dates of birth and postcodes. Splink
        learns from the base it is given, so that it may find more in a base that was merged before.
    threshold : float, 0 to 1
        From which probability on.
    contacts_are_keys : bool
        Whether ``customers`` holds keys of contacts already, as it does with pseudonyms.
    """

    match: Sequence[str] = ("email", "phone")
    max_accounts_per_key: int = 5
    max_accounts_per_person: int = 20
    country_code: str | None = None
    probabilistic: bool = False
    threshold: float = 0.95
    contacts_are_keys: bool = False


@dataclass(frozen=True)
class IdentityOutcome:
    """What identity resolution did, in counts.

    Attributes
    ----------
    n_accounts, n_people : int
        Accounts that were merged, and the people they became.
    n_people_via : dict of str to int
        People by the strongest evidence that two of their accounts are one: identities, email, phone, splink.
    n_ignored : dict of str to int
        Shared keys that merged nobody, by reason: ``too_many_accounts``, ``chain_too_long``.
    n_ambiguous_ids : int
        Ids in rows without a source that several systems use for different accounts.
    """

    n_accounts: int
    n_people: int
    n_people_via: dict[str, int]
    n_ignored: dict[str, int]
    n_ambiguous_ids: int

    @property
    def message(self) -> str:
        """One line for the terminal."""
        via = ", ".join(f"{_VIA[name]} {n:,}" for name, n in self.n_people_via.items())
        merged = f"{_count(self.n_accounts, 'account')} of {_count(self.n_people, 'person')} merged ({via})"
        parts = [merged if self.n_people else "no accounts merged"]
        n_ignored = sum(self.n_ignored.values())
        if n_ignored:
            parts.append(f"{_count(n_ignored, 'shared key')} ignored")
        return f"identity: {'; '.join(parts)}"

    def warnings(self, path: Path) -> tuple[str, ...]:
        """What a reader should look at, and in which file."""
        found = []
        n_many, n_long = self.n_ignored.get(TOO_MANY, 0), self.n_ignored.get(TOO_LONG, 0)
        if n_many:
            found.append(
                f"identity: {_count(n_many, 'contact')} shared by more accounts than identity.max_accounts_per_key "
                f"merged nobody ({path}, status {TOO_MANY})"
            )
        if n_long:
            found.append(
                f"identity: {_count(n_long, 'contact')} in chains of more accounts than identity.max_accounts_per_person "
                f"merged nobody ({path}, status {TOO_LONG})"
            )
        if self.n_ambiguous_ids:
            found.append(
                f"identity: {_count(self.n_ambiguous_ids, 'id')} without a source that several systems use stayed apart "
                f"({path}, status {AMBIGUOUS}). Map the column that tells the system to source."
            )
        return tuple(found)


def resolve_identities(engine: DuckDBEngine, settings: IdentitySettings) -> IdentityOutcome | None:
    """Merge the accounts of one person in all tables.

    Parameters
    ----------
    engine : DuckDBEngine
        Holds the clean tables, of which any may be missing; afterwards ``customer_id`` is the same for all accounts of a
        person: the one that ``identities`` gives, else that of the account that signed up first, else the smallest.
        ``identities`` afterwards lists every account of the systems it knows, with that id. What was merged, and why, is in
        the temporary table ``identity_listing``, which ``write_identities`` takes away.
    settings : IdentitySettings

    Returns
    -------
    IdentityOutcome or None
        ``None`` when there is neither a table ``identities`` nor a contact to match on; then nothing is touched.

    Raises
    ------
    CvmError, InsufficientDataError
        If ``probabilistic`` and Splink is not installed, or has nothing to learn from.
    """
    tables = engine.tables()
    columns = engine.columns("customers") if "customers" in tables else {}
    if LISTED not in tables and not any(kind in columns for kind in settings.match) and not settings.probabilistic:
        return None
    name_accounts(engine)
    read_contacts(engine, settings.match, country_code=settings.country_code, are_keys=settings.contacts_are_keys)
    if settings.probabilistic:
        add_probable_links(engine, threshold=settings.threshold, country_code=settings.country_code)
    merge_listed(engine)
    merge_contacts(
        engine,
        max_accounts_per_key=settings.max_accounts_per_key,
        max_accounts_per_person=settings.max_accounts_per_person,
    )
    _choose_ids(engine)
    _list(engine)
    follow(engine)
    if LISTED in tables:
        engine.replace_table(
            LISTED,
            "SELECT source, source_id, coalesce(customer_id, account_id) AS customer_id "
            "FROM identity_account LEFT JOIN identity_moved USING (account_id) ORDER BY source, source_id",
        )
    for name in _WORKING_TABLES:
        engine.execute(f"DROP TABLE identity_{name}")
    return _outcome(engine, "identity_listing")


def write_identities(engine: DuckDBEngine, path: Path) -> None:
    """Write what ``resolve_identities`` merged, and why, to a Parquet file; without anything to match on, remove it.

    ==============  ====================================================================================================
    ``status``       ``merged``; why a shared key was ignored (``too_many_accounts``, ``chain_too_long``); ``ambiguous_id``
    ``customer_id``  the person's id from now on; null unless merged
    ``account_id``   the id before; null where a key was ignored
    ``via``          ``identities``, ``email``, ``phone`` or ``splink``
    ``key_hash``     the same for all accounts that share the key. It is made of account ids, never of a contact: the hash
                     of a telephone number gives the number away to anyone who tries them all
    ``n_accounts``   of the person, or how many share the ignored key
    ==============  ====================================================================================================

    A person is listed once per account and key, so that the listed keys alone connect all accounts of a person.
    """
    if "identity_listing" not in engine.tables():
        path.unlink(missing_ok=True)
        return
    with replaced_file(path) as temporary:
        engine.write_parquet("SELECT * FROM identity_listing ORDER BY ALL", temporary)
    engine.execute("DROP TABLE identity_listing")


def read_identity_outcome(path: Path) -> IdentityOutcome | None:
    """The outcome as ``write_identities`` wrote it, or ``None`` if there was nothing to match on."""
    if not path.is_file():
        return None
    with DuckDBEngine() as engine:
        return _outcome(engine, parquet([path]))


def _choose_ids(engine: DuckDBEngine) -> None:
    """Write the temporary table ``identity_moved``: ``account_id`` and the ``customer_id`` of its person."""
    # What the map ends in comes before what it only passes through.
    given = "SELECT customer_id FROM identity_listed"
    passed = "SELECT account_id FROM identity_listed WHERE account_id <> customer_id"
    has_time = "customers" in engine.tables() and "signed_up_at" in engine.columns("customers")
    signed_up = (
        "SELECT customer_id, min(signed_up_at) AS signed_up_at FROM customers "
        "WHERE customer_id IN (SELECT account_id FROM identity_person) GROUP BY 1"
        if has_time
        else "SELECT NULL::VARCHAR AS customer_id, NULL::TIMESTAMP AS signed_up_at WHERE false"
    )
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE identity_moved AS "
        "SELECT account_id, first_value(account_id) OVER (PARTITION BY person ORDER BY "
        f"account_id IN ({given}) DESC, account_id IN ({passed}), signed_up_at NULLS LAST, account_id) AS customer_id "
        f"FROM identity_person LEFT JOIN ({signed_up}) AS account ON account_id = account.customer_id"
    )


def _list(engine: DuckDBEngine) -> None:
    """Write the temporary table ``identity_listing``: merges, ignored keys and ambiguous ids."""
    present = customer_tables(engine)
    seen = " UNION ".join(
        f"SELECT customer_id FROM {table} WHERE customer_id IN (SELECT account_id FROM identity_moved)" for table in present
    )
    # A contact has one holder at least, and an account one contact of a kind: the first holder tells keys apart.
    contact_key = "via || ' of ' || min(account_id) OVER (PARTITION BY via, key)"
    key = f"CASE WHEN via IN ('email', 'phone') THEN {contact_key} ELSE via || ' ' || key END"
    several = "SELECT source_id FROM identity_account WHERE source_id <> account_id"
    ambiguous = " UNION ".join(f"SELECT customer_id FROM {table} WHERE customer_id IN ({several})" for table in present)
    engine.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE identity_listing AS
        WITH merged AS (
            SELECT moved.customer_id, account_id, count(*) OVER (PARTITION BY moved.customer_id) AS n_accounts
            FROM identity_moved AS moved WHERE account_id IN ({seen})
        ), evidence AS (SELECT via, account_id, {_hash(key)} AS key_hash FROM identity_evidence)
        SELECT {literal(MERGED)} AS status, customer_id, account_id, via, key_hash, n_accounts
        FROM merged JOIN evidence USING (account_id) WHERE n_accounts > 1 OR account_id <> customer_id
        UNION ALL
        SELECT status, NULL, NULL, via, {_hash("via || ' of ' || first_account")}, n_accounts FROM identity_ignored
        UNION ALL
        SELECT {literal(AMBIGUOUS)}, NULL, customer_id, NULL, NULL, NULL FROM ({ambiguous})
        WHERE customer_id NOT IN (SELECT customer_id FROM identity_listed)
        """
    )


def _hash(text: str) -> str:
    return f"left(sha256({text}), 16)"


def _outcome(engine: DuckDBEngine, listing: str) -> IdentityOutcome:
    merged = f"(SELECT * FROM {listing} WHERE status = {literal(MERGED)} AND n_accounts > 1)"
    counts = engine.row(
        f"SELECT count(DISTINCT account_id) AS n_accounts, count(DISTINCT customer_id) AS n_people FROM {merged}"
    )
    strongest = f"min(list_position([{literals(_VIA)}], via))"
    via = engine.table(
        f"SELECT place, count(*) AS n FROM (SELECT customer_id, {strongest} AS place FROM {merged} GROUP BY 1) "
        "GROUP BY 1 ORDER BY 1"
    ).to_pylist()
    others = engine.table(
        f"SELECT status, count(*) AS n FROM {listing} WHERE status <> {literal(MERGED)} GROUP BY 1 ORDER BY 1"
    ).to_pylist()
    by_status = {row["status"]: row["n"] for row in others}
    return IdentityOutcome(
        n_accounts=counts["n_accounts"],
        n_people=counts["n_people"],
        n_people_via={list(_VIA)[row["place"] - 1]: row["n"] for row in via},
        n_ignored={status: n for status, n in by_status.items() if status != AMBIGUOUS},
        n_ambiguous_ids=by_status.get(AMBIGUOUS, 0),
    )


def _count(n: int, noun: str) -> str:
    plural = {"person": "people"}.get(noun, f"{noun}s")
    return f"{n:,} {noun if n == 1 else plural}"
