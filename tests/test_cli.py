from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest

import cvm
import shop
from cvm import pipeline
from cvm.engines import QueryError
from cvm.errors import CvmError, TrackingError
from cvm.params import Params
from cvm.pipeline import STAGES
from cvm.stages import data
from cvm.stages.context import StageOutcome

CDNOW = "data: {dataset: cdnow}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(CDNOW, encoding="utf-8")
    return tmp_path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """Stages that were called and their options; none does any work."""
    seen: list[tuple[str, dict[str, object]]] = []

    def stage(name: str) -> Callable[..., StageOutcome]:
        def run(params: Params, *, progress: Callable[[str], None], **options: object) -> StageOutcome:
            progress(f"working on [{name}] :smile:")
            seen.append((name, {"horizon_days": params.windows.horizon_days, **options}))
            return StageOutcome(name, f"[{name}] done", (f"beware of [{name}]",))

        return run

    for name in STAGES:
        monkeypatch.setitem(pipeline.STAGES, name, stage(name))
    return seen


def test_the_version_is_that_of_the_package() -> None:
    done = shop.cvm(Path(), "--version")
    first, system, packages = done.out.splitlines()
    assert (done.code, first) == (0, f"cvm {cvm.__version__}")
    assert system.startswith(f"Python {platform.python_version()} on ")
    assert f"lightgbm {version('lightgbm')}" in packages
    assert "/" not in done.out
    assert version("cvm") == cvm.__version__


def test_help_names_every_stage() -> None:
    done = shop.cvm(Path(), "--help")
    assert done.code == 0
    for name in ("run", *STAGES):
        assert f"\n  {name} " in done.out
        assert shop.cvm(Path(), name, "--help").code == 0


def test_help_begins_with_the_first_command_and_cuts_no_description() -> None:
    commands = shop.cvm(Path(), "--help").out.split("Commands:\n")[1]
    assert [line.split()[0] for line in commands.splitlines()[:3]] == ["init", "run", "ingest"]
    assert "..." not in commands
    assert all(line.startswith("  ") and line[2] != " " for line in commands.splitlines())


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["ingest", "--nonsense"], "No such option: --nonsense"),
        (["ingest", "extra"], "unexpected extra argument"),
        (["ingest", "--params"], "Option '--params' requires an argument"),
        (["ingest", "--set"], "Option '--set' requires an argument"),
        (["run", "--bundle", "x"], "No such option: --bundle"),
        (["score", "--bundle", "x", "--alias", "champion"], "give --bundle or --alias, not both"),
        (["train", "--trials", "x"], "Invalid value for '--trials'"),
        (["train", "--timeout", "60"], "--timeout ends tuning, and there is none; give --trials too"),
        (["run", "--trials", "5"], "No such option: --trials"),
        ([], ""),
    ],
)
def test_wrong_usage_is_exit_code_two(folder: Path, arguments: list[str], cause: str) -> None:
    done = shop.cvm(folder, *arguments)
    assert done.code == 2
    assert cause in done.err
    assert done.err.startswith(("Usage: cvm ", "Error: Option "))
    assert "Traceback" not in done.err
    assert [path.name for path in folder.iterdir()] == ["params.yaml"]


def test_run_calls_the_stages_in_order(folder: Path, calls: list[tuple[str, dict[str, object]]]) -> None:
    assert shop.cvm(folder, "run", "--quiet").code == 0
    assert [name for name, _ in calls] == [
        "ingest", "features", "train", "promote", "score", "segment", "actions", "kpis", "report"
    ]  # fmt: skip


@pytest.mark.parametrize("name", list(STAGES))
def test_a_stage_is_called_alone_with_what_the_line_says(
    folder: Path, calls: list[tuple[str, dict[str, object]]], name: str
) -> None:
    (folder / "other.yaml").write_text(CDNOW + "windows: {horizon_days: 60}", encoding="utf-8")
    extra = ["--bundle", "x"] if name in ("score", "segment") else []
    assert shop.cvm(folder, name, "--params", "other.yaml", *extra).code == 0
    assert shop.cvm(folder, name, "--set", "windows.lead_days=1", "--set", "windows.horizon_days=30").code == 0
    assert [(called, options["horizon_days"]) for called, options in calls] == [(name, 60), (name, 30)]
    assert calls[0][1].get("bundle") == (Path("x") if extra else None)


