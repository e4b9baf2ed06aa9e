from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from cvm.errors import MissingOutputError
from cvm.features.files import features_file
from cvm.scoring.batch import read_scores, score_batch, segment_batch, with_previous_segment, write_scores
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.scoring.score import score
from cvm.segments import Condition, Rule, RuleSet, Segmentation, ValueCuts


def scores_on(workspace, as_of, segments):
    """Scores of another date on file, of which only the segments matter."""
    rows = [{**dict.fromkeys(SCORE_SCHEMA.names), "customer_id": name, "segment": one} for name, one in segments.items()]
    table = pa.Table.from_pylist(rows, schema=SCORE_SCHEMA)
    write_scores(table, workspace.scores_of(as_of), segmentation=Segmentation())


def previous(workspace, trained, as_of=None):
    rules, as_of = trained.bundle.segmentation.rules, as_of or trained.as_of
    features = with_previous_segment(trained.features, workspace, as_of=as_of, rules=rules)
    if "previous_segment" not in features:
        return None
    return dict(
        zip(
            features["customer_id"],
            features["previous_segment"].astype(object).where(features["previous_segment"].notna(), None),
            strict=True,
        )
    )


class TestScoreBatch:
    def test_it_writes_the_scores_of_everybody_on_file(self, trained, workspace):
        scores = score_batch(trained.bundle, workspace, as_of=trained.as_of)
        assert scores.equals(score(trained.bundle, trained.features, as_of=trained.as_of))
        on_file = read_scores(workspace.scores_of(trained.as_of))
        assert on_file.equals(scores)
        assert on_file.schema.equals(SCORE_SCHEMA)
        ids = on_file["customer_id"].to_pylist()
        assert ids == sorted(set(ids)) == trained.features["customer_id"].tolist()

    def test_the_same_run_writes_the_same_bytes(self, trained, workspace):
        path = workspace.scores_of(trained.as_of)
        score_batch(trained.bundle, workspace, as_of=trained.as_of)
        first = path.read_bytes()
        score_batch(trained.bundle, workspace, as_of=trained.as_of)
        assert path.read_bytes() == first

    def test_it_leaves_one_file_and_nothing_half_written(self, trained, workspace):
        score_batch(trained.bundle, workspace, as_of=trained.as_of)
        assert [path.name for path in workspace.scores_of(trained.as_of).parent.iterdir()] == ["scores.parquet"]

    def test_a_date_without_features_is_refused_with_the_command_that_writes_them(self, trained, workspace):
        with pytest.raises(MissingOutputError, match=r"cvm features --set windows\.as_of=2030-01-01"):
            score_batch(trained.bundle, workspace, as_of=date(2030, 1, 1))
        assert not workspace.scores.exists()

    def test_an_older_snapshot_is_scored_at_its_own_date(self, trained, workspace):
        folder = features_file(workspace.features, trained.as_of).parent.parent
        older = sorted(date.fromisoformat(path.name[6:]) for path in folder.glob("as_of=*"))[0]
        scores = score_batch(trained.bundle, workspace, as_of=older)
        dates = [day for day in scores["expected_next_order_date"].to_pylist() if day]
        assert dates
        assert all(older <= day <= older + timedelta(days=180) for day in dates)


class TestPreviousSegment:
    def test_without_earlier_scores_there_is_none(self, trained, workspace):
        assert previous(workspace, trained) is None
        scores = score_batch(trained.bundle, workspace, as_of=trained.as_of)
        assert scores["previous_segment"].null_count == scores.num_rows

    def test_it_comes_from_the_latest_earlier_date_only(self, trained, workspace):
        day = trained.as_of
        scores_on(workspace, day - timedelta(days=60), {"c00001": "vip", "c00002": "core"})
        scores_on(workspace, day - timedelta(days=30), {"c00001": "at_risk"})
        scores_on(workspace, day, {"c00001": "lost"})
        scores_on(workspace, day + timedelta(days=30), {"c00001": "new"})
        found = previous(workspace, trained)
        assert found["c00001"] == "at_risk"
        # Not scored at the latest earlier date: older dates do not fill the gap.
        assert found["c00002"] is None

    def test_a_year_with_fewer_digits_or_a_stray_folder_is_no_later_date(self, trained, workspace):
        scores_on(workspace, trained.as_of - timedelta(days=30), {"c00001": "core"})
        (workspace.scores / "as_of=latest").mkdir()
        (workspace.scores / "notes.txt").write_text("kept by hand")
        assert previous(workspace, trained)["c00001"] == "core"

    def test_earlier_scores_that_cannot_be_read_are_named(self, trained, workspace):
        path = workspace.scores_of(trained.as_of - timedelta(days=30))
        path.parent.mkdir(parents=True)
        path.write_bytes(b"PAR1 cut short")
        with pytest.raises(MissingOutputError, match=rf"{path.parent.name}.*cvm score"):
            score_batch(trained.bundle, workspace, as_of=trained.as_of)

    def test_it_stands_in_the_scores_and_a_rerun_keeps_it(self, trained, workspace):
        day = trained.as_of
        scores_on(workspace, day - timedelta(days=30), {"c00001": "core", "gone": "lost"})
        for _ in range(2):
            scores = score_batch(trained.bundle, workspace, as_of=day)
            found = dict(zip(scores["customer_id"].to_pylist(), scores["previous_segment"].to_pylist(), strict=True))
            assert {name: segment for name, segment in found.items() if segment} == {"c00001": "core"}


