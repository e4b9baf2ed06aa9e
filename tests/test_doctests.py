"""Examples in docstrings do what they say."""

from __future__ import annotations

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import cvm

HOME = Path(cvm.__file__).parent
WITH_EXAMPLES = [
    ".".join(("cvm", *path.relative_to(HOME).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(HOME.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_hold(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where an example may write
    module = import_module(name)
    examples = [example for one in doctest.DocTestFinder().find(module) for example in one.examples]
    assert examples, f"{name} holds >>> outside of any docstring"
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert not found.failed, "what an example gave instead stands above"


def test_there_are_examples() -> None:
    assert "cvm.scoring.dates" in WITH_EXAMPLES
