"""All features of the catalogue, as of a warehouse that has every table, every column and a few types of events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, groupby

from cvm.features import query
from cvm.features.catalogue import Feature
from cvm.features.economics import Economics
from cvm.features.own import OwnTable
from cvm.features.supplied import Role, Supplied
from cvm.ingest.contracts import CONTRACTS
from reference.tables import Row, code, prose, table

# Types of event that have features of their own beside those that every type has.
_EVENT_TYPES = ("email_sent", "email_open", "email_click", "nps", "visit")
# The column that stands for any of the user's own.
_COLUMN = "COLUMN"
_OF_A_TYPE = re.compile(rf"(n|trend|days_since)_({'|'.join(_EVENT_TYPES)})(_\d+d)?")
_WINDOW = re.compile(r"_(\d+)d$")
_TITLES = {
    "orders": ("Orders", "Table `transactions`: an order is all lines of one customer on a day, or of one `order_id`."),
    "line": ("Money and lines", "Table `transactions`, line by line, returns included."),
    "ledger": (
        "Cost to serve",
        "Tables `transactions` and `events`, where `business.unit_costs` are known; `historic_value` is then less the cost.",
    ),
    "mix": ("Preferences", "The most used value of a text column of `transactions` or `events`, and how loyal to it."),
    "event": (
        "Behaviour and contacts",
        "Table `events`. `TYPE` is every type of event in it, of the most frequent "
        f"{query.MAX_EVENT_TYPES}, in lower case with underscores.",
    ),
    "subscription": ("Subscriptions", "Table `subscriptions`."),
    "profile": ("Attributes", "Table `customers`; `COLUMN` is every further column that tells no person."),
    "own": ("Your own features", "Table `features`: see docs/own-features.md."),
}


def feature_tables() -> str:
    """Markdown: a table per relation that features are computed from."""
    parts = []
    for kind, members in groupby(sorted(catalogue(), key=_order), key=_kind):
        title, source = _TITLES.get(kind, (kind.capitalize(), ""))
        rows = [_row(family) for family in _families(members)]
        head = ("Feature", "Unit", "Meaning", "Without a row", "Needs")
        parts.append(f"## {title}\n\n<p>{prose(source)}</p>\n\n{table(head, rows, kind='features')}")
    return "\n".join(parts)


def catalogue() -> list[Feature]:
    """Every feature there can be, one per window, the user's own names replaced by ``TYPE`` and ``COLUMN``."""
    columns = {name: {column.name: column.kind.value for column in contract.columns} for name, contract in CONTRACTS.items()}
    columns["customers"][_COLUMN] = "VARCHAR"
    schema = query.Schema(columns, _EVENT_TYPES, own=_own_table())
    economics = (Economics(), Economics(cost_per_return=1.0))
    found: dict[str, Feature] = {}
    for feature in chain.from_iterable(query.catalogue(schema, priced) for priced in economics):
        named = _of_any_type(feature)
        found.setdefault(named.name, named)
    return list(found.values())


def _own_table() -> OwnTable:
    return OwnTable({_COLUMN: "DOUBLE"}, Supplied({_COLUMN: Role.NUMBER}, left_out={}), n_undated={})


def _of_any_type(feature: Feature) -> Feature:
    match = _OF_A_TYPE.fullmatch(feature.name)
    if match is None:
        return feature
    kind = match[2]
    return replace(
        feature, name=feature.name.replace(kind, "TYPE", 1), meaning=re.sub(rf"\b{kind}\b", "TYPE", feature.meaning)
    )


def _kind(feature: Feature) -> str:
    if feature.relation.startswith("mix_"):
        return "mix"
    return "line" if feature.relation == "active_day" else feature.relation


def _order(feature: Feature) -> int:
    kinds = list(_TITLES)
    return kinds.index(_kind(feature)) if _kind(feature) in kinds else len(kinds)


def _families(members: Iterator[Feature]) -> list[list[Feature]]:
    """Features that differ in their window alone, together."""
    families: dict[str, list[Feature]] = {}
    for feature in members:
        families.setdefault(_WINDOW.sub("_{window}d", feature.name), []).append(feature)
    return list(families.values())


def _row(family: list[Feature]) -> Row:
    first = family[0]
    names = "<br>".join(code(feature.name) for feature in family)
    window = _WINDOW.search(first.name)
    meaning = re.sub(rf"\b{window[1]}\b", "N", first.meaning) if window and len(family) > 1 else first.meaning
    empty = "0" if first.empty == "0" else "missing"
    return Row(first.name, (names, prose(first.unit), prose(meaning), empty, _needs(first)))


def _needs(feature: Feature) -> str:
    if feature.relation.startswith("mix_"):
        column = feature.relation.removeprefix("mix_")
        is_event = column.startswith("event_")
        return code(f"events.{column.removeprefix('event_')}" if is_event else f"transactions.{column}")
    relation = "events" if feature.relation == "event" else "transactions"
    return ", ".join(code(f"{relation}.{name}") for name in feature.needs)
