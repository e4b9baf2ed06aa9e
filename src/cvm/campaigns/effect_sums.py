"""One pass over the customers of a campaign, in the engine: sums per arm and segment, from which all effects follow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.campaigns.effect_trial import Trial
from cvm.campaigns.effect_variables import MAX_SEGMENTS, Variables, customer_query
from cvm.engines import DuckDBEngine, identifier
from cvm.errors import ExperimentError
from cvm.evaluation import Moments

Floats = NDArray[np.float64]
# Revenue's third and fourth powers would not tell more than this about a tail.
LARGEST = "largest_revenue"


@dataclass(frozen=True)
class Sums:
    """Of one group of customers; see ``Moments.from_sums``. ``largest`` is the highest revenue of a customer."""

    names: tuple[str, ...]
    n: int
    weight: float
    squared_weight: float
    first: Floats
    squared_first: Floats
    second: Floats
    largest: float

    @classmethod
    def total(cls, groups: Iterable[Sums]) -> Self:
        """Of several groups together."""
        parts = list(groups)
        return cls(
            parts[0].names,
            sum(part.n for part in parts),
            sum(part.weight for part in parts),
            sum(part.squared_weight for part in parts),
            np.sum([part.first for part in parts], axis=0),
            np.sum([part.squared_first for part in parts], axis=0),
            np.sum([part.second for part in parts], axis=0),
            max(part.largest for part in parts),
        )

    @property
    def moments(self) -> Moments:
        """Means and how surely they are known."""
        return Moments.from_sums(
            self.names,
            n=self.n,
            weight=self.weight,
            squared_weight=self.squared_weight,
            first=self.first,
            squared_first=self.squared_first,
            second=self.second,
        )


def arm_sums(
    engine: DuckDBEngine, trial: Trial, variables: Variables, settings: EvaluationSettings
) -> dict[tuple[str, str], Sums]:
    """Sums by arm and segment; the segment is empty where none is asked for.

    Raises
    ------
    ExperimentError
        If there are too many segments to compare.
    """
    names, pairs = variables.names, sorted(variables.pairs)
    once, twice = ("weight * ", "weight * weight * ") if trial.is_weighted else ("", "")
    columns = [
        "count(*) AS n",
        "sum(weight) AS weight",
        "sum(weight * weight) AS squared_weight",
        f"max(revenue) AS {LARGEST}",
        *(f"sum({once}{identifier(name)}) AS first_{i}" for i, name in enumerate(names)),
        *(f"sum({twice}{identifier(one)} * {identifier(two)}) AS second_{i}" for i, (one, two) in enumerate(pairs)),
    ]
    if trial.is_weighted:
        columns += [f"sum({twice}{identifier(name)}) AS squared_first_{i}" for i, name in enumerate(names)]
    query = f"SELECT arm, segment, {', '.join(columns)} FROM ({customer_query(engine, trial, variables, settings)})"
    rows = engine.table(f"{query} GROUP BY arm, segment ORDER BY arm, segment").to_pylist()
    n_segments = len({row["segment"] for row in rows})
    if n_segments > MAX_SEGMENTS:
        raise ExperimentError(
            f"segment_by == {settings.segment_by!r} has {n_segments:,} values, at most {MAX_SEGMENTS} can be compared. "
            "Group them into fewer in the table customers, or choose another column."
        )
    return {(row["arm"], row["segment"]): _sums(row, names, pairs) for row in rows}


def _sums(row: dict[str, Any], names: tuple[str, ...], pairs: list[tuple[str, str]]) -> Sums:
    first = np.array([row[f"first_{i}"] for i in range(len(names))], dtype=float)
    squared = [row.get(f"squared_first_{i}", first[i]) for i in range(len(names))]
    second = np.full((len(names), len(names)), np.nan)
    place = {name: i for i, name in enumerate(names)}
    for i, (one, two) in enumerate(pairs):
        second[place[one], place[two]] = second[place[two], place[one]] = row[f"second_{i}"]
    return Sums(
        names,
        int(row["n"]),
        float(row["weight"]),
        float(row["squared_weight"]),
        first,
        np.array(squared, dtype=float),
        second,
        float(row[LARGEST]),
    )
