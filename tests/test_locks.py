from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Thread, Timer

import pytest

from cvm.errors import WorkspaceError
from cvm.locks import NAME, holder_of, only_writer
from held import held

# Locks the folder, says so, and goes on until it is killed or its input ends.
_HOLDER = """
import sys, pathlib
from cvm.locks import only_writer
with only_writer([pathlib.Path(sys.argv[1])], command="cvm score"):
    print("held", flush=True)
    sys.stdin.read()
"""


def other_process(folder: Path) -> subprocess.Popen[str]:
    found = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert found.stdout is not None
    assert found.stdout.readline() == "held\n"
    return found


def test_another_process_is_refused_and_told_who_is_at_work_until_it_ends_or_is_killed(tmp_path: Path) -> None:
    for end in ("close", "kill"):
        with other_process(tmp_path) as other:
            refusal = (
                rf"Another cvm command is writing to .*: `cvm score`, process {other.pid} on this machine, "
                r"since \d{4}-.* UTC. Wait until it has ended, have this one wait with --set wait_s=600"
            )
            with pytest.raises(WorkspaceError, match=refusal), only_writer([tmp_path], command="cvm kpis"):
                pass
            assert other.stdin is not None
            other.kill() if end == "kill" else other.stdin.close()
            other.wait(10)
            with only_writer([tmp_path], command="cvm kpis") as taken:
                assert taken == [tmp_path]
                assert json.loads((tmp_path / NAME).read_text(encoding="utf-8"))["process"] == os.getpid()
        assert list(tmp_path.iterdir()) == []


def test_who_holds_a_folder_can_be_asked_without_taking_it(tmp_path: Path) -> None:
    assert holder_of(tmp_path) is None
    with other_process(tmp_path) as other:
        assert str(holder_of(tmp_path)).startswith(f"`cvm score`, process {other.pid} on this machine, since ")
        other.kill()
        other.wait(10)
    assert (tmp_path / NAME).exists()
    assert holder_of(tmp_path) is None
    with only_writer([tmp_path], command="cvm kpis"):
        (tmp_path / NAME).write_text("{", encoding="utf-8")
        assert holder_of(tmp_path) == "it left no word of itself"


@pytest.mark.skipif(sys.platform == "win32", reason="there nobody can look without keeping others out")
def test_who_only_looks_keeps_nobody_out(tmp_path: Path) -> None:
    import fcntl

    (tmp_path / NAME).touch()
    told: list[str] = []
    with ExitStack() as looking:
        handle = looking.enter_context((tmp_path / NAME).open())
        fcntl.flock(handle, fcntl.LOCK_SH)
        Timer(0.02, looking.pop_all().close).start()
        with only_writer([tmp_path], command="cvm kpis", tell=told.append) as taken:
            assert taken == [tmp_path]
    assert told == []


def test_another_machine_is_named(tmp_path: Path) -> None:
    with held(tmp_path):
        by = json.loads((tmp_path / NAME).read_text(encoding="utf-8"))
        (tmp_path / NAME).write_text(json.dumps({**by, "host": "nightly-2"}), encoding="utf-8")
        assert f"process {os.getpid()} on nightly-2, since " in str(holder_of(tmp_path))


def test_whoever_waits_says_once_for_whom_and_goes_on_when_the_other_ends(tmp_path: Path) -> None:
    told: list[str] = []
    with ExitStack() as others:
        others.enter_context(held(tmp_path))
        timer = Timer(0.35, others.pop_all().close)
        timer.start()
        started = time.monotonic()
        with only_writer([tmp_path], command="cvm kpis", wait_s=30, tell=told.append):
            assert time.monotonic() - started < 5
        timer.join()
    assert len(told) == 1
    assert told[0].startswith(f"waiting for another command to leave {tmp_path}: `cvm train`, process {os.getpid()}")


def test_waiting_ends(tmp_path: Path) -> None:
    started = time.monotonic()
    with (
        held(tmp_path),
        pytest.raises(WorkspaceError, match="Another cvm command"),
        only_writer([tmp_path], command="cvm kpis", wait_s=0.2),
    ):
        pass
    assert 0.2 <= time.monotonic() - started < 5


def test_locks_of_one_thread_nest_and_only_the_outermost_takes(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with only_writer([one], command="cvm run") as taken:
        assert taken == [one]
        with only_writer([two, one, one / ".." / "one"], command="cvm kpis") as taken:
            assert taken == [two]
        assert (one / NAME).exists()
        assert not (two / NAME).exists()
    assert not (one / NAME).exists()


def test_a_folder_that_is_refused_keeps_no_other(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with held(two):
        with pytest.raises(WorkspaceError, match="two: `cvm train`"), only_writer([one, two], command="cvm kpis"):
            pass
        with only_writer([one], command="cvm kpis"):
            pass


def test_many_threads_take_turns(tmp_path: Path) -> None:
    inside, most = [0], [0]

    def work() -> None:
        for _ in range(5):
            with only_writer([tmp_path], command="cvm kpis", wait_s=60):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0.001)
                inside[0] -= 1

    threads = [Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", '{"command": 1}', "\x00"])
def test_a_holder_that_left_no_word_is_no_trouble(tmp_path: Path, content: str) -> None:
    with held(tmp_path):
        (tmp_path / NAME).write_text(content, encoding="utf-8")
        with pytest.raises(WorkspaceError, match="it left no word of itself"), only_writer([tmp_path], command="cvm kpis"):
            pass


def test_what_cannot_be_locked_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    refusal = r"cvm.lock cannot be locked: Is a directory. Grant write access"
    with pytest.raises(WorkspaceError, match=refusal), only_writer([tmp_path], command="cvm kpis"):
        pass
    (tmp_path / NAME).rmdir()
    with only_writer([tmp_path], command="cvm kpis"):
        pass
