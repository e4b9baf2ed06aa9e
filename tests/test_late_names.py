"""Packages whose names are imported on first use: each name in every list, found, and found again at once."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import pytest

import cvm
import cvm.evaluation
from cvm.late_names import getter_of

PACKAGES = pytest.mark.parametrize("package", [cvm, cvm.evaluation], ids=lambda package: package.__name__)


def homes_of_types(package: ModuleType) -> dict[str, str]:
    """Name to module, as type checkers are told."""
    tree = ast.parse(Path(inspect.getfile(package)).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    lines = [line for line in block.body if isinstance(line, ast.ImportFrom)]
    assert lines == block.body
    return {one.name: line.module or "" for line in lines for one in line.names}


@PACKAGES
def test_a_public_name_has_one_home_in_all_lists(package: ModuleType) -> None:
    homes = package._HOMES
    assert homes_of_types(package) == homes
    assert sorted(homes) == sorted(package.__all__)
    modules = list(homes.values())
    assert not {module.name for module in pkgutil.iter_modules(package.__path__)} & set(homes)  # it would take its place
    assert package is cvm or modules == sorted(modules)


@PACKAGES
def test_a_public_name_is_found_whatever_was_imported_before(package: ModuleType) -> None:
    for name, home in package._HOMES.items():
        found = getattr(package, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert found.__module__ == home
        assert vars(package)[name] is found
    assert set(dir(package)) >= set(package.__all__)


def test_near_names_are_offered() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'brier_scores'; did you mean one of \['brier_score'"):
        cvm.evaluation.brier_scores  # noqa: B018 - the access is what is tested


def test_a_name_is_looked_up_once() -> None:
    names: dict[str, object] = {"__name__": "shop"}
    found = getter_of(names, {"sqrt": "math"})("sqrt")
    assert found(9) == 3
    assert names["sqrt"] is found
