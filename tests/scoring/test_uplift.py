from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_scores import batch_scores
from cvm.models.boosting import Encoder
from cvm.models.btyd import Btyd
from cvm.models.btyd.season import SeasonClock
from cvm.models.uplift import MEAN, ArmUplift, TreatmentUplift, Uplift, UpliftModel
from cvm.models.uplift.lessons import season_level
from cvm.models.uplift.linear import LinearDesign, LinearEffect
from cvm.scoring.batch import score_batch
from cvm.scoring.files import read_scores
from cvm.scoring.pyfunc import ScoringModel, _load_pyfunc
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.scoring.score import score_table
from cvm.scoring.uplift import UPLIFT_SCHEMA, expected_uplift, uplift_columns, uplift_columns_again, uplift_table
from simulated import bundle

AS_OF = date(2024, 6, 1)
COLUMNS = ("next_best_action", "expected_uplift", "expected_net_value")
FEATURES = pd.DataFrame(
    {"customer_id": ["a", "b", "c", "p"], "n_orders": [3.0, 1.0, 2.0, 0.0], "recency_days": [10.0, 100, 400, np.nan]}
)


def treatment(arm: str, *, cost: float, mean: float, per_100_days: float = 0.0) -> TreatmentUplift:
    """A treatment that adds ``mean`` to who ordered 100 days ago, and ``per_100_days`` more for every 100 days."""
    design = LinearDesign(Encoder(("recency_days",), {}), (0.0,), (1000.0,), (100.0,), (100.0,))
    learner = LinearEffect(design, (0.0,), ((per_100_days,),))
    return TreatmentUplift(arm, cost, ("spring",), UpliftModel((ArmUplift(arm, mean, MEAN, 1.0, 0.0),), {MEAN: learner}))


# Net of their cost the letter earns 0.1, 1 and 4, the mail -0.05, -0.05 and -0.05.
LETTER = treatment("letter", cost=1.0, mean=2.0, per_100_days=1.0)
MAIL = treatment("mail", cost=0.25, mean=0.2)
BOTH = Uplift(30, (LETTER, MAIL))


@pytest.fixture(scope="module")
def model(trained):
    """The trained shop's, with a letter that is too dear for who ordered lately."""
    return replace(trained.bundle, uplift=Uplift(30, (replace(LETTER, cost=1.5), MAIL)))


def scored(uplift: Uplift | None, features: pd.DataFrame = FEATURES) -> dict[str, list]:
    model = bundle(uplift=uplift)
    columns = uplift_columns(model, expected_uplift(model, features, as_of=AS_OF))
    return {name: column.to_pylist() for name, column in columns.items()}


class TestExpectedUplift:
    def test_it_has_a_column_for_every_treatment(self):
        found = expected_uplift(bundle(uplift=BOTH), FEATURES, as_of=AS_OF)
        np.testing.assert_allclose(found, [[1.1, 0.2], [2.0, 0.2], [5.0, 0.2], [np.nan, np.nan]])

    def test_without_a_model_there_is_none(self):
        model = bundle()
        assert expected_uplift(model, FEATURES, as_of=AS_OF) is None
        assert uplift_columns(model, None) == {}
        assert uplift_table(model, FEATURES, np.empty((4, 0))).equals(UPLIFT_SCHEMA.empty_table())

    def test_it_is_told_in_the_season_of_the_days_to_come(self):
        model = bundle(uplift=BOTH)
        quiet = replace(model, btyd=Btyd(model.btyd.process, model.btyd.spend, SeasonClock((0.5,) * 365)))
        steady, found = (expected_uplift(one, FEATURES, as_of=AS_OF) for one in (model, quiet))
        np.testing.assert_allclose(found, steady / 2)


