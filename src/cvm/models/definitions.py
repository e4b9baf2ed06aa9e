"""Whether features mean the same on the snapshots that teach and on those where what was learned is applied."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

# A feature that says something of so many in training and of none later has gone.
_OFTEN, _NEVER = 0.5, 0.01
# In its unit: nothing customers do changes the typical value as much, without the ranges even touching.
_UNIT_RATIO = 50.0
_DRIFT = 0.5
# Rows that say something, with fewer of which nothing is compared.
_MIN_ROWS = 50


def changed_definitions(
    columns: Sequence[str],
    snapshots: Mapping[str, pd.DataFrame],
    learned: pd.DataFrame,
    later: Mapping[str, pd.DataFrame],
    *,
    kept: Collection[str] = (),
) -> Iterator[str]:
    """Features whose definition is not the same everywhere, each with the evidence.

    Hard evidence only: missing from a snapshot, numbers here and text there, gone, in another unit, in other words. A number
    that has merely moved is drift.

    Parameters
    ----------
    columns : sequence of str
    snapshots : mapping of str to DataFrame
        All of them, by what they are called.
    learned : DataFrame
        Rows of all training snapshots.
    later : mapping of str to DataFrame
        Rows of the snapshots on which what was learned is applied, by what they are called.
    kept : collection of str
        Features that may change, as long as they are there and of one kind.
    """
    for name in columns:
        lacking = [where for where, frame in snapshots.items() if name not in frame]
        if lacking:
            yield f"{name!r} is missing from {', '.join(lacking)}"
            continue
        kinds = {where: _is_number(frame[name]) for where, frame in snapshots.items() if frame[name].notna().any()}
        if len(set(kinds.values())) > 1:
            numbers, texts = ([where for where, kind in kinds.items() if kind is wanted] for wanted in (True, False))
            yield f"{name!r} holds numbers on {', '.join(numbers)} and text on {', '.join(texts)}"
            continue
        for where, frame in later.items() if name not in kept else ():
            difference = _difference(learned[name], frame[name])
            if difference:
                yield f"{name!r} {difference} on {where}"
                break


def constant_columns(columns: Sequence[str], frames: Sequence[pd.DataFrame]) -> list[str]:
    """Columns with one value, or null, in all rows of all frames."""
    return [name for name in columns if len(set().union(*(_two_values(frame[name]) for frame in frames))) < 2]


def drifted_columns(columns: Sequence[str], learned: pd.DataFrame, later: Mapping[str, pd.DataFrame]) -> list[str]:
    """Columns whose share of nulls has moved by more than half of all customers, though some were known before."""
    found = []
    for name in columns:
        before = learned[name].notna().mean()
        shares = [frame[name].notna().mean() for frame in later.values() if len(frame) >= _MIN_ROWS]
        if before > 0 and any(abs(share - before) > _DRIFT for share in shares):
            found.append(name)
    return found


def _difference(learned: pd.Series, later: pd.Series) -> str:
    """What is plainly different, in words; empty if nothing is."""
    if min(len(learned), len(later)) < _MIN_ROWS:
        return ""
    says_before, says_later = _says_something(learned), _says_something(later)
    share_before, share_later = float(says_before.mean()), float(says_later.mean())
    if share_before >= _OFTEN and share_later < _NEVER:
        return f"says something of {share_before:.0%} of customers on the training snapshots and of {share_later:.0%}"
    before, now = learned[says_before], later[says_later]
    if min(len(before), len(now)) < _MIN_ROWS:
        return ""
    if not _is_number(learned):
        known, words = set(before.unique()), set(now.unique())
        strange = f"shares none of the {len(known)} values of the training snapshots with the {len(words)}"
        return strange if words.isdisjoint(known) else ""
    sizes = [np.abs(part.to_numpy(float)) for part in (before, now)]
    small, large = sorted(sizes, key=lambda size: float(np.median(size)))
    apart = np.quantile(small, 0.9) < np.quantile(large, 0.1)
    if apart and np.median(large) > _UNIT_RATIO * np.median(small):
        return f"has a median size of {np.median(sizes[0]):.4g} on the training snapshots and of {np.median(sizes[1]):.4g}"
    return ""


def _says_something(column: pd.Series) -> NDArray[np.bool_]:
    """Neither null nor, as counts and sums have it, zero."""
    known = column.notna().to_numpy()
    return known & (column != 0).fillna(False).to_numpy(bool) if _is_number(column) else known


def _is_number(column: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column))


def _two_values(column: pd.Series) -> set[object]:
    """Two different values of a column, or the one it has; null is one."""
    known = column.dropna()
    values: set[object] = set(known.iloc[:1]) | set(known[known != known.iloc[0]].iloc[:1]) if len(known) else set()
    return values | {None} if len(known) < len(column) else values
