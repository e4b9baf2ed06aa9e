"""The examples for schedulers say what the command line can do."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import types
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

import shop
from cvm.cli import app

EXAMPLES = Path(__file__).parents[1] / "docs" / "schedulers"
CRONTAB = EXAMPLES / "crontab"
DAG_FILE = EXAMPLES / "airflow_dag.py"
_FIELD = r"(?:\*|\d+)"
_JOB = re.compile(rf"({_FIELD} {_FIELD} {_FIELD} {_FIELD} {_FIELD}) (.+)")


def cron_lines() -> list[str]:
    lines = CRONTAB.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def cron_commands() -> list[str]:
    """What the shell is given: cron takes an escaped percent sign for a percent sign."""
    found = (_JOB.fullmatch(line) for line in cron_lines())
    return [match[2].replace(r"\%", "%") for match in found if match]


class Recorded:
    """What a DAG file does with Airflow: DAGs, their tasks in order, and what runs before what."""

    def __init__(self) -> None:
        self.dags: dict[str, dict[str, object]] = {}
        self.tasks: list[tuple[str, str, str]] = []
        self.order: list[tuple[str, str]] = []

    def modules(self) -> dict[str, types.ModuleType]:
        recorded, current = self, []

        class DAG:
            def __init__(self, name: str, **options: object) -> None:
                self.name = name
                recorded.dags[name] = options

            def __enter__(self) -> DAG:
                current.append(self.name)
                return self

            def __exit__(self, *_: object) -> None:
                current.pop()

        class BashOperator:
            def __init__(self, *, task_id: str, bash_command: str) -> None:
                self.name = task_id
                recorded.tasks.append((current[-1], task_id, bash_command))

            def __rshift__(self, other: BashOperator) -> BashOperator:
                recorded.order.append((self.name, other.name))
                return other

        class Variable:
            @staticmethod
            def get(name: str, default_var: str) -> str:
                assert name == "cvm_home"
                return default_var

        content = {
            "airflow": {"DAG": DAG},
            "airflow.models": {"Variable": Variable},
            "airflow.operators": {},
            "airflow.operators.bash": {"BashOperator": BashOperator},
        }
        found = {}
        for name, names in content.items():
            found[name] = types.ModuleType(name)
            vars(found[name]).update(names)
        return found


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    recorded = Recorded()
    for name, module in recorded.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    exec(compile(DAG_FILE.read_text(encoding="utf-8"), str(DAG_FILE), "exec"), {"__name__": "dag"})  # noqa: S102 - our file
    return recorded


def check_command(command: str) -> list[str]:
    """Every call of cvm in a shell command parses; gives their names."""
    group: Any = typer.main.get_command(app)
    command = re.sub(r'echo "[^"]*"', "", command)
    calls = re.findall(r"(?:\.venv/bin/)?cvm ((?:[\w=-]+|\"\$\([^)]*\)\"| )+)", command)
    names = []
    for call in calls:
        name, *arguments = shlex.split(re.sub(r'"\$\([^)]*\)"', "2026-01-01", call))
        given = group.commands[name].make_context(name, arguments).params["set_"]
        assert given == ["wait_s=3600"], "the job would be refused where another is at work"
        names.append(name)
    return names


def test_every_line_of_the_crontab_is_a_setting_or_a_job():
    for line in cron_lines():
        assert re.fullmatch(r"[A-Z_]+=\S.*", line) or _JOB.fullmatch(line), line
        assert "%" not in line.replace(r"\%", "")  # which would end the command


def test_the_crontab_calls_commands_and_options_that_there_are():
    names = [check_command(command) for command in cron_commands()]
    nightly = ["ingest", "features", "score", "segment", "actions", "kpis", "report"]
    assert names == [["run"], nightly, ["monitor"], ["score"]]


def test_the_dags_call_commands_and_options_that_there_are_in_their_order(airflow):
    stages = ["ingest", "features", "score", "segment", "actions", "kpis", "report"]
    called = [(dag, task, check_command(command)) for dag, task, command in airflow.tasks]
    others = [("cvm_monthly", "run", ["run"]), ("cvm_monitor", "monitor", ["monitor"])]
    assert called == [*(("cvm_nightly", name, [name]) for name in stages), *others]
    assert airflow.order == list(pairwise(stages))
    assert all(options["catchup"] is False and options["max_active_runs"] == 1 for options in airflow.dags.values())


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (1, 1), (3, 0), (4, 4)])
def test_the_task_of_monitoring_fails_where_training_is_asked_for(airflow, tmp_path, code, expected):
    program = tmp_path / ".venv" / "bin" / "cvm"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\nexit {code}\n", encoding="utf-8")
    program.chmod(0o755)
    (command,) = [command for _, task, command in airflow.tasks if task == "monitor"]
    assert subprocess.run(["bash", "-c", command], cwd=tmp_path, check=False).returncode == expected


@pytest.mark.slow
def test_the_jobs_of_the_crontab_run_on_a_small_base(tmp_path):
    shop.purchases(n_customers=300).to_csv(tmp_path / "transactions.csv", index=False)
    shop.write_params(
        tmp_path, windows={"horizon_days": 60, "clv_days": 120}, train={"snapshots": 1, "step_days": 30, "seed": 7}
    )
    program = tmp_path / "bin" / "cvm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cvm "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    today = tmp_path / "bin" / "date"  # the shop's tables end in 2024
    today.write_text('#!/bin/sh\n[ "$1" = -d ] && echo 2024-03-01 || echo 2024-05-14\n', encoding="utf-8")
    today.chmod(0o755)
    monthly, nightly, monitor, backfill = cron_commands()

    def run(command: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "CVM_HOME": str(tmp_path), "PATH": f"{program.parent}:/usr/bin:/bin"}
        return subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, check=False)

    done = run(monthly)
    assert (done.returncode, done.stderr) == (0, "")
    done = run(nightly)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "outputs" / "report.html").is_file()
    done = run(monitor)
    assert (done.returncode, done.stderr) == (0, "cvm monitor ended with exit code 3\n")  # the shop's files are years old
    done = run(backfill)
    assert (done.returncode, done.stderr) == (0, "")
    found = sorted(path.name for path in (tmp_path / "outputs" / "scores").iterdir())
    assert found == ["as_of=2024-03-01", "as_of=2024-04-01", "as_of=2024-05-01", "as_of=2024-05-14"]
