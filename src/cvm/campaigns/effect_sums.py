"""One pass over the customers of a campaign, in the engine: sums by arm, segment and bin, from which all effects follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cvm.campaigns.effect_campaign import DrawnCampaign
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.campaigns.effect_variables import Variables, customer_query
from cvm.engines import Engine, identifier
from cvm.evaluation import BinnedSums, Moments, SumColumns

Floats = NDArray[np.float64]
# Revenue's third and fourth powers would not tell more than this about a tail.
_LARGEST = "largest_revenue"


@dataclass(frozen=True)
class CampaignSums:
    """Sums of one campaign.

    Attributes
    ----------
    arms : dict of str to BinnedSums
        All customers of each arm.
    segments : dict of (arm, segment) to Moments
    largest : dict of str to float
        Highest revenue of a customer in each arm.
    """

    arms: dict[str, BinnedSums]
    segments: dict[tuple[str, str], Moments]
    largest: dict[str, float]


def campaign_sums(
    engine: Engine, campaign: DrawnCampaign, variables: Variables, settings: EvaluationSettings
) -> CampaignSums:
    """Sums by arm, and by arm and segment; the segment is empty where none is asked for."""
    columns = SumColumns(variables.names, tuple(sorted(variables.pairs)), campaign.is_weighted)
    query = sums_query(f"({customer_query(engine, campaign, variables, settings)})", columns, largest="revenue")
    table = engine.table(query)
    arms, segments = (np.array(table.column(name).to_pylist(), dtype=object) for name in ("arm", "segment"))
    bins, sums, largest = table.column("bin").to_numpy(), _matrix(table, columns), table.column(_LARGEST).to_numpy()
    names = [arm.name for arm in campaign.arms]
    return CampaignSums(
        arms={arm: BinnedSums(columns, _by_bin(bins[arms == arm], sums[arms == arm])) for arm in names},
        segments={
            (arm, segment): BinnedSums(columns, sums[(arms == arm) & (segments == segment)]).moments
            for arm, segment in sorted(set(zip(arms, segments, strict=True)))
        },
        largest={arm: float(largest[arms == arm].max()) for arm in names},
    )


def sums_query(customers: str, columns: SumColumns, *, largest: str) -> str:
    """SQL of the sums by arm, segment and bin.

    Parameters
    ----------
    customers : str
        A table, or a query in parentheses, of one row per customer: ``arm``, ``segment``, ``bin``, ``weight`` where
        customers are weighted, and every quantity, as a number.
    columns : SumColumns
    largest : str
        Quantity whose highest value is told, too.
    """
    once, twice = ("weight * ", "weight * weight * ") if columns.is_weighted else ("", "")
    sums = ["count(*)", *(["sum(weight)", "sum(weight * weight)"] if columns.is_weighted else [])]
    sums += [f"sum({once}{identifier(name)})" for name in columns.names]
    sums += [f"sum({twice}{identifier(name)})" for name in columns.names if columns.is_weighted]
    sums += [f"sum({twice}{identifier(one)} * {identifier(other)})" for one, other in columns.pairs]
    named = ", ".join(f"CAST({sql} AS DOUBLE) AS sum_{number}" for number, sql in enumerate(sums))
    return (
        f"SELECT arm, segment, bin, max({identifier(largest)}) AS {_LARGEST}, {named} FROM {customers} "
        "GROUP BY arm, segment, bin ORDER BY arm, segment, bin"
    )


def _matrix(table: pa.Table, columns: SumColumns) -> Floats:
    return np.column_stack([table.column(f"sum_{number}").to_numpy() for number in range(columns.width)])


def _by_bin(bins: NDArray[np.int64], sums: Floats) -> Floats:
    """Sums of the bins that hold anybody, over segments."""
    order = np.argsort(bins, kind="stable")
    starts = np.flatnonzero(np.diff(bins[order], prepend=-1))
    found: Floats = np.add.reduceat(sums[order], starts)
    return found