class TestSegmentBatch:
    def test_scores_that_cannot_be_read_are_named(self, trained, workspace):
        path = workspace.scores_of(trained.as_of)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"PAR1 cut short")
        with pytest.raises(MissingOutputError, match=rf"{path.parent.name}.*cvm score"):
            segment_batch(trained.bundle, workspace, as_of=trained.as_of)

    def test_the_same_bundle_changes_nothing_and_writes_the_same_bytes(self, trained, workspace):
        before = score_batch(trained.bundle, workspace, as_of=trained.as_of)
        path = workspace.scores_of(trained.as_of)
        first = path.read_bytes()
        done = segment_batch(trained.bundle, workspace, as_of=trained.as_of)
        after, n_changed = done.scores, done.n_changed
        assert n_changed == 0
        assert after.equals(before)
        assert path.read_bytes() == first

    def test_other_cut_points_reassign_segments_and_are_counted(self, trained, workspace):
        before = score_batch(trained.bundle, workspace, as_of=trained.as_of)
        clv = before["clv"].to_numpy()
        generous = replace(trained.bundle, value_cuts=ValueCuts.fit(clv, top=0.5, high=0.3, medium=0.1))
        done = segment_batch(generous, workspace, as_of=trained.as_of)
        after, n_changed = done.scores, done.n_changed
        moved = sum(a != b for a, b in zip(before["segment"].to_pylist(), after["segment"].to_pylist(), strict=True))
        assert n_changed == moved > 0
        assert after["value_tier"].to_pylist().count("top") == pytest.approx(0.5 * len(clv), abs=2)
        assert read_scores(workspace.scores_of(trained.as_of)).equals(after)

    def test_predictions_and_the_past_are_left_alone(self, trained, workspace):
        scores_on(workspace, trained.as_of - timedelta(days=30), {"c00001": "core"})
        before = score_batch(trained.bundle, workspace, as_of=trained.as_of)
        other = replace(trained.bundle, value_cuts=ValueCuts.fit(np.arange(100.0), top=0.1, high=0.2, medium=0.3))
        after = segment_batch(other, workspace, as_of=trained.as_of).scores
        segmentation = {
            "value_percentile",
            "value_tier",
            "lifecycle_stage",
            "rfm_recency",
            "rfm_frequency",
            "rfm_monetary",
            "rfm_segment",
            "segment",
        }
        for name in SCORE_SCHEMA.names:
            if name not in segmentation:
                assert after[name].equals(before[name]), name

    def test_the_past_is_told_by_the_new_rules_too(self, trained, workspace):
        good = Condition({"value_tier": ["top", "high"]})
        own = Segmentation(RuleSet((Rule("good", "keep", good), Rule("rest", "wait"))))
        score_batch(trained.bundle, workspace, as_of=trained.as_of)
        earlier = read_scores(workspace.scores_of(trained.as_of))
        write_scores(earlier, workspace.scores_of(trained.as_of - timedelta(days=30)))
        before = score_batch(trained.bundle, workspace, as_of=trained.as_of)
        assert before["previous_segment"].equals(earlier["segment"])
        done = segment_batch(trained.bundle, workspace, as_of=trained.as_of, segmentation=own)
        assert done.is_changed
        assert set(done.scores["segment"].to_pylist()) == {"good", "rest"}
        assert done.scores["previous_segment"].equals(done.scores["segment"])
        scored = score_batch(trained.bundle, workspace, as_of=trained.as_of, segmentation=own)
        assert scored["previous_segment"].equals(done.scores["previous_segment"])

    def test_segments_changed_by_hand_are_put_right(self, trained, workspace):
        before = score_batch(trained.bundle, workspace, as_of=trained.as_of)
        position = SCORE_SCHEMA.get_field_index("segment")
        edited = before.set_column(position, SCORE_SCHEMA.field("segment"), pa.array(["vip"] * before.num_rows))
        write_scores(edited, workspace.scores_of(trained.as_of))
        done = segment_batch(trained.bundle, workspace, as_of=trained.as_of)
        after, n_changed = done.scores, done.n_changed
        assert after.equals(before)
        assert n_changed == sum(segment != "vip" for segment in before["segment"].to_pylist())

    def test_rows_in_another_order_find_their_own_features(self, trained, workspace):
        before = score_batch(trained.bundle, workspace, as_of=trained.as_of)
        backwards = before.take(list(range(before.num_rows))[::-1])
        write_scores(backwards, workspace.scores_of(trained.as_of))
        done = segment_batch(trained.bundle, workspace, as_of=trained.as_of)
        after, n_changed = done.scores, done.n_changed
        assert n_changed == 0
        assert after.equals(backwards)

    def test_without_scores_it_names_the_command_that_writes_them(self, trained, workspace):
        with pytest.raises(MissingOutputError, match=r"scores\.parquet does not exist yet\. Run `cvm score`"):
            segment_batch(trained.bundle, workspace, as_of=trained.as_of)

    def test_scores_of_customers_without_features_are_refused(self, trained, workspace):
        score_batch(trained.bundle, workspace, as_of=trained.as_of)
        fewer = trained.features[trained.features["customer_id"] != "c00001"]
        fewer.to_parquet(features_file(workspace.features, trained.as_of), index=False)
        with pytest.raises(MissingOutputError, match="no longer hold every scored customer"):
            segment_batch(trained.bundle, workspace, as_of=trained.as_of)
