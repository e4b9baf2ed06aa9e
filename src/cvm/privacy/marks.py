"""What tells of a person in a table: ids, and contacts that nobody else has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.sql import BLANKS

# Columns of ours, and of the files for senders, that hold ids; the user's own names for them are added.
ID_COLUMNS = ("customer_id", "account_id", "source_id", "id", "customer id", "externalid")
# A shorter text stands in files by chance; it is looked for as the whole value of a column of ids, not anywhere.
_TELLING_SIGNS = 6
# So many texts fit into one expression; of more, only whole values are looked for in tables.
_MOST_SEARCHED = 200
_NESTED = ("[]", ")")
# Of these, senders get the hash of the name without dots and without what follows a plus; elsewhere that is another mailbox.
_DOTS_DO_NOT_MATTER = ("gmail.com", "googlemail.com")


@dataclass(frozen=True)
class Marks:
    """What a person, or several, can be found by.

    Attributes
    ----------
    ids : frozenset of str
        Everything the person is called in columns of ids.
    contacts : frozenset of str
        E-mail addresses, telephone numbers and their hashes, in lower case, that nobody else has.
    id_columns : frozenset of str
        Names of columns that hold ids, in lower case.
    """

    ids: frozenset[str]
    contacts: frozenset[str] = frozenset()
    id_columns: frozenset[str] = field(default=frozenset(ID_COLUMNS))

    @property
    def telling(self) -> list[str]:
        """Those that are looked for anywhere, in lower case."""
        return sorted({mark.lower() for mark in self.ids | self.contacts if len(mark) >= _TELLING_SIGNS})

    def install(self, engine: DuckDBEngine) -> None:
        """Make the expressions below mean something to an engine; ids go there as values, not as parts of statements."""
        for name, texts in (("marks_ids", self.ids), ("marks_contacts", self.contacts)):
            engine.register("marks_given", pa.table({"mark": pa.array(sorted(texts), pa.string())}))
            engine.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT mark FROM marks_given; DROP VIEW marks_given")
        engine.execute("SET VARIABLE marks = (SELECT list(mark) FROM (FROM marks_ids UNION FROM marks_contacts))")

    def row_sql(self, columns: Mapping[str, str]) -> str:
        """SQL for whether a row is the person's.

        Parameters
        ----------
        columns : mapping of str to str
            Names and types of the relation.
        """
        tests = []
        for name, kind in columns.items():
            text = f"trim(CAST({identifier(name)} AS VARCHAR), {literal(BLANKS)})"
            if name.lower() in self.id_columns:
                tests.append(f"coalesce({text} IN (FROM marks_ids), false)")
            if kind == "VARCHAR" and self.contacts:
                tests.append(f"coalesce(lower({text}) IN (FROM marks_contacts), false)")
        return " OR ".join(tests) or "false"

    def without_elements(self, columns: Mapping[str, str]) -> dict[str, str]:
        """SQL for columns of lists of texts, such as examples, without what tells of the person."""
        is_mark = "coalesce(list_contains(getvariable('marks'), one), false)"
        return {
            name: f"list_filter({identifier(name)}, lambda one: NOT {is_mark})"
            for name, kind in columns.items()
            if kind == "VARCHAR[]"
        }

    def trace_sql(self, columns: Mapping[str, str]) -> dict[str, str]:
        """SQL, by column, for whether a value still tells of the person, alone or within a text, a list or a structure."""
        anywhere = self.telling if len(self.telling) <= _MOST_SEARCHED else []
        pattern = literal("|".join(bounded(mark) for mark in anywhere))
        found = {}
        for name, kind in columns.items():
            text = f"CAST({identifier(name)} AS VARCHAR)"
            tests = [self.row_sql({name: kind})]
            if anywhere and (kind == "VARCHAR" or kind.endswith(_NESTED)) and not kind.startswith("DECIMAL"):
                tests.append(f"coalesce(regexp_matches(lower({text}), {pattern}), false)")
            if tests != ["false"]:
                found[name] = " OR ".join(tests)
        return found


def bounded(mark: str) -> str:
    """Regular expression for a text that is not a part of a longer word or number."""
    escaped = "".join(sign if sign.isalnum() or ord(sign) > 127 else f"\\x{ord(sign):02x}" for sign in mark)
    return rf"(?:^|[^0-9a-z_]){escaped}(?:$|[^0-9a-z_])"


def contact_marks(addresses: Iterable[str], numbers: Iterable[str]) -> Iterator[str]:
    """A person's contacts as they stand in tables and in files for senders, which may hold hashes of them.

    Parameters
    ----------
    addresses : iterable of str
        E-mail addresses, as given and as keys.
    numbers : iterable of str
        Telephone numbers, as given and as keys. What stands there and reaches nobody, such as ``n/a`` or ``123``, marks
        nobody either: others have the same text in other columns.
    """
    for address in addresses:
        user, _, domain = address.strip().lower().partition("@")
        if user and domain:
            bare = user.partition("+")[0].replace(".", "") if domain in _DOTS_DO_NOT_MATTER else user
            for form in {f"{user}@{domain}", f"{bare}@{domain}"}:
                yield from (form, _sha256(form))
    for number in numbers:
        digits = "".join(sign for sign in number if sign.isdecimal())
        if len(digits) >= _TELLING_SIGNS:
            for form in {number.strip().lower(), digits, f"+{digits}"}:
                yield from (form, _sha256(form))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
