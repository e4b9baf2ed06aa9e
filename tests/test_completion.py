from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import shop
from cvm import completion
from cvm.datasets import DATASETS
from cvm.engines.warehouses import WAREHOUSES

PLANS = "data: {dataset: cdnow}\ncampaigns: {plans: {spring: {budget: 1}, summer: {budget: 1}, winback: {budget: 1}}}\n"


def offered(folder: Path, line: str, *, of: str = "bash") -> list[str]:
    """What Tab offers at the end of a line."""
    words = line.split(" ")
    asked = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    done = completion_of(folder, **asked[of], _CVM_COMPLETE=f"complete_{of}")
    assert done.err == ""
    return done.out.split()


def completion_of(folder: Path, **environment: str) -> shop.Done:
    """What ``cvm`` answers to a shell that asks with these variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return shop.cvm(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(PLANS, encoding="utf-8")
    (tmp_path / "other.yaml").write_text(PLANS.replace("spring", "autumn"), encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("campaigns: [", encoding="utf-8")
    return tmp_path


def test_commands_are_offered_in_every_shell(folder: Path) -> None:
    assert {"run", "doctor", "data", "evaluate"} <= set(offered(folder, "cvm "))
    assert "plan" in " ".join(offered(folder, "cvm pl", of="zsh"))
    assert "plan" in offered(folder, "cvm pl", of="fish")


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("cvm plan s", ["spring", "summer"]),
        ("cvm evaluate --params other.yaml a", ["autumn"]),
        ("cvm plan --params broken.yaml ", []),
        ("cvm features --sql snow", ["snowflake"]),
        ("cvm score --alias ch", ["champion", "challenger"]),
        ("cvm data prepare c", ["cdnow", "complete-journey"]),
    ],
)
def test_values_are_offered_where_they_are_known(folder: Path, line: str, names: list[str]) -> None:
    assert offered(folder, line) == names


def test_the_names_offered_are_those_that_there_are() -> None:
    assert set(completion.DATASET_NAMES) == set(DATASETS)
    assert set(completion.WAREHOUSE_NAMES) == set(WAREHOUSES)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_shown(folder: Path, shell: str) -> None:
    done = completion_of(folder, _CVM_COMPLETE=f"source_{shell}")
    assert done.code == 0
    assert f"_CVM_COMPLETE=complete_{shell}" in done.out


def test_a_shell_asks_the_command_itself(folder: Path) -> None:
    environment = {**os.environ, "_CVM_COMPLETE": "complete_bash", "COMP_WORDS": "cvm plan su", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "cvm"], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.stdout.split(), done.stderr) == (["summer"], "")
