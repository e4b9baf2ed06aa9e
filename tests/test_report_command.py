"""`cvm report` on a small scored shop; training is left to others."""

from __future__ import annotations

from pathlib import Path

import pytest

import report_files as files
import shop
from cvm.errors import MissingOutputError
from cvm.params import Params
from cvm.stages import report as stage
from cvm.stages.context import workspace_of
from cvm.stages.report import run_report


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Scores and every other file by hand, a model of which only its evidence is there, and no MLflow store."""
    params = shop.params_for(tmp_path, windows={"as_of": str(files.AS_OF)})
    workspace = workspace_of(params)
    files.write_scores(workspace, files.AS_OF, files.score_rows(60))
    files.fill(workspace)
    monkeypatch.setattr(stage, "read_bundle", lambda _: files.bundle())
    return params


def test_report_and_card_are_written_and_named_with_their_size(params: Params) -> None:
    outcome = run_report(params)
    workspace = workspace_of(params)
    assert outcome.stage == "report"
    assert str(workspace.report) in outcome.message
    assert "MiB, opens offline" in outcome.message
    assert workspace.report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert workspace.model_card.read_text(encoding="utf-8").startswith("# Model card")
    assert not list(workspace.outputs.glob(".*"))


def test_without_a_store_the_report_is_written_and_a_note_says_so(params: Params) -> None:
    (note,) = run_report(params).warnings
    assert "is gone, so the report is not attached" in note
    assert "cvm train" in note
    assert not (params.root / "mlruns").exists()


@pytest.mark.parametrize(("observed_until", "is_shown"), [("2026-01-01T05:00:00", True), ("2026-01-01T05:00:01", False)])
def test_a_report_of_a_date_knows_nothing_that_was_evaluated_later(
    params: Params, observed_until: str, is_shown: bool
) -> None:
    workspace = workspace_of(params)
    files.write_campaign(workspace.effects, campaign_id="springtime", observed_until=observed_until)
    business = params.business.model_copy(update={"timezone": "America/New_York"})
    run_report(params.model_copy(update={"business": business}))
    assert ("springtime" in workspace.report.read_text(encoding="utf-8")) == is_shown


def test_the_language_of_params_opens_the_page(params: Params) -> None:
    spoken = params.model_copy(update={"report": params.report.model_copy(update={"language": "uk"})})
    run_report(spoken)
    workspace = workspace_of(params)
    assert '<html lang="uk">' in workspace.report.read_text(encoding="utf-8")
    assert workspace.model_card.read_text(encoding="utf-8").startswith("# Картка моделі")


@pytest.mark.parametrize(("salt", "n_notes"), [("cvm", 2), ("my own secret", 1)])
def test_hashing_with_the_salt_that_ships_is_warned_of(params: Params, salt: str, n_notes: int) -> None:
    hidden = params.model_copy(
        update={
            "report": params.report.model_copy(update={"hash_ids": True}),
            "campaigns": params.campaigns.model_copy(update={"salt": salt}),
        }
    )
    assert len(run_report(hidden).warnings) == n_notes
    assert "c00001" not in workspace_of(params).report.read_text(encoding="utf-8")


def test_scores_of_another_model_are_told(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def __getattr__(self, name: str) -> object:
            return "ffffffffffff" if name == "model_version" else getattr(files.bundle(), name)

    monkeypatch.setattr(stage, "read_bundle", lambda _: Other())
    assert any(
        "were made by model 0123456789ab, the champion is ffffffffffff" in note for note in run_report(params).warnings
    )


def test_without_scores_the_message_names_what_to_run(params: Params) -> None:
    workspace_of(params).scores_of(files.AS_OF).unlink()
    with pytest.raises(MissingOutputError, match="Run `cvm score` first"):
        run_report(params)
