from __future__ import annotations

import shutil

import pyarrow.parquet as pq

import shop
from cvm.scoring.batch import score_batch
from cvm.scoring.files import read_scores
from cvm.stages.actions import decide_actions
from cvm.stages.context import workspace_of
from cvm.stages.segment import run_segment

GOALS = [{"name": "keep", "metric": "churn_rate", "target": "-15%", "deadline": "2030-12-31"}]
RULES = [{"name": "good", "goal": "keep", "when": {"value_tiers": ["top", "high"]}}, {"name": "rest", "goal": "wait"}]


def test_actions_follow_the_segments_of_new_rules(trained, tmp_path) -> None:
    """Scores, the actions on file and their reasons speak of the same segments."""

    def params(**sections):
        windows = {"as_of": trained.as_of, "horizon_days": 90, "clv_days": 180}
        return shop.params_for(tmp_path, windows=windows, business={"currency": "UAH"}, goals=GOALS, **sections)

    first = params(playbook=[{"name": "call", "goal": "keep", "when": {"segments": ["vip"]}}])
    workspace = workspace_of(first)
    shutil.copytree(trained.workspace.outputs, workspace.outputs)
    (tmp_path / "bundle").mkdir()
    trained.bundle.write(tmp_path / "bundle")
    score_batch(trained.bundle, workspace, as_of=trained.as_of)
    assert decide_actions(first) > 0

    second = params(
        segments={"rules": RULES, "clusters": "off"},
        playbook=[{"name": "call", "goal": "keep", "when": {"segments": ["good"]}}],
    )
    run_segment(second, bundle=tmp_path / "bundle")
    scores = read_scores(workspace.scores_of(trained.as_of))
    good = {row["customer_id"] for row in scores.to_pylist() if row["segment"] == "good"}
    assert good == {row["customer_id"] for row in scores.to_pylist() if row["next_best_action"] == "call"}
    actions = pq.read_table(workspace.actions_of(trained.as_of) / "actions.parquet", partitioning=None).to_pylist()
    assert good == {row["customer_id"] for row in actions}
    assert all(row["reason"].startswith("good") for row in actions)
