from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import shop
from cvm.errors import BundleError, MissingOutputError, TrackingError
from cvm.models.bundle import Bundle, bundle_version, read_bundle
from cvm.params import Params
from cvm.promotion.comparison import nothing_compared
from cvm.promotion.history import read_decisions
from cvm.promotion.score_change import ScoreChange
from cvm.stages import promote
from cvm.stages.context import workspace_of
from cvm.stages.promote import run_promote, run_rollback
from promoted import made, put

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Registry:
    """Stands in for the store: remembers what it was told, or is out of reach."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.is_gone = False

    def follow(self, *, champion: Path, challenger: Path | None, tags: dict[str, Any]) -> None:
        if self.is_gone:
            raise TrackingError("The MLflow store for experiment 'cvm' failed: gone.")
        version = challenger and bundle_version(challenger)
        self.told.append({"champion": bundle_version(champion), "challenger": version, "tags": tags})


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    found = Registry()
    monkeypatch.setattr(promote, "store_of", lambda _: found)
    return found


@pytest.fixture
def params(tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Params of an empty folder; nothing there can be compared, and no score changes."""
    monkeypatch.setattr(promote, "read_plan", lambda *_: type("Plan", (), {"score": None}))
    monkeypatch.setattr(promote, "read_features", lambda *_: None)
    monkeypatch.setattr(promote, "compare", lambda *_, **__: nothing_compared("of a test"))
    monkeypatch.setattr(promote, "score_change", lambda *_, **__: ScoreChange(0.0, 0.0, 0.0, 10))
    return shop.params_for(tmp_path)


def drifting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promote, "score_change", lambda *_, **__: ScoreChange(0.4, 0.0, 0.0, 10))


def test_the_first_challenger_takes_the_empty_place_whatever_the_gates_say(
    params: Params, registry: Registry, bundles: Callable[[int], Bundle]
) -> None:
    workspace = workspace_of(params)
    with pytest.raises(MissingOutputError, match=r"challenger does not exist yet. Run `cvm train` first"):
        run_promote(params)
    poor = made(21, evidence={"judgement": {"churn": {"BTYD": {"brier": 0.1}, "x": {"brier": 0.2}}, "churn_winner": "x"} | {
        "value": {}, "value_winner": "x"}})  # fmt: skip
    first = put(poor, workspace.challenger)
    outcome = run_promote(params, now=NOW)
    assert outcome.message == f"promoted: champion {first} (trained at 2024-06-01) in the place of none"
    assert outcome.warnings[0].startswith("baselines: ")
    assert registry.told[-1]["champion"] == first
    assert registry.told[-1]["tags"][first]["reason"] == "there was no champion"
    assert run_promote(params).message == (
        f"champion {first} is the first model: promoted at 2026-01-01 00:00 UTC, when there was no other"
    )


