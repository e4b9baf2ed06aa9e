"""What campaigns have shown of a treatment: the verdict of the last one, and segments in which it did harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvm.campaigns.effect_table import effect_table

HARM = "does harm"
# Of the segments called harmed, so many may be so by chance.
_MAX_FALSE_DISCOVERY_RATE = 0.05


@dataclass(frozen=True)
class Evidence:
    """Of one treatment.

    Attributes
    ----------
    verdict : str
        works, inconclusive, does harm or not identified, in the campaign evaluated last.
    sentence : str
        The same with campaign and size.
    segment_by : str or None
        Column of the scores by which segments were told apart.
    harmed, helped : frozenset of str
        Its values where the effect is surely below, above 0; they overrule the verdict.
    """

    verdict: str
    sentence: str
    segment_by: str | None = None
    harmed: frozenset[str] = field(default_factory=frozenset)
    helped: frozenset[str] = field(default_factory=frozenset)

    def harms(self, columns: Mapping[str, NDArray[np.generic]], *, n: int) -> NDArray[np.bool_]:
        """Whether each of ``n`` customers is known to do worse with it: array of shape (n,)."""
        found = np.full(n, self.verdict == HARM)
        if self.segment_by is not None and self.segment_by in columns:
            segment = np.asarray(columns[self.segment_by], dtype=str)
            found = (found & ~np.isin(segment, list(self.helped))) | np.isin(segment, list(self.harmed))
        return found


def evidence_by_arm(folder: Path, *, until: datetime | None = None) -> dict[str, Evidence]:
    """Evidence of each arm that was ever evaluated, of its latest campaign.

    Parameters
    ----------
    folder : Path
        ``outputs/effects``.
    until : datetime, optional
        Of UTC, without zone. An evaluation that saw what happened after it is left out.

    Raises
    ------
    MissingOutputError
        If a file of it is no evaluation.
    """
    rows = effect_table(folder, until=until).to_pylist()
    judged = sorted((row for row in rows if row["verdict"]), key=lambda row: (row["assigned_from"], row["campaign_id"]))
    found = {}
    for row in judged:  # the last one stays
        of_segments = [
            other
            for other in rows
            if other["segment"] is not None
            and (other["campaign_id"], other["arm"], other["metric"]) == (row["campaign_id"], row["arm"], row["metric"])
            and other["effect"] is not None
            and other["false_discovery_rate"] is not None
            and other["false_discovery_rate"] <= _MAX_FALSE_DISCOVERY_RATE
        ]
        size = "" if row["effect"] is None else f", {row['effect']:+,.2f} {row['metric']} per customer"
        found[row["arm"]] = Evidence(
            row["verdict"],
            f"{row['arm']}: {row['verdict']} in campaign {row['campaign_id']}{size}",
            segment_by=of_segments[0]["segment_by"] if of_segments else None,
            harmed=frozenset(other["segment"] for other in of_segments if other["effect"] < 0),
            helped=frozenset(other["segment"] for other in of_segments if other["effect"] > 0),
        )
    return found


def harm_notes(evidence: Mapping[str, Evidence], n_by_arm: Mapping[str, int]) -> tuple[str, ...]:
    """That customers do not get a treatment as it was found to do harm."""
    return tuple(
        f"{arm} is not suggested to {n:,} of those it would be for: {_why(evidence[arm])}"
        for arm, n in n_by_arm.items()
        if n
    )


def _why(one: Evidence) -> str:
    if one.harmed:
        return f"it did harm to {one.segment_by} {', '.join(sorted(one.harmed))} ({one.sentence})"
    return one.sentence
