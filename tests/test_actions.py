"""The stage ``actions`` on small bases, from outside."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import shop
from acted import AS_OF, write_full_scores
from batch_scores import write_scores
from cvm.engines import DuckDBEngine, QueryError
from cvm.errors import CvmError, MissingOutputError
from cvm.params import Params
from cvm.scoring.files import read_scores
from cvm.segments import Segmentation
from cvm.stages.actions import decide_actions, find_actions, run_actions
from cvm.stages.context import workspace_of
from planned import ids, profile, scored

PLAYBOOK = {
    "goals": [{"name": "keep vips", "metric": "churn_rate", "target": "-15%", "deadline": "2030-12-31"}],
    "campaigns": {"treatments": {"letter": {"channel": "post", "cost": 1.5}}},
    "playbook": [
        {"name": "save", "goal": "keep vips", "when": {"segments": ["vip"]}, "treatment": "letter", "offer": "=1+1"},
        {"name": "let go", "goal": "keep vips", "when": {"segments": ["lost"]}},
    ],
}


def base(folder: Path, **options: Any) -> Params:
    """A workspace with a warehouse and scores of four customers, who bought coffee every 30 days."""
    names = ids(4)
    tables = {
        "customers": [profile(name) for name in names],
        "transactions": [
            shop.order(f"{name}", on=AS_OF - timedelta(days=3 + 30 * k), amount=9.0, category="coffee")
            for name in [*names, *(f"x{number:02d}" for number in range(25))]
            for k in range(4)
        ],
        "events": [shop.event("c003", "complaint", on=AS_OF - timedelta(days=1))],
        **options.pop("tables", {}),
    }
    params = shop.params_for(folder, windows={"as_of": AS_OF, "horizon_days": 90}, **{**PLAYBOOK, **options})
    workspace = workspace_of(params)
    workspace.outputs.mkdir()
    source = shop.typed_warehouse(**tables)
    with DuckDBEngine(workspace.warehouse) as engine:
        for name in tables:
            engine.register(f"given_{name}", source.table(f"SELECT * FROM {name}"))
            engine.replace_table(name, f"SELECT * FROM given_{name}")
    segments = ("vip", "core", "lost", "vip")
    rows = [scored(name, segment=segment) for name, segment in zip(names, segments, strict=True)]
    write_full_scores(workspace.scores, rows)
    return params


def rows_of(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path, partitioning=None).to_pylist()


def test_the_stage_writes_what_to_do_and_scores_name_it(tmp_path: Path) -> None:
    params = base(tmp_path)
    outcome = run_actions(params)
    workspace = workspace_of(params)
    folder = workspace.actions_of(AS_OF)
    assert "3 of 4 customers get an action for 3 USD" in outcome.message
    assert [row["action"] for row in rows_of(folder / "actions.parquet")] == ["letter", "let go", "letter"]
    scores = rows_of(workspace.scores_of(AS_OF))
    assert [row["next_best_action"] for row in scores] == ["letter", None, "let go", "letter"]
    assert {row["item"] for row in rows_of(folder / "replenishment.parquet")} == {"coffee"}
    assert rows_of(folder / "also_bought.parquet") == []
    assert not (folder / "recommendations.parquet").exists()


def test_scoring_ends_with_the_same_actions(tmp_path: Path) -> None:
    params = base(tmp_path)
    assert decide_actions(params) == 3
    before = workspace_of(params).scores_of(AS_OF).read_bytes()
    run_actions(params)
    assert workspace_of(params).scores_of(AS_OF).read_bytes() == before


def test_a_second_run_changes_no_byte(tmp_path: Path) -> None:
    params = base(tmp_path)
    run_actions(params)
    files = [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in files}
    run_actions(params)
    assert {path: path.read_bytes() for path in files} == before


def test_trigger_files_are_private_and_told_of_in_one_place(tmp_path: Path) -> None:
    params = base(tmp_path)
    run_actions(params)
    folder = workspace_of(params).triggers
    told = json.loads((folder / "triggers.json").read_text())
    by_name = {one["name"]: one for one in told["triggers"]}
    assert told["as_of"] == AS_OF.isoformat()
    assert by_name["complaint"]["n_customers"] == 1
    assert (by_name["add_on_dropped"]["file"], by_name["add_on_dropped"]["n_customers"]) == (None, None)
    assert by_name["add_on_dropped"]["reason"] == "the data has no subscriptions"
    text = (folder / "complaint.csv").read_text().splitlines()
    assert text == ["customer_id,since,detail", "c003,2024-02-29,1 complaint"]
    assert {path.name for path in folder.iterdir()} == {
        "triggers.json",
        *(f"{one['name']}.csv" for one in told["triggers"] if one["file"]),
    }
    assert stat.S_IMODE((folder / "complaint.csv").stat().st_mode) == 0o600


def test_no_cell_of_a_list_is_a_formula(tmp_path: Path) -> None:
    orders = [
        shop.order(f"=x{number}", on=AS_OF - timedelta(days=3 + 30 * k), amount=9.0, category="@coffee")
        for number in range(25)
        for k in range(4)
    ]
    params = base(tmp_path, tables={"transactions": orders}, triggers={"window_days": 30})
    run_actions(params)
    lines = (workspace_of(params).triggers / "replenishment.csv").read_text().splitlines()
    assert lines[1].startswith("'=x0,2024-02-27,'@coffee expected on")


def test_without_playbook_effects_and_items_there_is_little_to_do(tmp_path: Path) -> None:
    orders = [shop.order(name, on=AS_OF - timedelta(days=9), amount=1.0) for name in ids(4)]
    params = base(tmp_path, playbook=[], tables={"transactions": orders})
    before = workspace_of(params).scores_of(AS_OF).read_bytes()
    outcome = run_actions(params)
    assert outcome.message.startswith(
        "no action is suggested, as there is neither a playbook nor an expected effect; no products"
    )
    assert workspace_of(params).scores_of(AS_OF).read_bytes() == before
    assert not workspace_of(params).actions_of(AS_OF).exists()


@pytest.mark.parametrize("by", [run_actions, decide_actions])
def test_without_its_playbook_scores_say_what_the_model_says(tmp_path: Path, by: Callable[[Params], object]) -> None:
    params = base(tmp_path)
    workspace = workspace_of(params)
    write_scores(read_scores(workspace.scores_of(AS_OF)), workspace.scores_of(AS_OF), segmentation=Segmentation())
    before = workspace.scores_of(AS_OF).read_bytes()
    run_actions(params)
    assert workspace.scores_of(AS_OF).read_bytes() != before
    by(params.model_copy(update={"playbook": []}))
    assert workspace.scores_of(AS_OF).read_bytes() == before
    assert not (workspace.actions_of(AS_OF) / "actions.parquet").exists()


def test_a_run_that_fails_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = base(tmp_path)
    run_actions(params)
    before = {path: path.read_bytes() for path in (tmp_path / "outputs").rglob("*") if path.is_file()}

    def fails(*_: object) -> None:
        raise QueryError("out of memory")

    monkeypatch.setattr("cvm.stages.actions.trigger_lists", fails)
    with pytest.raises(CvmError, match=r"out of memory\. Nothing was replaced"):
        run_actions(params.model_copy(update={"playbook": []}))
    assert {path: path.read_bytes() for path in (tmp_path / "outputs").rglob("*") if path.is_file()} == before


def test_recommendations_are_written_on_request(tmp_path: Path) -> None:
    params = base(tmp_path, actions={"recommendations": True})
    run_actions(params)
    found = rows_of(workspace_of(params).actions_of(AS_OF) / "recommendations.parquet")
    assert found[0] == {"customer_id": "c000", "rank": 1, "item": "coffee", "why": "bought on 4 days, last on 2024-02-27"}


def test_without_scores_the_stage_says_what_to_run(tmp_path: Path) -> None:
    params = base(tmp_path)
    workspace_of(params).scores_of(AS_OF).unlink()
    with pytest.raises(MissingOutputError, match="Run `cvm score` first"):
        find_actions(params)


def test_the_command_shows_tables(tmp_path: Path) -> None:
    base(tmp_path)
    done = shop.cvm(tmp_path, "actions")
    assert (done.code, done.err) == (0, "")
    for text in (
        "Next best actions of 4 customers",
        "save",
        "=1+1",
        "no contact",
        "complaint.csv",
        "Bought by cycles",
        "These are suggestions",
    ):
        assert text in done.out
    quiet = shop.cvm(tmp_path, "actions", "--quiet")
    assert (quiet.code, quiet.out) == (0, "")


def test_a_channel_without_consent_is_refused_by_name(tmp_path: Path) -> None:
    rule = {"name": "call", "goal": "keep vips", "when": {"segments": ["vip"]}, "channel": "phone", "cost": 4.0}
    base(tmp_path, playbook=[rule])
    done = shop.cvm(tmp_path, "actions")
    assert done.code == 1
    assert "Nobody knows who agreed to be contacted by phone" in done.err


def test_scores_of_other_rules_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    params = base(tmp_path)
    path = workspace_of(params).scores_of(AS_OF)
    write_scores(read_scores(path), path, segmentation=Segmentation())
    before = path.read_bytes()
    rules = [{"name": "vip", "goal": "keep", "when": {"value_tiers": ["top"]}}, {"name": "lost", "goal": "let go"}]
    edited = shop.params_for(tmp_path, windows={"as_of": AS_OF, "horizon_days": 90}, **PLAYBOOK, segments={"rules": rules})
    with pytest.raises(CvmError, match=r"segmented by other rules than segments.rules .* Run `cvm segment` first"):
        run_actions(edited)
    assert path.read_bytes() == before
    assert not workspace_of(params).actions_of(AS_OF).exists()
