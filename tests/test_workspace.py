from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from cvm.errors import WorkspaceError
from cvm.workspace import Workspace, only_writer, replaced_directory, replaced_file


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


def write_half(path: Path, error: BaseException) -> None:
    with replaced_file(path) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise error


def fill_half(path: Path, error: BaseException) -> None:
    with replaced_directory(path) as temporary:
        (temporary / "half").touch()
        raise error


# --- one file --------------------------------------------------------------------------------------------------------


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "scores.parquet"
    with replaced_file(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert names(tmp_path) == ["deep", "deep/scores.parquet"]
    assert path.read_text(encoding="utf-8") == "new"


@pytest.mark.parametrize("error", [ValueError("stop"), KeyboardInterrupt("stop")])
def test_a_failure_keeps_the_old_file_and_leaves_no_other(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "scores.parquet"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(type(error), match="stop"):
        write_half(path, error)
    assert names(tmp_path) == ["scores.parquet"]
    assert path.read_text(encoding="utf-8") == "old"


def test_what_a_killed_run_left_behind_does_not_get_into_the_next(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    (tmp_path / f".scores.parquet.{os.getpid()}.tmp").write_text("half", encoding="utf-8")
    with replaced_file(path) as temporary:
        assert not temporary.exists()
        temporary.write_text("new", encoding="utf-8")
    assert names(tmp_path) == ["scores.parquet"]


def test_a_folder_in_the_place_of_a_file_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.mkdir()
    (path / "mine").touch()
    with (
        pytest.raises(WorkspaceError, match=r"warehouse.duckdb could not be written: Is a directory") as caught,
        replaced_file(path) as temporary,
    ):
        temporary.touch()
    assert "Free the path or disk space, or set another folder under outputs in params.yaml" in str(caught.value)
    assert names(tmp_path) == ["warehouse.duckdb", "warehouse.duckdb/mine"]


def test_a_full_disk_is_a_refusal_that_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(WorkspaceError, match=r"No space left on device. What was there before is unchanged"):
        write_half(path, OSError(28, "No space left on device"))
    assert names(tmp_path) == ["scores.parquet"]
    assert path.read_text(encoding="utf-8") == "old"


# --- one directory ---------------------------------------------------------------------------------------------------


def test_a_directory_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "features"
    for name in ("first", "second"):
        with replaced_directory(path) as temporary:
            (temporary / name).write_text(name, encoding="utf-8")
            assert temporary.parent == path.parent
    assert names(tmp_path) == ["features", "features/second"]


@pytest.mark.parametrize("error", [ValueError("stop"), KeyboardInterrupt("stop")])
def test_a_failure_keeps_the_old_directory_and_leaves_no_other(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "features"
    path.mkdir()
    (path / "old").touch()
    with pytest.raises(type(error), match="stop"):
        fill_half(path, error)
    assert names(tmp_path) == ["features", "features/old"]


def test_an_old_directory_comes_back_when_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    path = tmp_path / "champion"
    path.mkdir()
    (path / "bundle.json").write_text("old", encoding="utf-8")
    with (
        pytest.raises(WorkspaceError, match="champion could not be written: No such file"),
        replaced_directory(path) as temporary,
    ):
        temporary.rmdir()
    assert names(tmp_path) == ["champion", "champion/bundle.json"]


def test_a_file_or_a_link_in_the_place_of_a_directory_gives_way(tmp_path: Path) -> None:
    path, target = tmp_path / "quarantine", tmp_path / "target"
    path.write_text("mine", encoding="utf-8")
    with replaced_directory(path) as temporary:
        (temporary / "new").touch()
    target.mkdir()
    (target / "kept").touch()
    (tmp_path / "link").symlink_to(target)
    with replaced_directory(tmp_path / "link") as temporary:
        (temporary / "new").touch()
    assert names(tmp_path) == ["link", "link/new", "quarantine", "quarantine/new", "target", "target/kept"]


# --- one writer, and what killed ones left behind --------------------------------------------------------------------

_DEAD = 999_999_999


def test_only_one_process_writes_at_a_time(tmp_path: Path) -> None:
    code = "import sys, pathlib, cvm.workspace as w\nwith w.only_writer(pathlib.Path(sys.argv[1])): pass"
    command = [sys.executable, "-c", code, str(tmp_path / "outputs")]
    with only_writer(tmp_path / "outputs"):
        other = subprocess.run(command, capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "Another cvm command is writing to" in other.stderr
    assert subprocess.run(command, check=False).returncode == 0
    assert names(tmp_path) == ["outputs"]


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left_over = [
        f".w.duckdb.{_DEAD}.tmp",
        f".w.duckdb.{_DEAD}.tmp.wal",
        f".w.duckdb.{_DEAD}.tmp.tmp/spilled",
        f".q.{_DEAD}.tmp/a",
    ]
    left_over += [f".w.duckdb.{os.getpid()}.tmp.wal"]  # of a process that had the number of this one
    kept = [".hidden", f".w.{os.getppid()}.tmp", f"w.{_DEAD}.tmp", f".{_DEAD}.tmp", ".w.12x.tmp", "w.duckdb"]
    for name in left_over + kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with only_writer(tmp_path):
        assert names(tmp_path) == sorted(kept)


@pytest.mark.parametrize("replaced", [True, False])
def test_what_a_killed_process_had_moved_aside_comes_back_where_nothing_took_its_place(
    tmp_path: Path, replaced: bool
) -> None:
    (tmp_path / f".quarantine.{_DEAD}.old").mkdir()
    (tmp_path / f".quarantine.{_DEAD}.old" / "old").touch()
    if replaced:
        (tmp_path / "quarantine").mkdir()
        (tmp_path / "quarantine" / "new").touch()
    with only_writer(tmp_path):
        assert names(tmp_path) == ["quarantine", "quarantine/new" if replaced else "quarantine/old"]


def test_a_failure_inside_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), only_writer(tmp_path):
        raise ValueError("stop")
    with only_writer(tmp_path):
        pass
