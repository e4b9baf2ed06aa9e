"""Segmentation applied again to scores on file: predictions, reasons and actions stay as they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cvm.errors import MissingOutputError
from cvm.features.files import features_file
from cvm.models.bundle import Bundle
from cvm.scoring.chunks import EarlierSegments
from cvm.scoring.files import CHUNK_ROWS, latest_earlier, read_scores, replace_columns
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.scoring.segmentation import apply_segments
from cvm.segments import RuleSet, Segmentation, cluster_profiles, peers
from cvm.workspace import Workspace

# All but what is by far the largest, and what nothing here asks for.
_SCORES = [name for name in SCORE_SCHEMA.names if name != "reasons"]
# What segments ask of features, and what the growth potential and clusters do.
_FEATURES = {
    *("n_orders", "recency_days", "spend", "tenure_days", "last_gap_days", "n_subscriptions"),
    *peers.FEATURES,
    *cluster_profiles.FEATURES,
}


@dataclass(frozen=True)
class Resegmented:
    """What was found and done.

    Attributes
    ----------
    scores : Table of shape (n_customers, 29)
        As on file now; without ``reasons``.
    features : DataFrame of shape (n_customers, ...)
        Those that segments, growth potential and clusters ask for, in the order of ``scores``.
    n_changed : int
        Customers whose segment is another one than before.
    is_changed : bool
        Whether anything in the scores is.
    """

    scores: pa.Table
    features: pd.DataFrame
    n_changed: int
    is_changed: bool


def segment_batch(
    bundle: Bundle, workspace: Workspace, *, as_of: date, segmentation: Segmentation | None = None
) -> Resegmented:
    """Apply segmentation again to scores on file, by the bundle's rules unless others are given.

    Raises
    ------
    MissingOutputError
        If there are no scores or no features of that date, or one of these files or the earlier scores cannot be read.
    """
    path, segmentation = workspace.scores_of(as_of), segmentation or bundle.segmentation
    before = read_scores(path, columns=_SCORES)
    features = features_of(workspace, before, as_of=as_of)
    following = _following(before, workspace, segmentation.rules, as_of=as_of)
    after = pa.concat_tables(
        apply_segments(bundle, features.iloc[at : at + CHUNK_ROWS], following.slice(at, CHUNK_ROWS), segmentation)
        for at in range(0, max(before.num_rows, 1), CHUNK_ROWS)
    )
    n_changed = pc.sum(pc.fill_null(pc.not_equal(after["segment"], before["segment"]), fill_value=True)).as_py() or 0
    replace_columns(path, after, segmentation=segmentation)
    return Resegmented(after, features, n_changed, is_changed=not after.equals(before))


def features_of(workspace: Workspace, scores: pa.Table, *, as_of: date) -> pd.DataFrame:
    """Features of ``as_of`` in the order of its scores, as far as segments, growth potential and clusters ask for them.

    Raises
    ------
    MissingOutputError
        If there are none, or not of every scored customer.
    """
    path, command = features_file(workspace.features, as_of), f"cvm features --set windows.as_of={as_of}"
    if not path.is_file():
        raise MissingOutputError.from_stage(path, command=command)
    try:
        names = [name for name in pq.read_schema(path).names if name in _FEATURES]
        features = pq.read_table(path, columns=["customer_id", *names], partitioning=None).combine_chunks()
    except (OSError, pa.ArrowInvalid) as error:
        raise MissingOutputError.from_damage(path, command=command) from error
    place = pc.index_in(scores["customer_id"], value_set=features["customer_id"])
    if place.null_count:
        raise MissingOutputError(
            f"The features of {as_of} no longer hold every scored customer: {place.null_count:,} of "
            f"{scores.num_rows:,} are missing. Run `cvm score` before `cvm segment`."
        )
    frame: pd.DataFrame = features.select(names).take(place).to_pandas()
    return frame


def _following(scores: pa.Table, workspace: Workspace, rules: RuleSet, *, as_of: date) -> pa.Table:
    """Scores whose ``previous_segment`` is by the rules that are to segment them; as on file without earlier scores."""
    earlier = latest_earlier(workspace, as_of)
    if earlier is None:
        return scores
    ids = scores["customer_id"].combine_chunks()
    order = pc.sort_indices(ids)
    previous = EarlierSegments(earlier[1], rules).of(ids.take(order)).take(pc.sort_indices(order))
    position = scores.schema.get_field_index("previous_segment")
    return scores.set_column(position, SCORE_SCHEMA.field("previous_segment"), previous)
