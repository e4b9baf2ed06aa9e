"""How a command ends, for people and for programs."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import typer

import shop
from cvm import pipeline
from cvm.cli import _WITH_OWN_JSON, app
from cvm.errors import CvmError
from cvm.params import Params
from cvm.pipeline import STAGES
from cvm.stages.context import StageOutcome, writes
from cvm.terminal import Printer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text("data: {dataset: cdnow}\n", encoding="utf-8")
    return tmp_path


def stage_that(do: Callable[[], None]) -> Callable[..., StageOutcome]:
    def run(params: Params, *, progress: Callable[[str], None], **options: object) -> StageOutcome:
        progress("at work")
        print("some library talks")
        do()
        figures = {
            "as_of": date(2024, 2, 9),
            "n": np.int64(3),
            "is_all": np.bool_(1),
            "z": np.float32("inf"),
            "clv": float("nan"),
            "folder": Path("outputs"),
            "by": {"a": [1.5]},
        }
        return StageOutcome("ingest", "all done", ("beware",), figures=figures)

    return run


def raising(error: BaseException) -> Callable[[], None]:
    def do() -> None:
        raise error

    return do


def line(done: shop.Done) -> dict[str, object]:
    """The one line on standard output."""
    (text,) = done.out.splitlines()
    found = json.loads(text)
    assert list(found) == ["command", "exit_code", "ok", "seconds", "stages", "error"]
    assert found["exit_code"] == done.code
    assert found["ok"] == (found["error"] is None)
    return dict(found)


def test_programs_get_one_line_with_the_figures_of_each_stage(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.STAGES, "ingest", stage_that(lambda: None))
    done = shop.cvm(folder, "--json", "ingest")
    found = line(done)
    (stage,) = found["stages"]
    assert stage.pop("seconds") >= 0
    assert stage == {
        "as_of": "2024-02-09", "n": 3, "is_all": True, "z": None, "clv": None, "folder": "outputs", "by": {"a": [1.5]},
        "stage": "ingest", "message": "all done", "warnings": ["beware"],
    }  # fmt: skip
    assert (found["command"], found["exit_code"], found["ok"]) == ("ingest", 0, True)
    assert [text for text in ("at work", "some library talks", "all done", "beware") if text not in done.err] == []


@pytest.mark.parametrize(
    ("error", "code", "kind", "message"),
    [
        (CvmError("Column 'é' is wrong."), 1, "CvmError", "Column 'é' is wrong."),
        (KeyboardInterrupt(), 130, "KeyboardInterrupt", "Interrupted. What earlier steps wrote stays"),
        (KeyError("a customer"), 1, "KeyError", "A fault of cvm, not of your data: KeyError in cvm/terminal.py, line"),
        (MemoryError(), 1, "MemoryError", "There is not enough memory for this."),
        (OSError(errno.ENOSPC, "No space", "x.parquet"), 1, "OSError", "x.parquet: the disk is full; free space."),
        (OSError(errno.EIO, "I/O"), 1, "OSError", "A fault of cvm"),
    ],
)
def test_every_end_has_its_code_and_its_message_for_people_and_programs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, kind: str, message: str
) -> None:
    monkeypatch.setitem(pipeline.STAGES, "ingest", stage_that(raising(error)))
    for arguments in (["ingest", "-q"], ["ingest", "-q", "--json"]):
        done = shop.cvm(folder, *arguments)
        assert done.code == code
        assert f"cvm: {message}" in done.err
        assert "Traceback" not in done.err
    found = line(done)
    assert found["error"]["type"] == kind
    assert found["error"]["message"].startswith(message)
    assert found["stages"] == []


@pytest.mark.parametrize(
    ("arguments", "command", "message"),
    [
        (["nonsense"], "nonsense", "No such command 'nonsense'."),
        (["--nonsense", "ingest"], "ingest", "No such option: --nonsense"),
        (["ingest", "--nonsense"], "ingest", "No such option: --nonsense"),
        (["data", "prepare"], "data prepare", "Missing argument 'name'."),
        (["score", "--bundle", "x", "--alias", "y"], "score", "give --bundle or --alias, not both"),
        (["train", "--timeout", "60"], "train", "--timeout ends tuning, and there is none; give --trials too"),
    ],
)
def test_wrong_usage_is_told_to_programs_too(folder: Path, arguments: list[str], command: str, message: str) -> None:
    done = shop.cvm(folder, "--json", *arguments)
    found = line(done)
    assert (done.code, found["command"], found["error"]["type"]) == (2, command, "UsageError")
    assert message.lower() in found["error"]["message"].lower()
    assert done.err.startswith("Usage: cvm ")


def test_json_after_a_command_is_its_own_where_it_has_one() -> None:
    group = typer.main.get_command(app)
    found = {name for name, one in group.commands.items() if any("--json" in option.opts for option in one.params)}
    assert found == set(_WITH_OWN_JSON)


def test_lists_give_programs_their_rows(folder: Path) -> None:
    (stage,) = line(shop.cvm(folder, "data", "list", "--json"))["stages"]
    assert [one["is_at_hand"] for one in stage["datasets"] if one["name"] == "cdnow"] == [True]
    (stage,) = line(shop.cvm(folder, "promote", "--history", "--json"))["stages"]
    assert (stage["stage"], stage["decisions"]) == ("promote", [])


@pytest.mark.parametrize("arguments", [["--json"], ["--json", "--version"], ["run", "--help", "--json"]])
def test_whatever_is_asked_there_is_one_line(folder: Path, arguments: list[str]) -> None:
    assert line(shop.cvm(folder, *arguments))["stages"] == []


def test_a_code_of_a_commands_own_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import typer

    monkeypatch.setitem(pipeline.STAGES, "ingest", stage_that(raising(typer.Exit(4))))
    found = line(shop.cvm(folder, "--json", "ingest"))
    assert (found["exit_code"], found["ok"], found["error"]) == (4, True, None)


def test_the_option_of_a_command_is_another(folder: Path) -> None:
    done = shop.cvm(folder, "plan", "spring", "--json")
    assert (done.code, done.out) == (1, "")


# --- signals ---------------------------------------------------------------------------------------------------------

# A stage that writes half a file and then sleeps.
_SLEEPER = """
import sys, time
from pathlib import Path
from cvm import cli, pipeline
from cvm.stages.context import StageOutcome, workspace_of, writes
from cvm.workspace import replaced_file

