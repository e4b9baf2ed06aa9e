"""The user's own features: a table of their values over time joins every snapshot as it was known then.

Of a customer's rows the latest whose ``as_of`` lies at or before the snapshot's and which was recorded before it counts as a
whole. A row that names no time counts as known at every snapshot, older than all others; ``own_notes`` says what that risks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from cvm.engines import Engine, identifier
from cvm.engines.sql import literals, local_moment
from cvm.errors import InsufficientDataError
from cvm.features.catalogue import Feature
from cvm.features.supplied import Role, Supplied, column_value, supplied_columns

_TABLE = "features"
_DAY = 86_400_000_000  # microseconds
# What makes a row later than another.
_TIMES = ("as_of", "recorded_at")


@dataclass(frozen=True)
class OwnTable:
    """What the table ``features`` holds.

    Attributes
    ----------
    types : dict of str to str
        All its columns and their types.
    supplied : Supplied
        Which of them are features.
    n_undated : dict of str to int
        Rows that leave ``as_of`` or ``recorded_at`` empty, for those of the two that the table has.
    """

    types: dict[str, str]
    supplied: Supplied
    n_undated: dict[str, int]


def read_own_table(engine: Engine) -> OwnTable | None:
    """Look at the table ``features``, if there is one.

    Raises
    ------
    InsufficientDataError
        If none of its columns can be a feature.
    """
    if _TABLE not in engine.tables():
        return None
    types = engine.columns(_TABLE)
    canonical = ("customer_id", "as_of", "recorded_at", "source")
    supplied = supplied_columns(
        engine, _TABLE, {name: kind for name, kind in types.items() if name not in canonical}, customer="customer_id"
    )
    if not supplied.roles:
        found = f"left out are {supplied.left_out_note}" if supplied.left_out else "it has no further column"
        raise InsufficientDataError(
            f"Table {_TABLE!r} holds no column that a model can use: {found}. "
            "Add columns of numbers, dates or categories that differ between customers, or take data.features out."
        )
    times = [name for name in _TIMES if name in types]
    n_undated: dict[str, int] = {
        name: engine.row(f"SELECT count(*) AS n FROM {_TABLE} WHERE {name} IS NULL")["n"] for name in times
    }
    return OwnTable(types, supplied, n_undated)


def own_name(column: str) -> str:
    """Name of a column of the table among the features."""
    return f"own_{column}"


def own_features(own: OwnTable) -> Iterator[Feature]:
    """One feature per usable column."""
    for column, role in own.supplied.roles.items():
        meaning = f"Your own feature {column}: the latest value known."
        if role is Role.DATE:
            meaning = f"Days since {column} of your own features, as latest known."
        yield Feature(
            own_name(column),
            f"max({identifier(own_name(column))})",
            "own",
            "days" if role is Role.DATE else "as given",
            meaning,
            kind="category" if role is Role.CATEGORY else "number",
        )


def own_rows(own: OwnTable, timezone: str) -> str:
    """SQL of the relation ``own``: each customer's latest row known at each snapshot, out of ``snapshot`` and the table.

    Parameters
    ----------
    own : OwnTable
    timezone : str
        Zone that cuts days.
    """
    roles = own.supplied.roles
    # From the first midnight on at which it holds, and after the day on which it was recorded.
    known_days = {
        "as_of": f"(epoch_us({local_moment('as_of', timezone)}) + {_DAY - 1}) // {_DAY}",
        "recorded_at": f"epoch_us({local_moment('recorded_at', timezone)}) // {_DAY} + 1",
    }
    times = [name for name in _TIMES if name in own.types]
    known_day = ", ".join(["NULL", *(known_days[name] for name in times)])
    values = [f"{column_value(name, own.types[name], role)} AS {identifier(own_name(name))}" for name, role in roles.items()]
    # Rows that are not dated may be several of one time; which of them counts must not depend on their order.
    order = ", ".join(f"{name} NULLS FIRST" for name in (*times, *(identifier(own_name(name)) for name in roles)))
    columns = ["customer_id", *times, f"CAST(greatest({known_day}) AS INTEGER) AS known_day", *values]
    given = (
        f"SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY {order}) AS place "
        f"FROM (SELECT {', '.join(columns)} FROM {_TABLE})"
    )
    latest = (
        "SELECT snapshot.as_of, as_of_day, customer_id, max(place) AS place FROM given "
        "JOIN snapshot ON coalesce(known_day, as_of_day) <= as_of_day GROUP BY ALL"
    )
    selected = [
        f"as_of_day - {named} AS {named}" if role is Role.DATE else named
        for named, role in ((identifier(own_name(name)), role) for name, role in roles.items())
    ]
    return (
        f"WITH given AS ({given}), latest AS ({latest}) SELECT latest.as_of, customer_id, {', '.join(selected)} "
        "FROM latest JOIN given USING (customer_id, place)"
    )


def own_notes(
    engine: Engine, own: OwnTable | None, *, snapshots: str, labelled: Sequence[date], score: date
) -> Iterator[str]:
    """Sentences about own features that were left out, may tell the future, or say nothing where it matters.

    Parameters
    ----------
    engine : Engine
    own : OwnTable or None
    snapshots : str
        SQL of the features of all snapshots, as ``features_query`` gives them.
    labelled : sequence of date
        Snapshots that models learn from.
    score : date
        The snapshot that is scored.
    """
    if own is None:
        return
    if own.supplied.left_out:
        yield f"Own features: left out {own.supplied.left_out_note}."
    if not own.n_undated:
        yield (
            "Own features have neither as_of nor recorded_at, so their values count as known at every snapshot. What was "
            "written down after a snapshot then tells models its future: they look better when judged than they will be. "
            "Give every row the as_of from which its values are known."
        )
    for name, n in own.n_undated.items():
        if n:
            yield f"Own features: {n:,} rows leave {name} empty and count as known since ever."
    yield from _gaps(engine, own, snapshots=snapshots, labelled=labelled, score=score)


def _gaps(engine: Engine, own: OwnTable, *, snapshots: str, labelled: Sequence[date], score: date) -> Iterator[str]:
    names = [own_name(column) for column in own.supplied.roles]
    taught, scored = f"as_of IN ({literals(labelled)})" if labelled else "false", f"as_of IN ({literals([score])})"
    counts = [
        f"count({identifier(name)}) FILTER ({where}) AS {what}_{place}"
        for place, name in enumerate(names)
        for what, where in (("taught", taught), ("scored", scored))
    ]
    row = engine.row(f"SELECT {', '.join(counts)} FROM {snapshots}")
    is_taught = {name: row[f"taught_{place}"] > 0 for place, name in enumerate(names)}
    is_scored = {name: row[f"scored_{place}"] > 0 for place, name in enumerate(names)}
    untaught = [name for name in names if not is_taught[name]]
    if untaught and labelled:
        yield (
            f"Nothing can be learned from {', '.join(untaught)}: no customer has a value at the snapshots that models learn "
            f"from ({min(labelled)} to {max(labelled)}). Supply rows with an as_of as early as that."
        )
    lost = [name for name in names if is_taught[name] and not is_scored[name]]
    if lost:
        yield f"At {score} no customer has a value of {', '.join(lost)}: models that learned from it go without."
