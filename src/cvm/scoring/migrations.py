"""Two runs compared: both segmented by the same rules, so that customers move and not rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cvm.scoring.files import latest_earlier, read_scores, were_made_by
from cvm.scoring.segmentation import segment_columns
from cvm.segments import (
    NUMBER_COLUMNS,
    TEXT_COLUMNS,
    Segmentation,
    border_crossers,
    matched,
    migration_matrix,
)
from cvm.workspace import Workspace

MIGRATIONS_FILE = "migrations.parquet"
MOVES_FILE = "moves.parquet"

_SIDE = ["customer_id", "segment", "clv", "p_churn"]

_MATRIX = pa.schema(
    [
        ("previous_as_of", pa.date32()),
        ("as_of", pa.date32()),
        ("from_segment", pa.string()),
        ("to_segment", pa.string()),
        ("n_customers", pa.int64()),
        ("previous_clv", pa.float64()),
        ("clv", pa.float64()),
    ]
)
_MOVES = pa.schema(
    [
        ("customer_id", pa.string()),
        ("from_segment", pa.string()),
        ("to_segment", pa.string()),
        ("previous_clv", pa.float64()),
        ("clv", pa.float64()),
        ("previous_p_churn", pa.float64()),
        ("p_churn", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Migrations:
    """Two runs compared.

    Attributes
    ----------
    previous_as_of, as_of : date
    matrix : DataFrame of shape (n_pairs, 5)
        As from ``segments.migration_matrix``.
    notes : tuple of str
        Why the two runs are not quite of one kind, and what was done about it.
    """

    previous_as_of: date
    as_of: date
    matrix: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def stayed(self) -> pd.DataFrame:
        """Rows of those whose segment is the same."""
        return self.matrix[self.matrix["from_segment"] == self.matrix["to_segment"]]

    @property
    def in_both(self) -> pd.DataFrame:
        """Rows of those whom both runs scored."""
        return self.matrix.dropna(subset=["from_segment", "to_segment"])


def write_migrations(
    workspace: Workspace, scores: pa.Table, segmentation: Segmentation, *, as_of: date, folder: Path
) -> Migrations | None:
    """Compare scores with the latest earlier ones on file, and write the matrix and who moved.

    Parameters
    ----------
    workspace : Workspace
        Holds the earlier scores.
    scores : pyarrow.Table
        Of ``as_of``, by this segmentation.
    segmentation : Segmentation
    as_of : date
    folder : Path
        New and empty; receives the files.

    Returns
    -------
    Migrations or None
        None where there are no earlier scores; then nothing is written.

    Raises
    ------
    MissingOutputError
        If the earlier scores cannot be read.
    """
    earlier = latest_earlier(workspace, as_of)
    if earlier is None:
        return None
    previous_as_of, path = earlier
    before, notes = _same_rules(path, previous_as_of, segmentation)
    notes += _same_model(before, scores, previous_as_of)
    both = matched(before.select(_SIDE).to_pandas(), scores.select(_SIDE).to_pandas())
    found = Migrations(previous_as_of, as_of, migration_matrix(both), notes)
    dated = found.matrix.assign(previous_as_of=previous_as_of, as_of=as_of)
    _write(dated, _MATRIX, folder / MIGRATIONS_FILE)
    _write(border_crossers(both), _MOVES, folder / MOVES_FILE)
    return found


def _same_rules(path: Path, day: date, segmentation: Segmentation) -> tuple[pa.Table, tuple[str, ...]]:
    """Earlier scores as these rules segment them; as they are where these rules made them."""
    rules = segmentation.rules
    before = read_scores(path, columns=list(dict.fromkeys([*_SIDE, "model_version", *TEXT_COLUMNS, *NUMBER_COLUMNS])))
    if were_made_by(rules, before):
        return before, ()
    segment = rules.segment(segment_columns(before), n=before.num_rows)
    n_other = int((segment != before["segment"].to_numpy(zero_copy_only=False).astype(str)).sum())
    if not n_other:
        return before, ()
    position = before.schema.get_field_index("segment")
    after = before.set_column(position, "segment", pa.array(segment, pa.string()))
    return after, (
        f"The scores of {day} were segmented by other rules. Today's were applied to them, so that customers move and not "
        f"rules: {n_other:,} of {after.num_rows:,} are in another segment there than on file.",
    )


def _same_model(before: pa.Table, scores: pa.Table, day: date) -> tuple[str, ...]:
    then, now = (", ".join(sorted(table["model_version"].unique().to_pylist())) for table in (before, scores))
    if then == now or not before.num_rows:
        return ()
    return (f"The scores of {day} are by model {then}, today's by {now}: part of what moved may be the model.",)


def _write(frame: pd.DataFrame, schema: pa.Schema, path: Path) -> None:
    table = pa.Table.from_pandas(frame[schema.names], schema=schema, preserve_index=False)
    pq.write_table(table, path, compression="zstd")
