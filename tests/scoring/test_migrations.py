from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_scores import batch_scores, write_scores
from cvm.errors import MissingOutputError
from cvm.scoring.files import read_scores
from cvm.scoring.migrations import MIGRATIONS_FILE, MOVES_FILE, write_migrations
from cvm.scoring.score import score_table
from cvm.segments import Condition, RuleSet, Segmentation, SegmentRule
from cvm.stages.context import damaged_scores

OWN = Segmentation(
    RuleSet((SegmentRule("good", "keep", Condition({"value_tier": ["top", "high"]})), SegmentRule("rest", "wait")))
)


@pytest.fixture
def earlier(trained, workspace):
    """Scores of a month before: of all but ten customers, the value of the first fifty doubled, by the default rules."""
    scores = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
    day = trained.as_of - timedelta(days=30)
    clv = scores["clv"].to_pylist()
    doubled = scores.set_column(10, "clv", pa.array([2 * value if row < 50 else value for row, value in enumerate(clv)]))
    position = scores.schema.get_field_index("segment")
    segment = ["vip" if row < 50 else name for row, name in enumerate(scores["segment"].to_pylist())]
    write_scores(
        doubled.set_column(position, "segment", pa.array(segment)).slice(0, scores.num_rows - 10),
        workspace.scores_of(day),
        segmentation=Segmentation(),
    )
    return day


def folder_of(workspace):
    folder = workspace.outputs / "compared"
    folder.mkdir(exist_ok=True)
    return folder


def compared(trained, workspace, segmentation=None):
    segmentation = segmentation or Segmentation()
    scores = batch_scores(trained.bundle, workspace, as_of=trained.as_of, segmentation=segmentation)
    return scores, write_migrations(workspace, scores, segmentation, as_of=trained.as_of, folder=folder_of(workspace))


def test_without_earlier_scores_there_is_nothing_to_compare_and_no_file(trained, workspace):
    assert compared(trained, workspace)[1] is None
    assert list(folder_of(workspace).iterdir()) == []


def test_files_hold_what_the_report_reads(trained, workspace, earlier):
    scores, found = compared(trained, workspace)
    assert found.previous_as_of == earlier
    assert found.notes == ()
    folder = folder_of(workspace)
    table = pq.read_table(folder / MIGRATIONS_FILE, partitioning=None)
    assert table.schema.names == [
        "previous_as_of",
        "as_of",
        "from_segment",
        "to_segment",
        "n_customers",
        "previous_clv",
        "clv",
    ]
    assert set(table["previous_as_of"].to_pylist()) == {earlier}
    before = read_scores(workspace.scores_of(earlier))
    rows = table.to_pylist()
    assert sum(row["n_customers"] for row in rows if row["from_segment"]) == before.num_rows
    assert sum(row["n_customers"] for row in rows if row["to_segment"]) == scores.num_rows
    assert sum(row["n_customers"] for row in rows if not row["from_segment"]) == 10
    assert sum(row["previous_clv"] for row in rows) == pytest.approx(sum(before["clv"].to_pylist()))
    assert sum(row["clv"] for row in rows) == pytest.approx(sum(scores["clv"].to_pylist()))
    moves = pq.read_table(folder / MOVES_FILE, partitioning=None)
    assert moves.num_rows == sum(name != "vip" for name in scores["segment"].to_pylist()[:50])
    changes = [
        abs(now - then) for now, then in zip(moves["clv"].to_pylist(), moves["previous_clv"].to_pylist(), strict=True)
    ]
    assert changes == sorted(changes, reverse=True)


def test_scores_of_other_rules_are_segmented_again_so_that_rules_do_not_move(trained, workspace, earlier):
    _, found = compared(trained, workspace, OWN)
    assert set(found.in_both["from_segment"]) == {"good", "rest"}
    assert found.stayed["n_customers"].sum() == found.in_both["n_customers"].sum()  # nobody's tier on file differs
    assert len(found.notes) == 1
    assert f"scores of {earlier} were segmented by other rules" in found.notes[0]


def test_another_model_is_told(trained, workspace, earlier):
    path = workspace.scores_of(earlier)
    before = read_scores(path)
    other = before.set_column(4, "model_version", pa.array(["0123456789ab"] * before.num_rows))
    write_scores(other, path, segmentation=Segmentation())
    _, found = compared(trained, workspace)
    assert len(found.notes) == 1
    assert f"by model 0123456789ab, today's by {trained.bundle.model_version}" in found.notes[0]


def test_earlier_scores_cut_short_are_left_out(trained, workspace, earlier):
    workspace.scores_of(earlier).write_bytes(b"PAR1 cut short")
    assert compared(trained, workspace)[1] is None
    (note,) = damaged_scores(workspace)
    assert note.startswith(
        f"{workspace.scores_of(earlier)} is damaged and left out. Delete it, or write it again: `cvm score --as-of"
    )


def test_earlier_scores_damaged_within_are_named(trained, workspace, earlier):
    workspace.scores_of(earlier).write_bytes(b"PAR1 damaged within PAR1")
    scores = score_table(trained.bundle, trained.features, as_of=trained.as_of)
    refusal = rf"as_of={earlier}.*is damaged\. Run `cvm score --as-of {earlier}`"
    with pytest.raises(MissingOutputError, match=refusal):
        write_migrations(workspace, scores, Segmentation(), as_of=trained.as_of, folder=folder_of(workspace))
