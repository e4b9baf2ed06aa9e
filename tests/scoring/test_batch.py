from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_scores import batch_scores, write_scores
from cvm.errors import FeatureMismatchError, MissingOutputError
from cvm.features.files import features_file
from cvm.scoring import resegment
from cvm.scoring.batch import score_batch
from cvm.scoring.chunks import EarlierSegments, highest
from cvm.scoring.files import (
    foresaw,
    is_on_file,
    latest_earlier,
    origin_of,
    read_scores,
    replace_columns,
    score_schema,
    write_schema,
)
from cvm.scoring.growth import growth_table
from cvm.scoring.resegment import segment_batch
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.scoring.score import score_table
from cvm.segments import Condition, RuleSet, Segmentation, SegmentRule, ValueCuts


def scores_on(workspace, as_of, segments):
    """Scores of another date on file, of which only the segments matter."""
    rows = [{**dict.fromkeys(SCORE_SCHEMA.names), "customer_id": name, "segment": one} for name, one in segments.items()]
    table = pa.Table.from_pylist(rows, schema=SCORE_SCHEMA)
    write_scores(table, workspace.scores_of(as_of), segmentation=Segmentation())


def previous(workspace, trained, as_of=None):
    rules, as_of = trained.bundle.segmentation.rules, as_of or trained.as_of
    earlier, ids = latest_earlier(workspace, as_of), trained.features["customer_id"].tolist()
    found = EarlierSegments(earlier[1] if earlier else None, rules).of(pa.array(ids, pa.string()))
    return dict(zip(ids, found.to_pylist(), strict=True))


class TestScoresOfSpark:
    """A folder of files stands for the one file of one machine."""

    @pytest.fixture
    def folder(self, trained, workspace):
        path = workspace.scores_of(trained.as_of)
        score_batch(trained.bundle, workspace, as_of=trained.as_of)
        scores = pq.read_table(path, partitioning=None)
        path.unlink()
        write_schema(scores.schema, path.parent)
        for number, start in enumerate(range(0, scores.num_rows, 150)):
            pq.write_table(scores.slice(start, 150).replace_schema_metadata(), path.with_name(f"part-{number:05d}.parquet"))
        return path.parent

    def test_it_is_read_with_what_made_it(self, trained, workspace, folder):
        assert workspace.scores_of(trained.as_of) == folder
        scores = read_scores(folder)
        assert scores.equals(score_table(trained.bundle, trained.features, as_of=trained.as_of))
        assert scores.schema.equals(SCORE_SCHEMA)
        assert origin_of(folder)["model_version"] == trained.bundle.model_version
        assert workspace.score_files() == {trained.as_of: folder}

    def test_its_segments_are_those_before(self, trained, workspace, folder):
        later = trained.as_of + timedelta(days=30)
        expected = read_scores(folder)
        assert list(previous(workspace, trained, later).values()) == expected["segment"].to_pylist()

    def test_columns_written_again_make_it_one_file(self, trained, workspace, folder):
        scores = read_scores(folder)
        replace_columns(folder, pa.table({"next_best_action": ["mail"] * scores.num_rows}))
        path = workspace.scores_of(trained.as_of)
        assert path == folder / "scores.parquet"
        assert not list(folder.glob("part-*"))
        after = read_scores(path)
        assert set(after["next_best_action"].to_pylist()) == {"mail"}
        assert after.drop_columns("next_best_action").equals(scores.drop_columns("next_best_action"))


class TestScoreBatch:
    def test_it_writes_the_scores_of_everybody_on_file(self, trained, workspace):
        scores = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
        assert scores.equals(score_table(trained.bundle, trained.features, as_of=trained.as_of))
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
        scores = batch_scores(trained.bundle, workspace, as_of=older)
        dates = [day for day in scores["expected_next_order_date"].to_pylist() if day]
        assert dates
        assert all(older <= day <= older + timedelta(days=180) for day in dates)