class TestColumns:
    def test_the_treatment_that_earns_most_is_the_action(self):
        found = scored(BOTH)
        assert found["next_best_action"] == ["letter", "letter", "letter", None]
        assert found["expected_uplift"] == pytest.approx([1.1, 2.0, 5.0, None])
        assert found["expected_net_value"] == pytest.approx([0.1, 1.0, 4.0, None])

    def test_net_of_its_cost_and_not_by_its_effect(self):
        dear = replace(BOTH, treatments=(replace(LETTER, cost=1.95), replace(MAIL, cost=0.1)))
        found = scored(dear)
        assert found["next_best_action"] == ["mail", "mail", "letter", None]
        assert found["expected_uplift"] == pytest.approx([0.2, 0.2, 5.0, None])
        assert found["expected_net_value"] == pytest.approx([0.1, 0.1, 3.05, None])

    def test_where_no_contact_pays_there_is_no_action_but_what_the_best_would_lose(self):
        dear = Uplift(30, (replace(LETTER, cost=2.0), MAIL))
        found = scored(dear)
        # The second gains exactly what the letter costs: nothing is earned, so nothing is to be done.
        assert found["next_best_action"] == [None, None, "letter", None]
        assert found["expected_net_value"] == pytest.approx([-0.05, 0.0, 3.0, None])
        assert found["expected_uplift"] == pytest.approx([0.2, 2.0, 5.0, None])

    def test_prospects_are_told_nothing(self):
        found = scored(BOTH, FEATURES[FEATURES["n_orders"] == 0])
        assert found == {name: [None] for name in COLUMNS}

    def test_nobody_is_nobody(self):
        assert scored(BOTH, FEATURES.head(0)) == {name: [] for name in COLUMNS}

    def test_one_customer_alone_is_told_the_same(self):
        together = scored(BOTH)
        for row in range(len(FEATURES)):
            alone = scored(BOTH, FEATURES.iloc[[row]])
            assert alone == {name: [values[row]] for name, values in together.items()}


class TestTable:
    def test_every_treatment_has_a_row_for_every_customer_but_prospects(self):
        model = bundle(uplift=BOTH)
        table = uplift_table(model, FEATURES, expected_uplift(model, FEATURES, as_of=AS_OF))
        assert table.schema.equals(UPLIFT_SCHEMA)
        rows = table.to_pylist()
        assert [(row["customer_id"], row["arm"]) for row in rows] == [
            (who, arm) for who in "abc" for arm in ("letter", "mail")
        ]
        assert [row["expected_uplift"] for row in rows] == pytest.approx([1.1, 0.2, 2.0, 0.2, 5.0, 0.2])
        assert [row["cost"] for row in rows] == [1.0, 0.25] * 3
        assert {row["outcome_days"] for row in rows} == {30}
        assert {row["model_version"] for row in rows} == {model.model_version}

    def test_prospects_alone_leave_it_empty(self):
        model, prospects = bundle(uplift=BOTH), FEATURES[FEATURES["n_orders"] == 0]
        table = uplift_table(model, prospects, expected_uplift(model, prospects, as_of=AS_OF))
        assert (table.num_rows, table.schema) == (0, UPLIFT_SCHEMA)


