"""The batch job: features of one ``as_of`` in, one Parquet file of scores out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cvm.errors import MissingOutputError
from cvm.features.files import features_file, read_features
from cvm.models.bundle import Bundle
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.scoring.score import checked_features, score_checked
from cvm.scoring.segmentation import apply_segments, segment_columns
from cvm.scoring.uplift import expected_uplift, uplift_table
from cvm.segments import NUMBER_COLUMNS, TEXT_COLUMNS, RuleSet, Segmentation
from cvm.workspace import Workspace, replaced_file

# Key of the metadata of a file of scores.
_MADE_BY = b"cvm.segmentation"


def score_batch(bundle: Bundle, workspace: Workspace, *, as_of: date, segmentation: Segmentation | None = None) -> pa.Table:
    """Score everybody known at ``as_of`` and replace the scores of that date, and the uplift by treatment where it is known.

    Parameters
    ----------
    bundle : Bundle
    workspace : Workspace
        Holds the features; receives the scores.
    as_of : date
    segmentation : Segmentation, optional
        Instead of the bundle's.

    Returns
    -------
    pyarrow.Table
        The scores as written, ordered by ``customer_id``.
    """
    rules = (segmentation or bundle.segmentation).rules
    features = with_previous_segment(read_features(workspace.features, as_of), workspace, as_of=as_of, rules=rules)
    features = checked_features(bundle, features)
    uplift = expected_uplift(bundle, features, as_of=as_of)
    scores = score_checked(bundle, features, uplift, as_of=as_of, segmentation=segmentation)
    write_scores(scores, workspace.scores_of(as_of), segmentation=segmentation or bundle.segmentation)
    path = workspace.uplift_of(as_of)
    if uplift is None:
        path.unlink(missing_ok=True)
    else:
        with replaced_file(path) as temporary:
            pq.write_table(uplift_table(bundle, features, uplift), temporary, compression="zstd")
    return scores


def features_gone(bundle: Bundle, workspace: Workspace, *, as_of: date) -> list[str]:
    """Features that the bundle was trained with and that the snapshot on file no longer has; they count as missing."""
    found = set(pq.read_schema(features_file(workspace.features, as_of)).names)
    return [feature.name for feature in bundle.features if feature.name not in found]


@dataclass(frozen=True)
class Resegmented:
    """Scores on file after segmentation was applied again, their features in that order, and what changed."""

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
        If there are no scores or no features of that date.
    """
    before = read_scores(workspace.scores_of(as_of))
    features = features_of(workspace, before, as_of=as_of)
    following = _following(before, workspace, segmentation or bundle.segmentation, as_of=as_of)
    after = apply_segments(bundle, features, following, segmentation)
    n_changed = int((after["segment"].to_pandas() != before["segment"].to_pandas()).sum())
    write_scores(after, workspace.scores_of(as_of), segmentation=segmentation or bundle.segmentation)
    return Resegmented(after, features, n_changed, is_changed=not after.equals(before))


def _following(scores: pa.Table, workspace: Workspace, segmentation: Segmentation, *, as_of: date) -> pa.Table:
    """Scores whose ``previous_segment`` is by the rules that are to segment them; as on file without earlier scores."""
    customers = scores.select(["customer_id"]).to_pandas()
    found = with_previous_segment(customers, workspace, as_of=as_of, rules=segmentation.rules)
    if "previous_segment" not in found:
        return scores
    position = scores.schema.get_field_index("previous_segment")
    previous = pa.array(found["previous_segment"], pa.string(), from_pandas=True)
    return scores.set_column(position, scores.schema.field(position), previous)


def features_of(workspace: Workspace, scores: pa.Table, *, as_of: date) -> pd.DataFrame:
    """Features of ``as_of`` in the order of its scores.

    Raises
    ------
    MissingOutputError
        If there are none, or not of every scored customer.
    """
    features = read_features(workspace.features, as_of).set_index("customer_id")
    features = features.reindex(scores["customer_id"].to_pylist()).reset_index()
    if features["n_orders"].isna().any():
        raise MissingOutputError(
            f"The features of {as_of} no longer hold every scored customer. Run `cvm score` before `cvm segment`."
        )
    return features


def write_scores(scores: pa.Table, path: Path, *, segmentation: Segmentation | None = None) -> None:
    """Write scores, whole or not at all; the file tells by which segmentation they were made, where that is known."""
    # By the plain schema: a table read back carries field ids, and the same scores must give the same bytes.
    made_by = json.dumps(segmentation.state(), sort_keys=True).encode() if segmentation else _made_by(scores)
    schema = SCORE_SCHEMA.with_metadata({_MADE_BY: made_by} if made_by else None)
    scores = pa.Table.from_arrays(scores.combine_chunks().columns, schema=schema)
    with replaced_file(path) as temporary:
        pq.write_table(scores, temporary, compression="zstd")


def read_scores(path: Path, *, columns: list[str] | None = None) -> pa.Table:
    """Scores on file, all columns unless some are named.

    Raises
    ------
    MissingOutputError
        If there are none.
    """
    if not path.is_file():
        raise MissingOutputError.from_stage(path, command="cvm score")
    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        raise MissingOutputError.from_damage(path, command="cvm score") from error


def were_made_by(rules: RuleSet, scores: pa.Table) -> bool:
    """Whether scores read from file were segmented by these rules; not if nobody knows."""
    made_by = _made_by(scores)
    return made_by is not None and json.loads(made_by)["rules"] == rules.state()


def were_made_by_others(rules: RuleSet, scores: pa.Table) -> bool:
    """Whether scores read from file are known to be segmented by other rules."""
    return _made_by(scores) is not None and not were_made_by(rules, scores)


def _made_by(scores: pa.Table) -> bytes | None:
    return (scores.schema.metadata or {}).get(_MADE_BY)


def latest_earlier(workspace: Workspace, as_of: date) -> tuple[date, Path] | None:
    """The latest scores on file of a date before ``as_of``: the date, and the file."""
    return max((found for found in workspace.score_files().items() if found[0] < as_of), default=None)


def segmented_by(rules: RuleSet, path: Path, *, columns: list[str]) -> tuple[pa.Table, int]:
    """Scores on file as these rules segment them, and how many of them are in another segment than on file.

    Parameters
    ----------
    rules : RuleSet
    path : Path
    columns : list of str
        To read beside those that rules ask about.

    Returns
    -------
    pyarrow.Table, int
        As they are on file, and 0, where these rules made them.

    Raises
    ------
    MissingOutputError
        If they cannot be read.
    """
    scores = read_scores(path, columns=list(dict.fromkeys([*columns, "segment", *TEXT_COLUMNS, *NUMBER_COLUMNS])))
    if were_made_by(rules, scores):
        return scores, 0
    segment = rules.segment(segment_columns(scores), n=scores.num_rows)
    n_other = int((segment != scores["segment"].to_numpy(zero_copy_only=False).astype(str)).sum())
    position = scores.schema.get_field_index("segment")
    return scores.set_column(position, "segment", pa.array(segment, pa.string())), n_other


def with_previous_segment(features: pd.DataFrame, workspace: Workspace, *, as_of: date, rules: RuleSet) -> pd.DataFrame:
    """``features`` with each customer's segment, by these rules, in the latest earlier scores; null where there is none."""
    earlier = latest_earlier(workspace, as_of)
    if earlier is None:
        return features
    previous, _ = segmented_by(rules, earlier[1], columns=["customer_id"])
    segment = previous.select(["customer_id", "segment"]).to_pandas().set_index("customer_id")["segment"]
    return features.assign(previous_segment=features["customer_id"].map(segment))
