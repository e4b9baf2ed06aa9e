"""Lists of dates: features computed in the run, dates left alone, and what the outcome says of each."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from pydantic import SecretStr

import shop
from cvm.engines import QueryError
from cvm.errors import CvmError, FeatureMismatchError, InsufficientDataError
from cvm.features.clustered import Clustered, clustered_tables
from cvm.features.files import read_features
from cvm.params import Params
from cvm.params_publish import PublishParams
from cvm.publish.databases import PublishError
from cvm.scoring.files import read_scores
from cvm.scoring.score import score_table
from cvm.stages.context import workspace_of
from cvm.stages.score import run_score


@dataclass(frozen=True)
class Base:
    """A workspace with a warehouse and no features on file."""

    params: Params
    bundle: Path
    as_of: date

    def run(self, *dates: date, **options):
        return run_score(self.params, bundle=self.bundle, dates=dates, **options)

    def status(self, *dates: date, **options) -> list[str]:
        return [row["status"] for row in self.run(*dates, **options).figures["dates"]]

    def path(self, day: date) -> Path:
        return workspace_of(self.params).scores_of(day)


@pytest.fixture
def base(trained, tmp_path) -> Base:
    (tmp_path / "outputs").mkdir()
    shutil.copy(trained.workspace.warehouse, tmp_path / "outputs" / "warehouse.duckdb")
    (tmp_path / "bundle").mkdir()
    trained.bundle.write(tmp_path / "bundle")
    return Base(trained.params.model_copy(update={"root": tmp_path}), tmp_path / "bundle", trained.as_of)


def days(base: Base, *ago: int) -> list[date]:
    return [base.as_of - timedelta(days=each) for each in ago]


def test_features_computed_in_the_run_give_the_scores_of_those_on_file(trained, base):
    (older,) = days(base, 90)
    on_file = read_features(trained.workspace.features, older)  # a snapshot that training learned from
    outcome = base.run(base.as_of, older)
    for day, features in ((older, on_file), (base.as_of, trained.features)):
        expected = score_table(trained.bundle, features, as_of=day).drop_columns(["previous_segment", "segment"])
        assert read_scores(base.path(day)).drop_columns(["previous_segment", "segment"]).equals(expected)
    assert outcome.figures["model_version"] == trained.bundle.model_version
    assert [(row["as_of"], row["status"], row["is_foresight"]) for row in outcome.figures["dates"]] == [
        (str(older), "scored", False),
        (str(base.as_of), "scored", True),
    ]
    assert "knew what came after 1 of the 2 dates" in outcome.warnings[0]
    assert sorted(path.name for path in (base.params.root / "outputs").iterdir()) == ["scores", "warehouse.duckdb"]


def test_the_tables_are_clustered_once_for_all_dates_and_for_none_that_is_on_file(base, monkeypatch):
    seen = []

    def counted(engine, schema):
        seen.append(schema)
        return clustered_tables(engine, schema)

    monkeypatch.setattr("cvm.stages.snapshots.clustered_tables", counted)
    dates = days(base, 60, 30, 0)
    assert base.status(*dates) == ["scored"] * 3
    assert len(seen) == 1
    assert base.status(*dates) == ["on file"] * 3
    assert len(seen) == 1


def test_the_warehouse_is_closed_before_the_first_date_is_scored(base, monkeypatch):
    import cvm.stages.score as stage

    real, on_file = stage.score_batch, []

    def scored(*arguments, features, **options):
        on_file.append(sorted(path.name for path in features.parent.iterdir()))
        with duckdb.connect(str(workspace_of(base.params).warehouse)):  # to write, which needs that nobody else has it
            return real(*arguments, features=features, **options)

    monkeypatch.setattr(stage, "score_batch", scored)
    first, last = days(base, 30, 0)
    assert base.status(first, last) == ["scored", "scored"]
    assert on_file == [[f"{first}.parquet", f"{last}.parquet"], [f"{last}.parquet"]]


def test_an_engine_that_cannot_tidy_up_is_told_as_any_trouble(base, monkeypatch):
    @contextmanager
    def full(engine, schema):
        yield Clustered(engine, (), ((0, 0),))
        raise QueryError("Out of Memory Error: no space")

    monkeypatch.setattr("cvm.stages.snapshots.clustered_tables", full)
    with pytest.raises(CvmError, match="The engine gave up: Out of Memory Error: no space"):
        base.run(base.as_of)


def test_dates_whose_scores_are_up_to_date_are_left_alone(base):
    first, second, last = days(base, 60, 30, 0)
    assert base.status(first, last) == ["scored", "scored"]
    before = base.path(first).stat().st_mtime_ns
    # A date put in between becomes the one before the last.
    assert base.status(first, second, last) == ["on file", "scored", "scored"]
    assert base.path(first).stat().st_mtime_ns == before
    assert base.status(last, first, first) == ["on file", "on file"]
    assert base.status(first, again=True) == ["scored"]


def test_other_data_shares_or_rules_score_again(base):
    day = base.as_of
    assert base.status(day) == ["scored"]
    changed = base.params.model_copy(update={"scoring": base.params.scoring.model_copy(update={"reasons_share": 0.5})})
    assert [Base(changed, base.bundle, day).status(day) for _ in range(2)] == [["scored"], ["on file"]]
    rules = base.params.model_copy(update={"segments": base.params.segments.model_copy(update={"hysteresis": 0.2})})
    assert [Base(rules, base.bundle, day).status(day) for _ in range(2)] == [["scored"], ["on file"]]
    with duckdb.connect(str(workspace_of(base.params).warehouse)) as warehouse:
        warehouse.execute("UPDATE transactions SET amount = amount + 1 WHERE customer_id = 'c00001'")
    assert Base(rules, base.bundle, day).status(day) == ["scored"]


def test_dates_outside_of_the_history_are_all_named_before_any_work(base):
    far = base.as_of + timedelta(days=400)
    told = r"2 of 3 dates .* \(2019-01-01, .*\)\. Transactions are of 2023-01-02 to .*choose dates from 2023-01-03 to"
    with pytest.raises(InsufficientDataError, match=told):
        base.run(date(2019, 1, 1), base.as_of, far)
    assert not base.path(base.as_of).exists()


def test_a_run_that_ended_half_way_goes_on_where_it_was(base, monkeypatch):
    import cvm.stages.score as stage

    first, last = days(base, 30, 0)
    real = stage.score_batch

    def stopped(*arguments, as_of, **options):
        if as_of == last:
            raise KeyboardInterrupt
        return real(*arguments, as_of=as_of, **options)

    monkeypatch.setattr(stage, "score_batch", stopped)
    with pytest.raises(KeyboardInterrupt):
        base.run(first, last)
    monkeypatch.undo()
    assert base.status(first, last) == ["on file", "scored"]


def test_tables_in_a_database_follow_and_a_rerun_doubles_nothing(base):
    params = base.params.model_copy(update={"publish": PublishParams(url=SecretStr("duckdb:///t.duckdb"), in_schema="crm")})
    base = Base(params, base.bundle, base.as_of)
    first, last = days(base, 30, 0)
    base.run(first, last)
    base.run(first, last)
    base.run(last, again=True)
    with duckdb.connect(str(params.root / "t.duckdb")) as database:
        found = database.sql("SELECT * FROM crm.scores ORDER BY as_of, customer_id").df()
    expected = pd.concat(read_scores(base.path(day)).to_pandas() for day in (first, last))
    assert len(found) == len(expected)
    assert found["clv"].tolist() == expected["clv"].tolist()
    assert found["as_of"].dt.date.unique().tolist() == [first, last]
    assert found["reasons"].dropna().str.startswith('[{"feature":"').all()


def test_the_warehouse_is_no_place_for_tables(base):
    url = SecretStr("duckdb:///outputs/../outputs/warehouse.duckdb")
    params = base.params.model_copy(update={"publish": PublishParams(url=url)})
    with pytest.raises(PublishError, match=r"publish\.url is the warehouse itself"):
        Base(params, base.bundle, base.as_of).run(base.as_of)


def test_without_dates_the_features_on_file_are_scored(trained, base):
    shutil.copytree(trained.workspace.features, workspace_of(base.params).features)
    outcome = base.run()
    version = trained.bundle.model_version
    assert outcome.message.startswith(f"{len(trained.features):,} customers at {base.as_of} by {version}, CLV ")
    assert outcome.figures["n_customers"] == len(trained.features)
    assert outcome.tables == ()
    assert base.status(base.as_of) == ["scored"]  # nobody knows of what data those features were


def test_a_model_that_foretells_something_else_than_params_ask_for_is_refused(base):
    business = base.params.business.model_copy(update={"currency": "USD"})
    windows = base.params.windows.model_copy(update={"clv_days": 400})
    other = base.params.model_copy(update={"business": business, "windows": windows})
    with pytest.raises(
        FeatureMismatchError, match=r"asks for: clv_days 180 instead of 400, currency UAH instead of USD\. Run"
    ):
        Base(other, base.bundle, base.as_of).run(base.as_of)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--from", "2024-01-01"], "give --from and --to together"),
        (["--again"], "--again goes with --as-of, or with --from and --to"),
        (["--as-of", "yesterday"], "does not match"),
        (["--from", "2024-01-01", "--to", "2024-02-01", "--every", "year"], "is not one of"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(tmp_path, options, message):
    done = shop.cvm(tmp_path, "score", *options)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", " ").split())


def test_the_command_shows_what_was_done_with_each_date(base):
    windows = {"horizon_days": 90, "clv_days": 180}
    shop.write_params(base.params.root, windows=windows, business={"currency": "UAH"})
    first, last = days(base, 30, 0)
    asked = ["score", "--bundle", str(base.bundle), "--as-of", str(last), "--as-of", str(first)]
    for status in ("scored", "on file"):
        done = shop.cvm(base.params.root, *asked)
        assert (done.code, done.err) == (0, "")
        assert f"2 dates from {first} to {last} by" in done.out
        assert f": 2 {status}" in done.out
        lines = [line.split() for line in done.out.splitlines() if line.strip().startswith(str(first))]
        assert [line[1 : 1 + len(status.split())] for line in lines] == [status.split()]
        assert "knew what came later" in done.out