def test_a_closed_gate_keeps_the_champion_until_somebody_says_why_not(
    params: Params, registry: Registry, bundles: Callable[[int], Bundle], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = workspace_of(params)
    champion, challenger = put(bundles(1), workspace.champion), put(bundles(2), workspace.challenger)
    drifting(monkeypatch)
    kept = run_promote(params, now=NOW)
    assert kept.message == f"champion {champion} stays; challenger {challenger} does not pass scores"
    assert 'cvm promote --accept-drift "reason"' in kept.warnings[-1]
    assert registry.told[-1] == {"champion": champion, "challenger": challenger, "tags": registry.told[-1]["tags"]}
    assert registry.told[-1]["tags"][challenger]["decision"] == "kept"
    promoted = run_promote(params, accept_drift="new prices", now=NOW)
    assert promoted.figures["decision"] == "promoted"
    assert (registry.told[-1]["champion"], registry.told[-1]["challenger"]) == (challenger, None)
    assert [found.verdict for found in read_decisions(workspace.decisions)] == ["kept", "promoted"]


def test_a_model_taken_out_of_use_comes_back_by_force_alone(
    params: Params, registry: Registry, bundles: Callable[[int], Bundle]
) -> None:
    workspace = workspace_of(params)
    first = put(bundles(1), workspace.champion)
    second = put(bundles(2), workspace.challenger)
    run_promote(params, now=NOW)
    back = run_rollback(params, reason="complaints", now=NOW)
    assert back.message == f"champion {first} is back in the place of {second}; `cvm score` makes its scores"
    assert registry.told[-1]["tags"][second]["decision"] == "rolled back from"
    put(bundles(2), workspace.challenger)
    assert run_promote(params, now=NOW).warnings[0] == (
        "rollback: this very model was taken out of use on 2026-01-01 (complaints)"
    )
    assert run_promote(params, force="mended", now=NOW).figures["decision"] == "forced"
    assert read_bundle(workspace.champion).model_version == second
    with pytest.raises(BundleError, match="is not among the former champions"):
        run_rollback(params, to="elsewhere")


def asking(params: Params, found: Bundle) -> Params:
    """Params that ask for what a bundle foretells."""
    windows = {"horizon_days": found.horizon_days, "lead_days": found.lead_days, "clv_days": found.clv_days}
    return shop.params_for(params.root, windows=windows, business={"currency": found.currency})


def test_what_was_taken_out_of_use_does_not_come_back_by_other_params(
    params: Params, registry: Registry, bundles: Callable[[int], Bundle]
) -> None:
    workspace, other = workspace_of(params), made(24, horizon_days=60)
    asked = asking(params, other)
    first, second = put(bundles(1), workspace.champion), put(other, workspace.challenger)
    assert run_promote(asked, now=NOW).figures["champion_after"] == second
    run_rollback(asked, now=NOW)
    put(other, workspace.challenger)
    kept = run_promote(asked, now=NOW)
    assert (kept.figures["decision"], bundle_version(workspace.champion)) == ("kept", first)
    assert kept.warnings[0] == "rollback: this very model was taken out of use on 2026-01-01 (no reason was given)"
    assert run_promote(asked, force="mended", now=NOW).figures["decision"] == "forced"
    # Nobody could score without it: the gate is not asked.
    run_rollback(asked, now=NOW)
    (workspace.champion / "bundle.json").write_text("{}")
    put(other, workspace.challenger)
    assert run_promote(asked, now=NOW).figures["champion_after"] == second


def test_the_recipe_of_what_was_taken_out_of_use_comes_back_by_force_alone(
    params: Params, registry: Registry, bundles: Callable[[int], Bundle]
) -> None:
    workspace = workspace_of(params)
    other, anew = ({"recipe": {"seed": 8}, "judged_on": number} for number in (1, 2))
    put(bundles(1), workspace.champion)
    second = put(made(25, evidence=other), workspace.challenger)
    run_promote(params, now=NOW)
    run_rollback(params, reason="complaints", now=NOW)
    third = put(made(26, evidence=anew), workspace.challenger)
    kept = run_promote(params, now=NOW)
    assert kept.warnings[0] == "rollback: a model of the same recipe was taken out of use on 2026-01-01 (complaints)"
    run_rollback(params, to=second, reason="no, it was right", now=NOW)
    assert run_promote(params, now=NOW).figures["champion_after"] == third


def test_a_store_out_of_reach_hears_of_it_at_the_next_decision(
    params: Params, registry: Registry, bundles: Callable[[int], Bundle]
) -> None:
    workspace = workspace_of(params)
    put(bundles(1), workspace.champion)
    second = put(bundles(2), workspace.challenger)
    registry.is_gone = True
    (warning,) = run_promote(params, now=NOW).warnings
    assert "gone. The decision stands on file; aliases and tags follow at the next `cvm promote`" in warning
    assert bundle_version(workspace.champion) == second
    registry.is_gone = False
    assert "no challenger waits" in run_promote(params).message
    assert registry.told[-1]["champion"] == second


def test_a_champion_that_cannot_be_read_gives_way(
    params: Params, registry: Registry, bundles: Callable[[int], Bundle]
) -> None:
    workspace = workspace_of(params)
    broken = put(bundles(1), workspace.champion)
    (workspace.champion / "bundle.json").write_text("{}")
    second = put(bundles(2), workspace.challenger)
    assert run_promote(params, now=NOW).message.endswith(f"in the place of {broken}")
    assert read_bundle(workspace.champion).model_version == second
    assert "could not be used" in read_decisions(workspace.decisions)[-1].reason
    with pytest.raises(BundleError, match="was changed after it was written"):
        run_rollback(params)


def test_another_horizon_is_refused_in_words(params: Params, registry: Registry, bundles: Callable[[int], Bundle]) -> None:
    workspace = workspace_of(params)
    put(bundles(1), workspace.champion)
    put(made(22, horizon_days=60), workspace.challenger)
    outcome = run_promote(params, now=NOW)
    assert outcome.warnings == (
        "prediction: the two predict different things: horizon_days 60 instead of 90",
        'To promote it all the same: `cvm promote --force "reason"`.',
    )


def test_params_that_ask_for_another_prediction_decide(
    params: Params, registry: Registry, bundles: Callable[[int], Bundle]
) -> None:
    workspace = workspace_of(params)
    put(bundles(1), workspace.champion)
    other = made(23, horizon_days=60)
    wanted = put(other, workspace.challenger)
    asked = asking(params, other)
    assert f"promoted: champion {wanted}" in run_promote(asked, now=NOW).message
    reason = "params ask for another prediction: horizon_days 60 instead of 90"
    assert read_decisions(workspace.decisions)[-1].reason == reason


def test_the_command_says_by_its_exit_code_that_the_champion_stays(
    params: Params, registry: Registry, bundles: Callable[[int], Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = workspace_of(params)
    champion = put(bundles(1), workspace.champion)
    put(bundles(2), workspace.challenger)
    drifting(monkeypatch)
    kept = shop.cvm(tmp_path, "promote")
    assert (kept.code, kept.err) == (5, "")
    assert "does not pass scores" in kept.out
    assert shop.cvm(tmp_path, "promote", "--force", " ").code == 2
    assert shop.cvm(tmp_path, "promote", "--force", "agreed with sales").code == 0
    assert shop.cvm(tmp_path, "rollback", "--quiet").code == 0
    assert bundle_version(workspace.champion) == champion
    history = shop.cvm(tmp_path, "promote", "--history").out
    assert all(word in history for word in ("kept", "forced", "agreed with sales", "rolled back"))
    assert "nothing to go back to" in shop.cvm(tmp_path, "rollback").err
