"""Whether ordered conditions leave anybody out, or hold one that can never decide: exact, without any data.

What a customer can be is a box: for each column asked about a set of cells, which are its values, or the points and
intervals between all bounds, and "unknown". A condition is a smaller box. Each condition takes its box out of what the
earlier ones left, which is kept as disjoint boxes. A condition that takes nothing can never decide; what is left at the end
has no segment. Columns are taken for independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise

import numpy as np

from cvm.segments.conditions import Condition
from cvm.segments.lifecycle import LIFECYCLE_STAGES
from cvm.segments.rfm import RFM_SEGMENTS
from cvm.segments.tiers import VALUE_TIERS

Box = dict[str, frozenset[int]]

UNKNOWN = "unknown"

# Columns of the scores that a rule may ask about. Prospects have no RFM segment; the other two everybody has.
TEXT_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "value_tier": VALUE_TIERS,
    "lifecycle_stage": LIFECYCLE_STAGES,
    "rfm_segment": (*RFM_SEGMENTS, UNKNOWN),
}

_ANY, _SHARE, _FROM_0, _SCORE = (-np.inf, np.inf), (0.0, 1.0), (0.0, np.inf), (1.0, 5.0)

# Smallest and largest possible value.
NUMBER_COLUMNS: Mapping[str, tuple[float, float]] = {
    "p_churn": _SHARE,
    "p_alive": _SHARE,
    "expected_orders": _FROM_0,
    "expected_order_value": _FROM_0,
    "clv": _ANY,
    "clv_lower": _ANY,
    "clv_upper": _ANY,
    "historic_value": _ANY,
    "value_percentile": (0.0, 100.0),
    "growth_potential": _ANY,
    "rfm_recency": _SCORE,
    "rfm_frequency": _SCORE,
    "rfm_monetary": _SCORE,
}


@dataclass(frozen=True)
class Cells:
    """Cells of a column: what each is called, and of numbers one that lies in it."""

    labels: tuple[str, ...]
    inside: tuple[float, ...] = ()


# More disjoint boxes than this, and nobody could say any more what the rules mean.
_MAX_BOXES = 20_000


def problems(rules: Sequence[tuple[str, Condition]]) -> list[str]:
    """What is wrong with ordered rules, each a name and its condition; empty if nothing is."""
    if not rules:
        return ["there is no rule; write at least one, or leave the key out for the default segments"]
    found = [*_naming(rules), *(problem for name, when in rules for problem in _asking(name, when))]
    return found or list(_coverage(rules))


def _naming(rules: Sequence[tuple[str, Condition]]) -> Iterator[str]:
    names = [name for name, _ in rules]
    for name in dict.fromkeys(names):
        places = [str(place) for place, other in enumerate(names, 1) if other == name]
        if len(places) > 1:
            yield f"rules {' and '.join(places)} are both called {name!r}; give each segment one rule"
        alike = next((other for other in names[: names.index(name)] if _read(other) == _read(name)), None)
        if alike is not None:
            yield f"rules {alike!r} and {name!r} read alike; give one segment another name"
        if _read(name) == UNKNOWN:
            yield f"rule {name!r} is called as customers without scores are; give the segment another name"


def _read(name: str) -> str:
    """A name as people read it: case aside, and with blanks for underscores."""
    return " ".join(name.replace("_", " ").casefold().split())


def _asking(name: str, when: Condition) -> Iterator[str]:
    """Columns and values that there are not."""
    for column, allowed in when.values.items():
        if column not in TEXT_COLUMNS:
            yield f"rule {name!r} asks for values of {column!r}; {_known(column, TEXT_COLUMNS)}"
            continue
        values = [value for value in TEXT_COLUMNS[column] if value != UNKNOWN]
        for value in allowed:
            if value not in values:
                yield f"rule {name!r} asks for the {column} {value!r}; {_known(value, values)}"
    for column in dict.fromkeys([*when.minimum, *when.maximum]):
        if column not in NUMBER_COLUMNS:
            yield f"rule {name!r} bounds {column!r}; {_known(column, NUMBER_COLUMNS)}"


def _known(given: str, known: Sequence[str] | Mapping[str, object]) -> str:
    near = get_close_matches(given, list(known), n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are {list(known)}"


def _coverage(rules: Sequence[tuple[str, Condition]]) -> Iterator[str]:
    columns = sorted({column for _, when in rules for column in when.columns})
    cells = {column: _cells(column, [when for _, when in rules]) for column in columns}
    everything = {column: frozenset(range(len(each.labels))) for column, each in cells.items()}
    left, earlier = [everything], list[tuple[str, Box]]()
    for place, (name, when) in enumerate(rules, 1):
        box = {column: _met(column, when, cells[column]) for column in sorted(when.columns)}
        if not any(_overlap(rest, box) for rest in left):
            takers = [other for other, taken in earlier if _overlap(taken, box)]
            yield f"rule {place} ({name!r}) can never decide: {_why_idle(box, takers)}"
            continue
        earlier.append((name, box))
        left = [piece for rest in left for piece in _outside(rest, box)]
        if len(left) > _MAX_BOXES:
            yield f"the first {place} rules are too intricate to be checked; use fewer columns or bounds in each"
            return
    if left:
        narrowed = {column: kept for column, kept in left[0].items() if kept != everything[column]}
        example = ", ".join(f"{column} {cells[column].labels[min(kept)]}" for column, kept in narrowed.items())
        yield f"a customer with {example} falls under no rule; let the last rule have no when, for everybody else"


def _overlap(one: Box, other: Box) -> bool:
    return all(one[column] & other[column] for column in one.keys() & other.keys())


def _why_idle(box: Box, takers: Sequence[str]) -> str:
    impossible = [column for column, kept in box.items() if not kept]
    if impossible:
        return f"nobody can meet what it asks of {impossible[0]}; correct its bounds"
    if len(takers) == 1:
        return f"{takers[0]!r} takes everybody it asks for; move it up, narrow the other, or remove it"
    named = f"{', '.join(map(repr, takers[:-1]))} and {takers[-1]!r}"
    return f"{named} together take everybody it asks for; move it up, narrow them, or remove it"


def _cells(column: str, asked: Sequence[Condition]) -> Cells:
    if column in TEXT_COLUMNS:
        return Cells(TEXT_COLUMNS[column])
    lowest, highest = NUMBER_COLUMNS[column]
    bounds = sorted({part[column] for when in asked for part in (when.minimum, when.maximum) if column in part})
    if column.startswith("rfm_"):
        found = [(f"{score}", float(score)) for score in range(int(lowest), int(highest) + 1)]
    else:
        points = [(f"{bound:g}", bound) for bound in bounds if lowest <= bound <= highest]
        found = sorted([*points, *_intervals(bounds, lowest, highest)], key=lambda cell: cell[1])
    return Cells((*(label for label, _ in found), UNKNOWN), (*(inside for _, inside in found), np.nan))


def _intervals(bounds: Sequence[float], lowest: float, highest: float) -> Iterator[tuple[str, float]]:
    """Open intervals between bounds, and a number in each, as far as a column reaches."""
    for low, high in pairwise([-np.inf, *bounds, np.inf]):
        inside = max(float(np.nextafter(low, np.inf)), lowest)
        if inside < high and inside <= highest:
            label = f"< {high:g}" if low == -np.inf else f"> {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
            yield label, inside


def _met(column: str, when: Condition, cells: Cells) -> frozenset[int]:
    """Cells of a column that meet the part of a condition that asks about it."""
    if column in when.values:
        return frozenset(number for number, label in enumerate(cells.labels) if label in when.values[column])
    part = Condition(
        minimum={column: when.minimum[column]} if column in when.minimum else {},
        maximum={column: when.maximum[column]} if column in when.maximum else {},
    )
    return frozenset(np.flatnonzero(part.holds({column: np.array(cells.inside)}, n=len(cells.inside))).tolist())


def _outside(whole: Box, taken: Box) -> Iterator[Box]:
    """``whole`` without ``taken``, in disjoint boxes."""
    if not _overlap(whole, taken):
        yield whole
        return
    for column, cells in taken.items():
        if whole[column] - cells:
            yield {**whole, column: whole[column] - cells}
        whole = {**whole, column: whole[column] & cells}