@pytest.mark.parametrize(
    ("arguments", "trials", "timeout_s"),
    [
        ([], 3, None),
        (["--trials", "20", "--timeout", "60"], 20, 60),
        (["--trials", "0"], 0, None),
        (["--timeout", "60"], 3, 60),
        (["--set", "train.trials=9", "--trials", "4"], 4, None),
    ],
)
def test_the_line_says_how_much_is_tuned(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], trials: int, timeout_s: int | None
) -> None:
    seen: list[tuple[int, int | None]] = []

    def train(params: Params, *, progress: Callable[[str], None]) -> StageOutcome:
        seen.append((params.train.trials, params.train.timeout_s))
        return StageOutcome("train", "done")

    monkeypatch.setitem(pipeline.STAGES, "train", train)
    (folder / "params.yaml").write_text(CDNOW + "train: {trials: 3}\n", encoding="utf-8")
    assert shop.cvm(folder, "train", *arguments).code == 0
    assert seen == [(trials, timeout_s)]


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--trials", "-1"], "train.trials: -1: input should be greater than or equal to 0"),
        (["--trials", "5", "--timeout", "0"], "train.timeout_s: 0: input should be greater than 0"),
    ],
)
def test_an_impossible_amount_of_tuning_is_refused_in_words(folder: Path, arguments: list[str], cause: str) -> None:
    done = shop.cvm(folder, "train", *arguments)
    assert done.code == 1
    assert cause in done.err


def test_an_alias_reaches_scoring(folder: Path, calls: list[tuple[str, dict[str, object]]]) -> None:
    assert shop.cvm(folder, "score", "--alias", "challenger").code == 0
    options = {"bundle": None, "alias": "challenger", "dates": [], "again": False}
    assert calls == [("score", {"horizon_days": 181, **options})]


def test_dates_reach_scoring(folder: Path, calls: list[tuple[str, dict[str, object]]]) -> None:
    given = ["--as-of", "2024-05-05", "--from", "2024-01-31", "--to", "2024-03-01", "--again"]
    assert shop.cvm(folder, "score", *given).code == 0
    assert calls[0][1]["dates"] == [date(2024, 5, 5), date(2024, 1, 31), date(2024, 2, 29)]
    assert calls[0][1]["again"] is True


def test_without_a_terminal_progress_and_outcome_are_plain_lines(
    folder: Path, calls: list[tuple[str, dict[str, object]]]
) -> None:
    done = shop.cvm(folder, "ingest")
    progress, outcome, note = done.out.splitlines()
    assert progress == "ingest    ... working on [ingest] :smile:"
    assert outcome.startswith("ingest    [ingest] done (")
    assert note == "ingest    note: beware of [ingest]"
    assert done.err == ""