@writes("cvm ingest")
def run(params, *, progress, **options):
    with replaced_file(workspace_of(params).report) as path:
        path.write_text("half")
        print("asleep", flush=True, file=sys.__stdout__)
        time.sleep(60)
    return StageOutcome("ingest", "done")

pipeline.STAGES["ingest"] = run
sys.argv = ["cvm", "--json", "ingest", "-q"]
cli.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.slow)])
def test_a_signal_to_end_leaves_everything_in_order(folder: Path, name: str) -> None:
    number = getattr(signal, name)
    with subprocess.Popen(
        [sys.executable, "-c", _SLEEPER],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # whoever runs this under nohup has it ignored
    ) as sleeper:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "asleep\n"
        sleeper.send_signal(number)
        out, err = sleeper.communicate(timeout=30)
    assert sleeper.returncode == 128 + number
    assert (
        err == f"cvm: Stopped by {name}. What earlier steps wrote stays; nothing is half written. Run the command again.\n"
    )
    assert json.loads(out)["error"]["type"] == name
    assert [path for path in folder.rglob("*") if path.is_file()] == [folder / "params.yaml"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no such signals")
@pytest.mark.parametrize(("name", "kind"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "SIGTERM")])
def test_a_signal_before_a_command_begins_is_told_too(folder: Path, name: str, kind: str) -> None:
    number = getattr(signal, name)
    program = (
        "import os, sys; from cvm.early_signals import heard_early\nwith heard_early(sys.argv[1:]): os.kill(os.getpid(), {})"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program.format(int(number)), "--json", "kpis"],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    found = line(shop.Done(ended.returncode, ended.stdout, ended.stderr))
    assert (found["exit_code"], found["command"], found["error"]["type"]) == (128 + number, "kpis", kind)
    assert ended.stderr == f"cvm: {found['error']['message']}\n"


# --- one command at a time -------------------------------------------------------------------------------------------


def test_the_whole_loop_keeps_others_out_from_beginning_to_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = []

    def look() -> None:
        other = subprocess.run(
            [sys.executable, "-m", "cvm", "kpis"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env=dict(os.environ),
        )
        refusals.append((other.returncode, other.stderr))

    for name in STAGES:
        monkeypatch.setitem(pipeline.STAGES, name, stage_that(look if name == "train" else lambda: None))
    shop.cvm(folder, "run", "-q")
    ((code, message),) = refusals
    assert code == 1
    assert f"Another cvm command is writing to {folder / 'models'}: `cvm run`, process {os.getpid()}" in message


def test_a_stage_waits_as_long_as_params_say_and_says_so_even_when_quiet(folder: Path) -> None:
    from held import held

    told: list[str] = []
    params = shop.load_params(folder / "params.yaml", overrides=["wait_s=0.3"])

    @writes("cvm score")
    def stage(params: Params, *, progress: Callable[[str], None]) -> None:
        raise AssertionError("began")

    started = time.monotonic()
    with held(folder / "outputs"), pytest.raises(CvmError, match="outputs: `cvm train`"):
        stage(params, progress=told.append)
    assert 0.3 <= time.monotonic() - started < 5
    assert len(told) == 1


def test_a_note_is_printed_even_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    Printer(quiet=True).note("run", "waiting for [another]")
    assert capsys.readouterr().out == "run       note: waiting for [another]\n"
