"""All evaluated campaigns in one table: what each treatment did, in all and by segment, for whoever plans the next one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.errors import MissingOutputError
from cvm.features.treatments import CONTROL
from cvm.workspace import replaced_file

_Found = TypeVar("_Found")

FILE = "effects.parquet"
_COMMAND = "cvm evaluate CAMPAIGN"
_NUMBER, _TEXT, _COUNT, _MOMENT = pa.float64(), pa.string(), pa.int64(), pa.timestamp("us")
SCHEMA = pa.schema(
    {
        "campaign_id": _TEXT, "segment_by": _TEXT, "segment": _TEXT, "arm": _TEXT, "metric": _TEXT, "currency": _TEXT,
        "effect": _NUMBER, "lower": _NUMBER, "upper": _NUMBER, "level": _NUMBER, "p_value": _NUMBER,
        "false_discovery_rate": _NUMBER, "roi": _NUMBER, "verdict": _TEXT, "n_treated": _COUNT, "n_control": _COUNT,
        "assigned_from": _MOMENT, "assigned_to": _MOMENT, "observed_until": _MOMENT, "window_days": _NUMBER,
        "is_partial": pa.bool_(),
    }
)  # fmt: skip


def from_evaluations(
    folder: Path, take: Callable[[Mapping[str, Any]], Iterable[_Found]], *, until: datetime | None = None
) -> list[_Found]:
    """What ``take`` finds in every evaluation on file, by the names of the files.

    Parameters
    ----------
    folder : Path
        ``outputs/effects``; one that does not exist holds none.
    take : callable
        Given what ``cvm evaluate`` wrote of one campaign.
    until : datetime or None
        UTC, without zone: evaluations that saw anything later were not known then. None: all are known.

    Raises
    ------
    MissingOutputError
        If a file is no evaluation; its name says which.
    """
    taken: list[_Found] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if until is None or datetime.fromisoformat(found["observed_until"]) <= until:
                taken += take(found)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise MissingOutputError.from_damage(path, command=_COMMAND) from error
    return taken


def effect_table(folder: Path, *, until: datetime | None = None) -> pa.Table:
    """Effects of all campaigns that were evaluated, as ``cvm evaluate`` found them last.

    Parameters
    ----------
    folder, until
        As ``from_evaluations`` takes them.

    Returns
    -------
    Table
        By campaign: one row per arm and metric (``segment`` is null), then one per segment and arm for the metric of the
        verdict.

        ============================ =========================================================================
        ``effect, lower, upper``     per customer, of intention to treat, with its interval at ``level``; null where it
                                     is not identified
        ``segment_by, segment``      column of customers, or of scores, whose values were told apart, and the value; null
                                     for all
        ``false_discovery_rate``     of the segments of one campaign; null in the rows of all
        ``roi``                      of the arm, in the row of the verdict's metric; null without a cost
        ``verdict``                  works, does harm, inconclusive, not identified: in the row of its metric
        ``n_treated, n_control``     customers compared
        ``assigned_from, ..._to``    first and last assignment, UTC; outcomes of ``window_days`` from there on
        ``is_partial``               whether windows were cut where data ended, at ``observed_until``
        ============================ =========================================================================

    Raises
    ------
    MissingOutputError
        If a file is no evaluation; its name says which.
    """
    return pa.Table.from_pylist(from_evaluations(folder, _rows, until=until), schema=SCHEMA)


def write_effect_table(folder: Path) -> Path:
    """Write ``effect_table`` of a folder into it, as Parquet.

    Raises
    ------
    MissingOutputError
        As ``effect_table``.
    WorkspaceError
        If the file cannot be written.
    """
    table = effect_table(folder)
    with replaced_file(folder / FILE) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return folder / FILE


def _rows(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Of one evaluation, as its JSON holds it."""
    shared = {name: found[name] for name in ("campaign_id", "currency", "level", "window_days", "is_partial")}
    moments = ("assigned_from", "assigned_to", "observed_until")
    shared |= {name: datetime.fromisoformat(found[name]) for name in moments}
    sizes = {arm["arm"]: arm["n"] for arm in found["arms"]}
    n_control = sizes.pop(CONTROL)
    returns = {arm["arm"]: (arm["roi"] or {}).get("value") for arm in found["earned"]}
    verdicts = {verdict["arm"]: verdict["word"] for verdict in found["verdicts"]}
    for effect in found["effects"]:
        arm, is_judged = effect["arm"], effect["metric"] == found["metric"]
        yield {
            **shared,
            **_bounds(effect["adjusted"] or effect["plain"]),
            "arm": arm,
            "metric": effect["metric"],
            "roi": returns.get(arm) if is_judged else None,
            "verdict": verdicts.get(arm) if is_judged else None,
            # An arm of no size of its own is all treatments together.
            "n_treated": sizes.get(arm, sum(sizes.values())),
            "n_control": n_control,
        }
    for row in found["segments"]:
        own = ("segment", "arm", "n_treated", "n_control", "false_discovery_rate")
        yield {
            **shared,
            **_bounds(row["effect"] or {}),
            **{name: row[name] for name in own},
            "segment_by": found["segment_by"],
            "metric": found["metric"],
        }


def _bounds(effect: Mapping[str, Any]) -> dict[str, Any]:
    """An effect without an interval is none."""
    known = effect.get("standard_error") is not None
    return {
        "effect": effect.get("value") if known else None,
        **{name: effect.get(name) for name in ("lower", "upper", "p_value")},
    }
