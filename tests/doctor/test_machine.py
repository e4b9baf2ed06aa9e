from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.console import Console
from rich.file_proxy import FileProxy

from cvm.doctor import machine
from cvm.doctor.line import Line, lines_of, size


class Usage(NamedTuple):
    """As of ``shutil.disk_usage``."""

    total: int
    used: int
    free: int


def the(check: Callable[[], Iterator[Line]]) -> Line:
    (line,) = lines_of("it", check)
    return line


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Limits of a container, empty at first, on a machine of eight processors."""
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(machine, "_affinity", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("told", "state", "found"),
    [
        ("8", "ok", "8 processors, OMP_NUM_THREADS=8"),
        ("9", "look", "OMP_NUM_THREADS=9 on 8 processors"),
        ("0", "wrong", "no number of threads"),
        ("many", "wrong", "OMP_NUM_THREADS is 'many'"),
        ("", "ok", "8 processors, all used"),
    ],
)
def test_threads_are_compared_with_processors(
    container: Path, monkeypatch: pytest.MonkeyPatch, told: str, state: str, found: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    line = the(machine.threads_line)
    assert line.state == state
    assert found in line.found


@pytest.mark.parametrize(("limit", "cores"), [("150000 100000", 1), ("400000 100000", 4), ("max 100000", 8), ("x", 8)])
def test_a_container_may_use_fewer_processors_than_there_are(container: Path, limit: str, cores: int) -> None:
    (container / "cpu.max").write_text(limit, encoding="utf-8")
    assert machine.usable_cores() == cores
    line = the(machine.threads_line)
    assert (line.state == "look") == (cores < 8)
    assert ("OMP_NUM_THREADS" in line.fix) == (cores < 8)


def test_memory_is_that_of_the_container(container: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_pages", lambda _: 2**35)
    (container / "memory.max").write_text(str(2**30), encoding="utf-8")
    (container / "memory.current").write_text(str(2**29), encoding="utf-8")
    line = the(machine.memory_line)
    assert (line.state, line.found) == ("look", "512 MiB free of 1.0 GiB")


def test_a_system_that_does_not_tell_its_memory_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "memory", lambda: (None, None))
    assert the(machine.memory_line).state == "ok"


@pytest.mark.parametrize(
    ("free", "used", "state"), [(2**20, 0, "wrong"), (2**29, 0, "look"), (2**31, 2**32, "look"), (2**33, 2**32, "ok")]
)
def test_disk_space_is_judged_beside_what_outputs_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, used: int, state: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 0, free))
    assert the(lambda: machine.disk_line(tmp_path / "not" / "there", used)).state == state


def test_a_folder_for_temporary_files_that_takes_none_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", full)
    line = the(machine.scratch_line)
    assert (line.state, line.fix) == ("wrong", "Set TMPDIR to a folder with space.")


def test_a_terminal_that_is_not_utf_8_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.locale, "getpreferredencoding", lambda _: "ANSI_X3.4-1968")
    line = the(machine.text_line)
    assert line.state == "look"
    assert "ANSI_X3.4-1968" in line.found
    assert "PYTHONUTF8=1" in line.fix


def test_the_spinner_of_a_terminal_does_not_hide_its_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.locale, "getpreferredencoding", lambda _: "UTF-8")
    stream = TextIOWrapper(BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", FileProxy(Console(file=stream, force_terminal=True), stream))
    assert the(machine.text_line).state == "ok"


def test_missing_time_zones_are_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise machine.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(machine, "ZoneInfo", none)
    assert the(lambda: machine.clock_line("Europe/Kyiv")).fix == "pip install tzdata"


def test_a_clock_before_the_installation_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.time, "time", lambda: 1e9)
    assert the(lambda: machine.clock_line("UTC")).state == "look"


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands for Java")
@pytest.mark.parametrize(
    ("says", "state", "found"),
    [
        ('openjdk version "17.0.9" 2023-10-17', "ok", "17.0.9"),
        ('openjdk version "21" 2023-09-19', "ok", "21"),
        ('java version "1.8.0_391"', "wrong", "Java 8; Spark needs 17 or newer"),
        ("something else", "wrong", "does not tell its version"),
    ],
)
def test_java_is_asked_for_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, state: str, found: str
) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    line = the(machine.java_line)
    assert line.state == state
    assert found in line.found


def test_a_java_that_is_missing_is_wrong_with_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert the(machine.java_line).state == "wrong"
    monkeypatch.setenv("JAVA_HOME", os.fspath(tmp_path))
    line = the(machine.java_line)
    assert "does not start" in line.found
    assert "openjdk-17" in line.fix


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (5 * 2**30, "5.0 GiB"), (2**50, "1,024.0 TiB")],
)
def test_sizes_are_said_as_people_do(n_bytes: int, words: str) -> None:
    assert size(n_bytes) == words


def test_whatever_a_check_meets_becomes_a_line_without_its_text() -> None:
    def failing(error: Exception) -> Callable[[], Iterator[Line]]:
        def check() -> Iterator[Line]:
            yield Line("before", "ok", "it stays")
            raise error

        return check

    for error in (ValueError("olena@example.com"), RuntimeError("olena@example.com"), MemoryError("olena@example.com")):
        before, line = lines_of("it", failing(error))
        assert before.state == "ok"
        assert (line.what, line.state) == ("it", "wrong")
        assert "olena" not in line.found + line.fix
    _, line = lines_of("it", failing(PermissionError(13, "Permission denied", "outputs/scores")))
    assert line.found == "outputs/scores: Permission denied"
