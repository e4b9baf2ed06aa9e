"""Every trouble of the MLflow store is a refusal that says what helps, and nothing of MLflow's own on the screen."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from cvm.errors import TrackingError
from cvm.tracking.store import Store


def store_at(uri: str, artifacts: Path | None = None) -> Store:
    return Store(uri, artifacts, "cvm", "cvm")


def refusal_of(store: Store, capfd: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(TrackingError, match="The MLflow store for experiment 'cvm' failed: ") as caught:
        store.check()
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert "go on without it, from the bundle exported under models" in str(caught.value)
    return str(caught.value)


def test_a_damaged_file_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"not a database" * 1000)
    refusal = refusal_of(store_at(f"sqlite:///{path}", tmp_path / "artifacts"), capfd)
    assert (
        f"file is not a database (sqlite:///{path}). Its file is damaged: restore it from a backup, or delete it" in refusal
    )
    assert path.read_bytes() == b"not a database" * 1000


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mlruns").write_text("mine", encoding="utf-8")
    folder = tmp_path / "mlruns"
    refusal = refusal_of(store_at(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts"), capfd)
    assert "Not a directory" in refusal
    assert "Check tracking.uri in params.yaml" in refusal


def test_a_server_that_does_not_answer_is_refused_soon_and_its_password_is_kept(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    refusal = refusal_of(store_at("http://me:secret@127.0.0.1:9"), capfd)
    assert "Connection refused (http://***@127.0.0.1:9). Check tracking.uri" in refusal
    assert "secret" not in refusal


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store's file, as MLflow makes it."""
    folder = tmp_path_factory.mktemp("store")
    store_at(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts").check()
    return folder / "mlflow.db"


@pytest.mark.slow
@pytest.mark.parametrize("version", ["ffffffffffff", "451aebb31d03"])
def test_a_file_of_another_version_of_mlflow_is_refused_and_kept(
    written: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], version: str
) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(written.read_bytes())
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE alembic_version SET version_num = '{version}'")
    connection.close()
    before = path.read_bytes()
    refusal = refusal_of(store_at(f"sqlite:///{path}", tmp_path / "artifacts"), capfd)
    assert f"found version {version}" in refusal
    assert "Another version of MLflow wrote it: upgrade a copy of it with `mlflow db upgrade`" in refusal
    assert path.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("lock", ["IMMEDIATE"])
def test_a_file_that_another_program_is_writing_to_is_refused(
    written: Path, capfd: pytest.CaptureFixture[str], lock: str
) -> None:
    other = sqlite3.connect(written, isolation_level=None)
    other.execute(f"BEGIN {lock}")
    refusal = refusal_of(store_at(f"sqlite:///{written}?timeout=0.1", written.parent / "artifacts"), capfd)
    other.close()
    assert "database is locked" in refusal
    assert "Another program is writing to it: end that program, or try again later" in refusal
    store_at(f"sqlite:///{written}", written.parent / "artifacts").check()