class TestBatch:
    def test_scores_and_file_agree(self, trained, model, workspace):
        scores = batch_scores(model, workspace, as_of=trained.as_of)
        assert scores.schema.equals(SCORE_SCHEMA)
        path = workspace.uplift_of(trained.as_of)
        table = pq.read_table(path, partitioning=None)
        assert pa.schema([(field.name, field.type) for field in table.schema]).equals(UPLIFT_SCHEMA)
        assert [each.name for each in path.parent.iterdir()] == ["uplift.parquet"]
        buyers = trained.features.loc[trained.features["n_orders"] > 0, "customer_id"].tolist()
        by_arm = table.to_pandas().pivot_table(index="customer_id", columns="arm", values="expected_uplift")
        assert by_arm.index.tolist() == buyers
        net = by_arm - [1.5, 0.25]
        frame = scores.to_pandas().set_index("customer_id")
        np.testing.assert_allclose(frame.loc[buyers, "expected_net_value"], net.max(axis=1))
        pays = frame["expected_net_value"] > 0
        assert 0 < pays.sum() < len(buyers)
        assert frame.loc[pays, "next_best_action"].tolist() == net.idxmax(axis=1)[pays[pays].index].tolist()
        assert frame.loc[~pays, "next_best_action"].isna().all()
        prospects = frame[frame["segment"] == "prospect"]
        assert len(prospects) == 40
        assert prospects[list(COLUMNS)].isna().all(axis=None)
        assert read_scores(workspace.scores_of(trained.as_of)).equals(scores)

    def test_the_same_run_writes_the_same_bytes(self, trained, model, workspace):
        path = workspace.uplift_of(trained.as_of)
        contents = []
        for _ in range(2):
            score_batch(model, workspace, as_of=trained.as_of)
            contents.append(path.read_bytes())
        assert contents[0] == contents[1]

    def test_scores_and_file_do_not_depend_on_how_many_are_in_memory_at_once(self, trained, model, workspace):
        path, found = workspace.uplift_of(trained.as_of), []
        for chunk_rows in (50_000, 97):
            scores = batch_scores(model, workspace, as_of=trained.as_of, chunk_rows=chunk_rows)
            found.append((scores, pq.read_table(path, partitioning=None)))
        assert all(one.equals(other) for one, other in zip(*found, strict=True))

    def test_a_model_that_knows_no_treatment_takes_the_file_away_and_leaves_nulls(self, trained, model, workspace):
        score_batch(model, workspace, as_of=trained.as_of)
        scores = batch_scores(trained.bundle, workspace, as_of=trained.as_of)
        assert not workspace.uplift_of(trained.as_of).exists()
        for name in COLUMNS:
            assert scores[name].null_count == scores.num_rows

    def test_other_scores_are_as_they_were(self, trained, model):
        untouched = [name for name in SCORE_SCHEMA.names if name not in ("model_version", *COLUMNS)]
        plain, told = (score_table(one, trained.features, as_of=trained.as_of) for one in (trained.bundle, model))
        assert told.select(untouched).equals(plain.select(untouched))


class TestServed:
    def test_a_bundle_directory_answers_as_the_batch_job_does(self, trained, model, tmp_path):
        model.write(tmp_path)
        answer = _load_pyfunc(str(tmp_path)).predict(trained.features)
        expected = score_table(model, trained.features, as_of=trained.as_of)
        for name in (*COLUMNS, "model_version"):
            assert answer[name].tolist() == expected[name].to_pylist()
        assert answer["next_best_action"].notna().any()

    def test_nulls_are_json(self, trained, model):
        prospects = trained.features[trained.features["n_orders"] == 0].head(1)
        buyers = trained.features[trained.features["n_orders"] > 0].head(3)
        answer = ScoringModel(model).predict(pd.concat([buyers, prospects]))
        rows = json.loads(json.dumps(answer.to_dict("records"), allow_nan=False))
        assert [rows[3][name] for name in COLUMNS] == [None] * 3
        assert all(isinstance(row["expected_uplift"], float) for row in rows[:3])

    def test_a_request_without_the_feature_is_scored_by_the_mean(self, trained, model):
        known = UpliftModel((ArmUplift("letter", 3.0, MEAN, 1.0, 0.0),), {MEAN: _by("no such feature")})
        blind = replace(model, uplift=Uplift(30, (TreatmentUplift("letter", 1.0, (), known),)))
        answer = score_table(blind, trained.features, as_of=trained.as_of)["expected_uplift"].drop_null().to_numpy()
        np.testing.assert_allclose(answer, 3.0 * season_level(model.btyd.clock, trained.as_of, 30))


def _by(name: str) -> LinearEffect:
    return LinearEffect(LinearDesign(Encoder((name,), {}), (0.0,), (1.0,), (0.5,), (1.0,)), (0.0,), ((1.0,),))


class TestUpliftColumnsAgain:
    def test_the_table_tells_what_the_model_told(self):
        model = bundle(uplift=BOTH)
        found = expected_uplift(model, FEATURES, as_of=AS_OF)
        again = uplift_columns_again(pa.chunked_array([FEATURES["customer_id"]]), uplift_table(model, FEATURES, found))
        assert {name: one.to_pylist() for name, one in again.items()} == scored(BOTH)

    @pytest.mark.parametrize("effects", [None, UPLIFT_SCHEMA.empty_table()])
    def test_without_effects_nothing_is_known(self, effects):
        again = uplift_columns_again(pa.chunked_array([["a", "b"]]), effects)
        assert {name: one.to_pylist() for name, one in again.items()} == {name: [None, None] for name in COLUMNS}