class TestChunks:
    @pytest.mark.parametrize("share", [1.0, 0.3, 0.0])
    def test_scores_do_not_depend_on_how_many_are_in_memory_at_once(self, trained, workspace, share):
        path = workspace.scores_of(trained.as_of)
        scores_on(workspace, trained.as_of - timedelta(days=30), {f"c{number:05d}": "core" for number in range(0, 300, 2)})
        found = []
        for chunk_rows in (50_000, 97, 23):
            job = score_batch(trained.bundle, workspace, as_of=trained.as_of, reasons_share=share, chunk_rows=chunk_rows)
            found.append(read_scores(path))
            assert job.n_customers == len(trained.features)
            assert job.clv_total == pytest.approx(found[0].to_pandas()["clv"].sum())
        for other in found[1:]:
            assert [name for name in SCORE_SCHEMA.names if not other[name].equals(found[0][name])] == []
        before = dict(zip(*(found[0][name].to_pylist() for name in ("customer_id", "previous_segment")), strict=True))
        assert before == {name: "core" if name[0] == "c" and int(name[1:]) % 2 == 0 else None for name in before}
        assert [one.name for one in path.parent.iterdir()] == ["scores.parquet"]

    def test_the_share_with_reasons_are_those_likeliest_to_leave(self, trained, workspace):
        everybody = batch_scores(trained.bundle, workspace, as_of=trained.as_of).to_pandas()
        some = batch_scores(trained.bundle, workspace, as_of=trained.as_of, reasons_share=0.25, chunk_rows=50).to_pandas()
        has = some["reasons"].notna()
        assert has.sum() == round(0.25 * everybody["p_churn"].notna().sum())
        assert some.loc[has, "p_churn"].min() >= some.loc[~has, "p_churn"].max()
        assert some.loc[has, "reasons"].map(list).equals(everybody.loc[has, "reasons"].map(list))
        assert some.drop(columns="reasons").equals(everybody.drop(columns="reasons"))

    @pytest.mark.parametrize(
        "disorder",
        [
            lambda features: features.iloc[::-1],
            lambda features: pd.concat([features, features.tail(1)]),
            lambda features: features.assign(customer_id=features["customer_id"].where(features.index != 9, None)),
        ],
        ids=["backwards", "twice", "null"],
    )
    def test_features_out_of_order_are_refused_and_nothing_is_written(self, trained, workspace, disorder):
        disorder(trained.features).to_parquet(features_file(workspace.features, trained.as_of), index=False)
        with pytest.raises(
            FeatureMismatchError, match=r"null, occurs twice or is out of order in \d+ rows of .*cvm features"
        ):
            score_batch(trained.bundle, workspace, as_of=trained.as_of, chunk_rows=40)
        assert not workspace.scores_of(trained.as_of).exists()

    def test_earlier_scores_by_other_rules_are_told_by_those_of_today(self, trained, workspace):
        earlier, rules = trained.as_of - timedelta(days=30), trained.bundle.segmentation.rules
        scores = score_table(trained.bundle, trained.features, as_of=trained.as_of)
        write_scores(scores, workspace.scores_of(earlier))  # nobody knows by which rules
        ids = scores["customer_id"].combine_chunks()
        asked = EarlierSegments(workspace.scores_of(earlier), rules)
        found = pa.concat_arrays([asked.of(ids[:7]), asked.of(ids[20:21]), asked.of(ids[30:])])
        assert found.equals(scores["segment"].take([*range(7), 20, *range(30, len(ids))]).combine_chunks())

    def test_earlier_scores_out_of_order_are_named(self, trained, workspace):
        path = workspace.scores_of(trained.as_of - timedelta(days=30))
        scores_on(workspace, trained.as_of - timedelta(days=30), {"c00002": "core", "c00001": "core"})
        with pytest.raises(FeatureMismatchError, match=rf"out of order in 1 rows of .*{path.parent.name}"):
            score_batch(trained.bundle, workspace, as_of=trained.as_of)

    def test_a_file_says_what_made_it_and_goes_on_to_say_so(self, trained, workspace):
        path = workspace.scores_of(trained.as_of)
        score_batch(trained.bundle, workspace, as_of=trained.as_of, reasons_share=0.5, origin={"warehouse": "abc"})
        said = origin_of(path)
        assert said == {
            "model_version": trained.bundle.model_version,
            "trained_as_of": str(trained.as_of),
            "reasons_share": 0.5,
            "warehouse": "abc",
        }
        assert is_on_file(path, score_schema(trained.bundle.segmentation, said))
        assert not is_on_file(path, score_schema(trained.bundle.segmentation, {**said, "warehouse": "abd"}))
        segment_batch(trained.bundle, workspace, as_of=trained.as_of)
        assert origin_of(path) == said
        assert foresaw(path, trained.as_of - timedelta(days=1))
        assert not foresaw(path, trained.as_of)
        assert origin_of(path.with_name("none.parquet")) is None


