"""A command imports what it uses: by the names of modules, for seconds differ from machine to machine."""

from __future__ import annotations

import subprocess
import sys
import typing
from importlib import import_module
from pathlib import Path

import pytest

import shop
from cvm.stages import inputs
from cvm.stages.order import STAGES

SLOW = {"lightgbm", "lifetimes", "matplotlib", "mlflow", "optuna", "pandas", "pyspark", "scipy", "sklearn", "sqlalchemy"}
SLOWER_THAN_HELP = SLOW | {"duckdb", "numpy", "pyarrow", "yaml"}
_COMMAND = """
import sys
from cvm.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(*{name.partition(".")[0] for name in sys.modules})
"""


def loaded(*arguments: str, program: str = _COMMAND) -> set[str]:
    """Packages that a process of its own has imported when it is done."""
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture(scope="module")
def params(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("shop")
    shop.purchases(n_customers=40).to_csv(folder / "purchases.csv", index=False)
    source = {"path": "purchases.csv", "timezone": "UTC"}
    windows = {"horizon_days": 60}
    params = str(shop.write_params(folder, data={"transactions": source}, windows=windows))
    shop.cvm(folder, "ingest", "--quiet")
    return params


@pytest.mark.parametrize("arguments", [["--help"], ["features", "--help"], ["--version"]])
def test_help_imports_nothing_slow(arguments: list[str]) -> None:
    assert not loaded(*arguments) & SLOWER_THAN_HELP


def test_the_command_line_is_there_at_once_for_completion() -> None:
    program = "import sys, cvm.cli\nprint(*{name.partition('.')[0] for name in sys.modules})"
    assert not loaded(program=program) & {*SLOWER_THAN_HELP, "pydantic"}


@pytest.mark.parametrize("command", ["ingest", "features"])
def test_what_is_done_in_sql_waits_for_no_package_of_models_and_frames(params: str, command: str) -> None:
    assert not loaded(command, "--params", params) & SLOW


def test_kpis_wait_for_no_model_and_no_database(params: str) -> None:
    assert not loaded("kpis", "--params", params) & (SLOW - {"pandas", "scipy"})


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_where_it_will_be_looked_for(name: str) -> None:
    stage = STAGES[name]
    found = getattr(import_module(stage.__module__), stage.__name__)
    assert (stage.__name__, found.__name__) == (f"run_{name}", f"run_{name}")
    assert found is not stage


@pytest.mark.parametrize("settings", [found for name, found in vars(inputs).items() if name.endswith("Settings")])
def test_types_of_plain_values_are_known_at_run_time(settings: type) -> None:
    assert typing.get_type_hints(settings)