def test_in_a_terminal_a_spinner_shows_the_work(
    folder: Path, calls: list[tuple[str, dict[str, object]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = shop.cvm(folder, "ingest")
    assert (done.code, done.err) == (0, "")
    assert "\x1b[" in done.out
    assert "... working" not in done.out
    assert "[ingest] done" in done.out


def test_quiet_prints_warnings_alone(folder: Path, calls: list[tuple[str, dict[str, object]]]) -> None:
    done = shop.cvm(folder, "ingest", "-q")
    assert done.out.splitlines() == ["ingest    note: beware of [ingest]"]


def failing(error: BaseException) -> Callable[..., StageOutcome]:
    def run(params: Params, *, progress: Callable[[str], None], **options: object) -> StageOutcome:
        raise error

    return run


def test_a_refusal_is_its_message_on_the_error_stream_and_exit_code_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "Column 'a [b] :smile:' is wrong;\n  - " + "a long line " * 30
    monkeypatch.setitem(pipeline.STAGES, "ingest", failing(CvmError(message)))
    done = shop.cvm(folder, "ingest")
    assert (done.code, done.out, done.err) == (1, "", f"cvm: {message}\n")


@pytest.mark.parametrize("has_champion", [True, False])
def test_a_run_goes_on_without_the_store_where_there_is_a_champion(
    folder: Path, calls: list[tuple[str, dict[str, object]]], monkeypatch: pytest.MonkeyPatch, has_champion: bool
) -> None:
    monkeypatch.setitem(pipeline.STAGES, "train", failing(TrackingError("The MLflow store is away.")))
    monkeypatch.setattr(pipeline, "has_fitting_champion", lambda _: has_champion)
    done = shop.cvm(folder, "--json", "run", "--quiet")
    told = json.loads(done.out)
    assert done.code == told["exit_code"] == (0 if has_champion else 1)
    if has_champion:
        assert [name for name, _ in calls] == ["ingest", "features", "score", "segment", "actions", "kpis", "report"]
        assert [stage["warnings"] for stage in told["stages"] if stage.get("tracking") == "failed"] == [
            ["The MLflow store is away."]
        ]
        assert done.err.endswith("train     note: The MLflow store is away.\n")


def test_an_interrupt_ends_quietly_with_its_own_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.STAGES, "ingest", failing(KeyboardInterrupt()))
    done = shop.cvm(folder, "ingest")
    assert done.code == 130
    assert "Traceback" not in done.err


def test_a_fault_of_ours_is_not_dressed_up_as_a_refusal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pipeline.STAGES, "ingest", failing(ZeroDivisionError("ours")))
    done = shop.cvm(folder, "ingest")
    assert (done.code, done.out) == (1, "")
    # The text of an exception may quote customers' data.
    assert done.err.startswith("cvm: A fault of cvm, not of your data: ZeroDivisionError in cvm/terminal.py, line ")
    assert "ours" not in done.err
    assert "Traceback" not in done.err
    monkeypatch.setenv("CVM_DEBUG", "1")
    assert "Traceback" in shop.cvm(folder, "ingest").err


@pytest.mark.parametrize(
    ("stage", "missing", "command"),
    [
        ("features", "warehouse.duckdb", "cvm ingest"),
        ("train", "plan.json", "cvm features"),
        ("score", "plan.json", "cvm features"),
        ("segment", "plan.json", "cvm features"),
    ],
)
def test_a_stage_without_the_one_before_names_the_command(folder: Path, stage: str, missing: str, command: str) -> None:
    done = shop.cvm(folder, stage)
    assert done.code == 1
    assert f"{missing} does not exist yet. Run `{command}` first, or `cvm run` for the whole loop." in done.err


def test_a_damaged_warehouse_is_refused_and_kept(folder: Path) -> None:
    warehouse = folder / "outputs" / "warehouse.duckdb"
    warehouse.parent.mkdir()
    warehouse.write_bytes(b"not a database" * 100)
    done = shop.cvm(folder, "features")
    assert done.code == 1
    assert "warehouse.duckdb cannot be opened: " in done.err
    assert "or run `cvm ingest`" in done.err
    assert warehouse.read_bytes() == b"not a database" * 100


def test_a_query_that_fails_for_want_of_disk_or_memory_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise QueryError("IO Error: No space left on device")

    monkeypatch.setattr(data, "ingest", full)
    done = shop.cvm(folder, "ingest")
    assert done.code == 1
    assert "The engine gave up: IO Error: No space left on device. Nothing was replaced. Free disk space" in done.err


@pytest.mark.parametrize("command", [[sys.executable, "-m", "cvm"], [str(Path(sys.executable).parent / "cvm")]])
def test_the_command_works_from_outside(folder: Path, command: list[str]) -> None:
    done = subprocess.run(
        [*command, "--version"], cwd=folder, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert (done.returncode, done.stdout.splitlines()[0], done.stderr) == (0, f"cvm {cvm.__version__}", "")