@pytest.mark.parametrize(
    ("values", "share", "chosen"),
    [
        ([0.2, np.nan, 0.9, 0.9, 0.1], 0.25, [2]),  # of equal ones the first
        ([0.2, np.nan, 0.9, 0.9, 0.1], 0.75, [0, 2, 3]),
        ([0.5] * 4, 0.5, [0, 1]),
        ([np.nan], 1.0, []),
        ([], 0.5, []),
        ([0.1, 0.2], 0.0, []),
        ([0.1, 0.2], 1.0, [0, 1]),
    ],
)
def test_the_highest_share_is_exact(values, share, chosen):
    assert np.flatnonzero(highest(np.array(values), share)).tolist() == chosen


class TestPreviousSegment:
    def test_without_earlier_scores_there_is_none(self, trained, workspace):
        assert set(previous(workspace, trained).values()) == {None}
        scores = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
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
        path.write_bytes(b"PAR1 damaged within PAR1")
        with pytest.raises(MissingOutputError, match=rf"{path.parent.name}.*cvm score"):
            score_batch(trained.bundle, workspace, as_of=trained.as_of)

    def test_it_stands_in_the_scores_and_a_rerun_keeps_it(self, trained, workspace):
        day = trained.as_of
        scores_on(workspace, day - timedelta(days=30), {"c00001": "core", "gone": "lost"})
        for _ in range(2):
            scores = batch_scores(trained.bundle, workspace, as_of=day)
            found = dict(zip(scores["customer_id"].to_pylist(), scores["previous_segment"].to_pylist(), strict=True))
            assert {name: segment for name, segment in found.items() if segment} == {"c00001": "core"}


