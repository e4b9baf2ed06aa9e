from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cvm import writing
from cvm.errors import WorkspaceError
from cvm.workspace import Workspace
from cvm.writing import replaced_directory, replaced_file


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


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


# --- a kill at any moment --------------------------------------------------------------------------------------------

# What a process asks of the system while it replaces something; after each of these it may be gone.
_STEPS = ("_flush", "_flush_folder", "_exchanged", "_discard")


def replaced_until(step: int, path: Path, *, is_directory: bool, can_exchange: bool) -> bool:
    """Whether a child process that dies before so many steps got as far as the end."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    done = [0]

    def dying(call: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object) -> object:
            done[0] += 1
            if done[0] > step:
                os._exit(9)
            return call(*arguments)

        return counted

    if not can_exchange:
        writing._exchanged = lambda *_: False
    for name in _STEPS:
        setattr(writing, name, dying(getattr(writing, name)))
    for name in ("rename", "replace"):
        setattr(Path, name, dying(getattr(Path, name)))
    try:
        if is_directory:
            with replaced_directory(path) as temporary:
                for name in ("a", "b"):
                    (temporary / name).write_text("new", encoding="utf-8")
        else:
            with replaced_file(path) as temporary:
                temporary.write_text("new", encoding="utf-8")
    finally:
        os._exit(0)


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # it has threads, none of which matters here
@pytest.mark.parametrize(("is_directory", "can_exchange"), [(False, True), (True, True), (True, False)])
def test_whoever_dies_at_any_step_leaves_the_old_or_the_new_one(
    tmp_path: Path, is_directory: bool, can_exchange: bool
) -> None:
    workspace = Workspace(outputs=tmp_path / "outputs", champion=tmp_path / "models" / "champion")
    path = workspace.outputs / "deep" / "kpis"
    files = [path / "a", path / "b"] if is_directory else [path]
    files[0].parent.mkdir(parents=True)
    found = []
    for step in range(40):
        for file in files:
            file.write_text("old", encoding="utf-8")
        is_done = replaced_until(step, path, is_directory=is_directory, can_exchange=can_exchange)
        assert path.exists() or not can_exchange  # readers see one or the other at any moment
        with workspace.writing("cvm kpis"):
            assert sorted(workspace.outputs.rglob("deep/**/*")) == sorted({path, *files})
        texts = {file.read_text(encoding="utf-8") for file in files}
        assert len(texts) == 1
        found.append(texts.pop())
        if is_done:
            break
    assert is_done
    assert found == sorted(found, reverse=True)
    assert {*found} == {"old", "new"}
