from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from cvm.doctor import packages
from cvm.doctor.line import lines_of


class Metadata:
    """What an installed package says of itself."""

    def __init__(self, *needs: str, python: str = ">=3.11") -> None:
        self._needs, self._python = list(needs), python

    def get_all(self, key: str) -> list[str]:
        return {"Requires-Dist": self._needs, "Requires-Python": [self._python]}[key]


def declare(monkeypatch: pytest.MonkeyPatch, *needs: str, python: str = ">=3.11") -> None:
    monkeypatch.setattr(packages, "metadata", lambda _: Metadata(*needs, python=python))


def test_packages_that_are_old_or_gone_are_named_with_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, "numpy>=99", "nowhere>=1", "pandas>=2", "polars>=99; extra == 'dev'")
    (line,) = lines_of("packages", packages.packages_line)
    assert line.state == "wrong"
    assert "numpy 2" in line.found
    assert "must be >=99" in line.found
    assert "nowhere is not installed" in line.found
    assert "polars" not in line.found
    assert line.fix == "pip install cvm"  # of an installed cvm: mends what it needs, and asks no index for cvm itself


def test_packages_in_range_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, "numpy>=1", "pandas>=2", "nowhere>=1; python_version < '3'")
    (line,) = lines_of("packages", packages.packages_line)
    assert line.state == "ok"
    assert line.found.startswith("2 of 2 in supported versions: duckdb ")


def test_a_source_tree_without_an_installation_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> Any:
        raise PackageNotFoundError("cvm")

    monkeypatch.setattr(packages, "metadata", missing)
    assert packages.requirements(None) == []
    (line,) = lines_of("packages", packages.packages_line)
    assert (line.state, "not installed as a package" in line.found) == ("look", True)
    (line,) = lines_of("Python", packages.python_line)
    assert line.state == "ok"


def test_a_python_out_of_range_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    declare(monkeypatch, python=">=3.99")
    (line,) = lines_of("Python", packages.python_line)
    assert line.state == "wrong"
    assert "cvm needs >=3.99" in line.found


def test_an_extra_that_params_need_is_wrong_where_it_is_missing_and_no_matter_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declare(monkeypatch, "nowhere>=1; extra == 'spark'", "numpy>=1; extra == 'identity'", "none-such; extra == 'postgres'")
    wrong, ok = lines_of("extras", lambda: packages.extras_line({"spark": "engine: spark"}))
    assert (wrong.state, wrong.fix) == ("wrong", "pip install 'cvm[spark]'")
    assert wrong.found == "nowhere is not installed, and engine: spark needs it"
    assert ok.found == "there: datasets, identity; not needed and not there: postgres"
    (line,) = lines_of("extras", lambda: packages.extras_line({}))
    assert (line.state, line.found) == ("ok", "there: datasets, identity; not needed and not there: postgres, spark")


def test_a_package_that_does_not_load_is_told_with_what_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        if name == "lightgbm":
            raise OSError("libgomp.so.1: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(packages, "import_module", load)
    (line,) = lines_of("loading", packages.loading_line)
    assert line.state == "wrong"
    assert line.found == "lightgbm: libgomp.so.1: cannot open shared object file: No such file or directory"
    assert "libgomp1" in line.fix


def test_packages_that_do_not_fit_each_other_are_told_whatever_they_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str) -> None:
        if name == "pandas":
            raise ValueError("numpy.dtype size changed\nand more")

    monkeypatch.setattr(packages, "import_module", load)
    (line,) = lines_of("loading", packages.loading_line)
    assert (line.state, line.found) == ("wrong", "pandas: numpy.dtype size changed")


def test_the_extras_are_those_that_are_declared() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(packages.EXTRAS) == set(project["optional-dependencies"]) - {"bench", "dev", "docs"}
