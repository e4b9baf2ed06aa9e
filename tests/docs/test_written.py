"""What the pages tell a reader to write can be written: commands, options, keys of params.yaml, Python."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from cvm.params import Params, load_params
from pages import PAGES, ROOT, Block, blocks, name_of, prose
from reference.commands import all_commands

INDENTED = re.compile(r"^ {4,}(?=cvm )(.*)$", re.MULTILINE)
INLINE = re.compile(r"`(cvm [^`\n]*)`")
UNLINKED = re.compile(r"(?<!\[)`((?:docs|benchmarks)/[\w/-]+\.md)`")
COMMANDS = {command.name: command for command in all_commands()}
GROUPS = {name.split()[0] for name in COMMANDS if " " in name}
OF_ALL = {"--json", "--version", "--help", "--install-completion", "--show-completion"}
SHELL = ("", "bash", "sh", "shell", "text", "console")


def command_lines() -> Iterator[tuple[Path, str]]:
    """Every call of ``cvm`` that a page writes out."""
    for page in PAGES:
        yield from ((page, found) for pattern in (INLINE, INDENTED) for found in pattern.findall(prose(page)))
    for block in blocks(*SHELL):
        for line in block.code.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|\||;|\|", line.strip().removeprefix("$ ")):
                if re.match(r"cvm [a-z-]", part.strip()):
                    yield block.page, part.strip()


def problem(line: str) -> str | None:
    """What is wrong with a call of ``cvm``."""
    words = shlex.split(line, comments=True)[1:]
    named = [word for word in words if not word.startswith("-")]
    while words and words[0] in OF_ALL:
        words = words[1:]
    if not words or words[0].isupper() or words[0] == "...":
        return None
    name = " ".join(words[:2]) if words[0] in GROUPS else words[0]
    if name not in COMMANDS:
        return None if name in GROUPS and len(named) == 1 else f"there is no command {name!r}"
    known = {spelled for one in COMMANDS[name].parameters for spelled in one.names} | OF_ALL
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.split("=")[0] not in known]
    return f"cvm {name} has no option {unknown}" if unknown else None


def test_pages_write_commands_and_options_that_there_are() -> None:
    lines = list(command_lines())
    assert len(lines) > 100
    wrong = [f"{name_of(page)}: `{line}`: {found}" for page, line in lines if (found := problem(line))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cvm scor", "there is no command 'scor'"),
        ("cvm score --as-off 2024-01-01", "cvm score has no option ['--as-off']"),
        ("cvm data prepare x --into y", None),
        ("cvm data lst", "there is no command 'data lst'"),
        ("cvm --json COMMAND ...", None),
        ("cvm --json plan spring -x", "cvm plan has no option ['-x']"),
        ("cvm run --set windows.horizon_days=90 -q   # for --nobody", None),
    ],
)
def test_a_wrong_call_is_found(line: str, expected: str | None) -> None:
    assert problem(line) == expected


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_of_the_pages_is_accepted_as_params(block: Block, tmp_path: Path) -> None:
    written = yaml.safe_load(block.code)
    assert set(written) <= set(Params.model_fields), "a block of YAML is a part of params.yaml; write others as text"
    source = written.setdefault("data", {"dataset": "cdnow"})
    if "dataset" not in source:
        source.setdefault("transactions", {"path": "exports/orders.csv"})  # which a part of the file need not repeat
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(written), encoding="utf-8")
    assert set(written) <= load_params(path).model_fields_set


@pytest.mark.parametrize("block", blocks("python", "py"), ids=str)
def test_python_of_the_pages_parses_and_imports_what_there_is(block: Block) -> None:
    package = import_module("cvm")
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cvm":
            module = import_module(str(node.module))
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "cvm":
            assert node.attr in dir(package) or hasattr(package, node.attr)


@pytest.mark.parametrize("block", [block for block in blocks(*SHELL) if "python -c" in block.code], ids=str)
def test_python_that_a_shell_is_given_parses(block: Block) -> None:
    words = shlex.split(block.code.replace("\\\n", ""), comments=True)
    ast.parse(words[words.index("-c") + 1])


def test_what_is_to_be_copied_holds_no_prompt() -> None:
    prompted = [f"{block}" for block in blocks(*SHELL) if re.search(r"^\$ ", block.code, re.MULTILINE)]
    assert not prompted, "commands go into a block of bash, what they print into one of text: " + "; ".join(prompted)


def test_a_page_that_is_named_is_linked() -> None:
    named = [
        f"{name_of(page)}: `{path}`" for page in PAGES for path in UNLINKED.findall(prose(page)) if (ROOT / path).exists()
    ]
    assert not named, "write [`page.md`](its/path.md) for: " + ", ".join(named)


def test_a_block_is_complete_where_it_makes_all_it_uses() -> None:
    assert Block(PAGES[0], "python", "import cvm\nx = [y for y in (1, 2)]\nprint(x, cvm.run)").free_names == set()
    assert Block(PAGES[0], "python", "cvm.run(params, session=spark)").free_names == {"cvm", "params", "spark"}