class TestSegmentBatch:
    def test_scores_that_cannot_be_read_are_named(self, trained, workspace):
        path = workspace.scores_of(trained.as_of)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"PAR1 damaged within PAR1")
        with pytest.raises(MissingOutputError, match=rf"{path.parent.name}.*cvm score"):
            segment_batch(trained.bundle, workspace, as_of=trained.as_of)

    def test_the_same_bundle_changes_nothing_and_writes_the_same_bytes(self, trained, workspace):
        before = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
        path = workspace.scores_of(trained.as_of)
        first = path.read_bytes()
        done = segment_batch(trained.bundle, workspace, as_of=trained.as_of)
        after, n_changed = read_scores(workspace.scores_of(trained.as_of)), done.n_changed
        assert n_changed == 0
        assert after.equals(before)
        assert path.read_bytes() == first

    def test_other_cut_points_reassign_segments_and_are_counted(self, trained, workspace):
        before = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
        clv = before["clv"].to_numpy()
        generous = replace(trained.bundle, value_cuts=ValueCuts.fit(clv, top=0.5, high=0.3, medium=0.1))
        done = segment_batch(generous, workspace, as_of=trained.as_of)
        after, n_changed = read_scores(workspace.scores_of(trained.as_of)), done.n_changed
        moved = sum(a != b for a, b in zip(before["segment"].to_pylist(), after["segment"].to_pylist(), strict=True))
        assert n_changed == moved > 0
        assert after["value_tier"].to_pylist().count("top") == pytest.approx(0.5 * len(clv), abs=2)
        assert read_scores(workspace.scores_of(trained.as_of)).equals(after)

    def test_predictions_and_the_past_are_left_alone(self, trained, workspace):
        scores_on(workspace, trained.as_of - timedelta(days=30), {"c00001": "core"})
        before = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
        other = replace(trained.bundle, value_cuts=ValueCuts.fit(np.arange(100.0), top=0.1, high=0.2, medium=0.3))
        segment_batch(other, workspace, as_of=trained.as_of)
        after = read_scores(workspace.scores_of(trained.as_of))
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
        own = Segmentation(RuleSet((SegmentRule("good", "keep", good), SegmentRule("rest", "wait"))))
        score_batch(trained.bundle, workspace, as_of=trained.as_of)
        earlier = read_scores(workspace.scores_of(trained.as_of))
        write_scores(earlier, workspace.scores_of(trained.as_of - timedelta(days=30)))
        before = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
        assert before["previous_segment"].equals(earlier["segment"])
        done = segment_batch(trained.bundle, workspace, as_of=trained.as_of, segmentation=own)
        assert done.is_changed
        assert set(done.scores["segment"].to_pylist()) == {"good", "rest"}
        assert done.scores["previous_segment"].equals(done.scores["segment"])
        scored = batch_scores(trained.bundle, workspace, as_of=trained.as_of, segmentation=own)
        assert scored["previous_segment"].equals(done.scores["previous_segment"])

    def test_segments_changed_by_hand_are_put_right(self, trained, workspace):
        before = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
        position = SCORE_SCHEMA.get_field_index("segment")
        edited = before.set_column(position, SCORE_SCHEMA.field("segment"), pa.array(["vip"] * before.num_rows))
        write_scores(edited, workspace.scores_of(trained.as_of))
        done = segment_batch(trained.bundle, workspace, as_of=trained.as_of)
        after, n_changed = read_scores(workspace.scores_of(trained.as_of)), done.n_changed
        assert after.equals(before)
        assert n_changed == sum(segment != "vip" for segment in before["segment"].to_pylist())

    def test_rows_in_another_order_find_their_own_features(self, trained, workspace):
        before = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
        backwards = before.take(list(range(before.num_rows))[::-1])
        write_scores(backwards, workspace.scores_of(trained.as_of))
        done = segment_batch(trained.bundle, workspace, as_of=trained.as_of)
        after, n_changed = read_scores(workspace.scores_of(trained.as_of)), done.n_changed
        assert n_changed == 0
        assert after.equals(backwards)

    def test_without_scores_it_names_the_command_that_writes_them(self, trained, workspace):
        with pytest.raises(MissingOutputError, match=r"scores\.parquet does not exist yet\. Run `cvm score`"):
            segment_batch(trained.bundle, workspace, as_of=trained.as_of)

    @pytest.mark.parametrize("order", [1, -1])
    def test_the_past_does_not_depend_on_the_order_of_the_file(self, trained, workspace, order):
        earlier = trained.as_of - timedelta(days=30)
        scores_on(workspace, earlier, {"c00001": "core", "c00003": "vip", "gone": "lost"})
        scores = score_table(trained.bundle, trained.features, as_of=trained.as_of)
        write_scores(scores.take(list(range(scores.num_rows))[::order]), workspace.scores_of(trained.as_of))
        found = segment_batch(trained.bundle, workspace, as_of=trained.as_of).scores
        told = dict(zip(found["customer_id"].to_pylist(), found["previous_segment"].to_pylist(), strict=True))
        assert {name: segment for name, segment in told.items() if segment} == {"c00001": "core", "c00003": "vip"}

    def test_it_is_a_chunk_at_a_time_and_reads_no_other_features_than_it_needs(self, trained, workspace, monkeypatch):
        whole = batch_scores(trained.bundle, workspace, as_of=trained.as_of, chunk_rows=40)
        monkeypatch.setattr(resegment, "CHUNK_ROWS", 70)
        done = segment_batch(trained.bundle, workspace, as_of=trained.as_of)
        assert read_scores(workspace.scores_of(trained.as_of)).equals(whole)
        assert not done.is_changed
        assert growth_table(trained.bundle, done.features, done.scores).equals(
            growth_table(trained.bundle, trained.features, whole)
        )
        assert len(done.features.columns) < 20

    def test_scores_of_customers_without_features_are_refused(self, trained, workspace):
        score_batch(trained.bundle, workspace, as_of=trained.as_of)
        fewer = trained.features[trained.features["customer_id"] != "c00001"]
        fewer.to_parquet(features_file(workspace.features, trained.as_of), index=False)
        with pytest.raises(MissingOutputError, match="no longer hold every scored customer"):
            segment_batch(trained.bundle, workspace, as_of=trained.as_of)
