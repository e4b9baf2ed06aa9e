from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from cvm.errors import WorkspaceError
from cvm.workspace import Workspace, replaced_directory
from held import held


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(outputs=tmp_path / "out" / "puts", champion=tmp_path / "models" / "champion")


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_every_output_has_its_place(workspace: Workspace) -> None:
    outputs = workspace.outputs
    assert workspace.warehouse == outputs / "warehouse.duckdb"
    assert workspace.quarantine == outputs / "quarantine"
    assert workspace.ingested == outputs / "ingested"
    assert workspace.features == outputs / "features"
    assert workspace.scores_of(date(2024, 2, 9)) == outputs / "scores" / "as_of=2024-02-09" / "scores.parquet"


def test_a_check_makes_the_folders_and_leaves_nothing_in_them(workspace: Workspace, tmp_path: Path) -> None:
    workspace.check_writable()
    workspace.check_writable()
    assert names(tmp_path) == ["models", "out", "out/puts"]


@pytest.mark.parametrize("obstacle", ["out", "out/puts", "models"])
def test_a_file_in_the_place_of_a_folder_is_refused(workspace: Workspace, tmp_path: Path, obstacle: str) -> None:
    (tmp_path / obstacle).parent.mkdir(exist_ok=True)
    (tmp_path / obstacle).write_text("mine", encoding="utf-8")
    with pytest.raises(
        WorkspaceError, match=r"Cannot write to .*(File exists|Not a directory). Free the path or grant write access"
    ):
        workspace.check_writable()
    assert (tmp_path / obstacle).read_text(encoding="utf-8") == "mine"


def test_who_only_reads_models_needs_no_right_to_write_there(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a folder of somebody else's", encoding="utf-8")
    with workspace.writing("cvm score"):
        assert names(tmp_path / "out") == ["puts", "puts/.cvm.lock"]
    refusal = r"Cannot write to .*models: File exists\. .* under models in params\.yaml"
    with pytest.raises(WorkspaceError, match=refusal), workspace.writing("cvm train", with_models=True):
        pass


# --- one writer, and what killed ones left behind --------------------------------------------------------------------

_DEAD = 999_999_999


@pytest.mark.parametrize("folder", ["out/puts", "models"])
def test_two_commands_never_write_to_one_folder_of_outputs_or_of_models(
    workspace: Workspace, tmp_path: Path, folder: str
) -> None:
    workspace.check_writable()
    refusal = rf"writing to .*{folder}: `cvm train`"
    with held(tmp_path / folder), pytest.raises(WorkspaceError, match=refusal), workspace.writing("cvm score"):
        pass
    with workspace.writing("cvm run", with_models=True), workspace.writing("cvm actions"):
        assert names(tmp_path) == ["models", "models/.cvm.lock", "out", "out/puts", "out/puts/.cvm.lock"]
    assert names(tmp_path) == ["models", "out", "out/puts"]


@pytest.mark.parametrize("folder", ["out/puts", "out/puts/segments/as_of=2024-01-01", "models", "models/old"])
def test_what_killed_processes_left_is_removed_wherever_it_is_and_nothing_else(
    workspace: Workspace, tmp_path: Path, folder: str
) -> None:
    left_over = [
        f".w.duckdb.{_DEAD}.tmp",
        f".w.duckdb.{_DEAD}.tmp.wal",
        f".w.duckdb.{_DEAD}.tmp.tmp/spilled",
        f".q.{_DEAD}.tmp/a",
    ]
    left_over += [f".w.duckdb.{os.getpid()}.tmp.wal"]  # of a process that had the number of this one
    kept = [".hidden", f".w.{os.getppid()}.tmp", f"w.{_DEAD}.tmp", f".{_DEAD}.tmp", ".w.12x.tmp", "w.duckdb"]
    for name in left_over + kept:
        (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).touch()
    with workspace.writing("cvm score"), workspace.writing("cvm actions"):
        assert sorted({*names(tmp_path / folder)} - {".cvm.lock"}) == sorted(kept)


@pytest.mark.parametrize("replaced", [True, False])
@pytest.mark.parametrize("folder", ["out/puts", "out/puts/actions", "models"])
def test_what_a_killed_process_had_moved_aside_comes_back_where_nothing_took_its_place(
    workspace: Workspace, tmp_path: Path, folder: str, replaced: bool
) -> None:
    (tmp_path / folder / f".champion.{_DEAD}.old").mkdir(parents=True)
    (tmp_path / folder / f".champion.{_DEAD}.old" / "old").touch()
    if replaced:
        (tmp_path / folder / "champion").mkdir()
        (tmp_path / folder / "champion" / "new").touch()
    with workspace.writing("cvm score"):
        pass
    assert names(tmp_path / folder) == ["champion", "champion/new" if replaced else "champion/old"]


def test_what_a_command_has_in_hand_is_not_taken_for_left_over_by_one_within_it(workspace: Workspace) -> None:
    with (
        workspace.writing("cvm run"),
        replaced_directory(workspace.features) as temporary,
        workspace.writing("cvm score"),
    ):
        assert temporary.is_dir()


def test_a_failure_inside_frees_the_folders(workspace: Workspace) -> None:
    with pytest.raises(ValueError, match="stop"), workspace.writing("cvm score"):
        raise ValueError("stop")
    with held(workspace.outputs, workspace.champion.parent):
        pass
