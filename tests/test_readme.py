"""README.md holds what is true: its blocks run, its links lead somewhere, its figures are those of the pages it names.

Of its blocks ``make run`` is run by tests/test_pipeline.py, ``make test`` is what runs this file, and ``pip install .``
is run into an empty environment by tests/test_package.py. The others are run here, on the export of a small shop; so are
the blocks of other pages that need nothing but a run (those of docs/api.md are run by tests/test_api.py).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import shop
from cvm.stages.warehouse import ON_SPARK
from pages import Block, blocks
from ports import free_port
from serving_client import predictions, running

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
INLINE = re.findall(r"`([^`\n]+)`", PROSE)


def commands() -> list[list[str]]:
    """Of all blocks of the shell, in order: one a line, but where a quotation goes on over lines."""
    texts = [text for language, text in BLOCKS if language == "sh"]
    return [shlex.split(line, comments=True) for text in texts for line in re.findall(r"(?:'[^']*'|[^'\n])+", text)]


# --- what is written -------------------------------------------------------------------------------------------------


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "python"}
    assert [words[0] for words in commands()] == ["make", "make", "pip", "cvm", "cvm", "cvm", "curl"]


def test_make_targets_are_there_and_run_what_is_tested_elsewhere() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^([\w-]+):.*\n\t(.+)$", makefile, re.MULTILINE))
    assert [words[1] for words in commands() if words[0] == "make"] == ["run", "test"]
    assert recipes["run"] == "$(BIN)/cvm run"
    assert "-m pytest" in recipes["test"]


def test_the_picture_is_small_enough_to_be_loaded_at_once() -> None:
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT)
    assert pictures
    assert all((ROOT / picture).stat().st_size < 300_000 for picture in pictures)


def test_what_spark_does_not_do_is_what_is_said() -> None:
    sentence = next(line for line in PROSE.splitlines() if line.startswith("- On Spark"))
    said = re.findall(r"`cvm (\w+)`", sentence)
    assert said
    assert not set(said) & set(ON_SPARK)


# --- what was measured -----------------------------------------------------------------------------------------------


def page(name: str) -> str:
    return (ROOT / "benchmarks" / f"{name}.md").read_text(encoding="utf-8")


def table_below(heading: str, text: str) -> list[list[str]]:
    """Cells of the first table below a line, its header first."""
    rows = re.search(r"^\|(?:.*\|\n)+", text.split(heading, 1)[1], re.MULTILINE)
    assert rows, heading
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in rows.group().splitlines()]
    return [row for row in cells if not set("".join(row)) <= set("-: ")]


def measured_means() -> Mapping[tuple[str, str], tuple[str, str]]:
    """Competitor and measure to our figure and theirs."""
    header, *rows = table_below("means over the real cases (10)", page("accuracy"))
    return {
        (row[0], measure): (cell.split(" : ")[0], cell.split(" : ")[1])
        for row in rows
        for measure, cell in zip(header, row, strict=True)
        if " : " in cell
    }


def test_the_figures_beside_peers_are_those_of_the_page() -> None:
    (_, _, *peers), *rows = table_below("## What it reaches", TEXT)
    means = measured_means()
    names = {"nGini": "ngini", "decMAPE": "decmape", "RMSE": "rmse", "AUC": "auc", "calibration": "calibration"}
    for label, ours, *theirs in rows:
        measure = next(column for name, column in names.items() if name in label)
        shown = {peer: figure for peer, figure in zip(peers, theirs, strict=True) if figure}
        for peer, figure in shown.items():
            assert (ours.strip("*"), figure.strip("*")) == means[peer, measure], (label, peer)
        best = max if "higher is better" in label else min
        winner = best((ours, *shown.values()), key=lambda figure: float(figure.strip("*")))
        assert [figure for figure in (ours, *theirs) if "*" in figure] == [winner], label


def test_what_was_asked_was_met_or_not_as_the_pages_say() -> None:
    _, *rows = table_below("What was asked of it", TEXT)
    for asked, met, link in rows:
        name = link.removesuffix(".md)").rpartition("/")[2]
        found = {row[0]: row[2].strip("*") for row in table_below("## What has to be shown", page(name))[1:]}
        assert found.get(asked) == met, f"benchmarks/{name}.md says otherwise: {asked}"


def test_the_comparisons_of_uplift_are_those_of_the_page() -> None:
    _, *rows = table_below("## What has to be shown", page("uplift"))
    n_shown = sum(row[-1] == "yes" for row in rows)
    assert f"in {n_shown} of {len(rows)} comparisons" in TEXT


# --- what is run -----------------------------------------------------------------------------------------------------


def shell(folder: Path, words: list[str]) -> str:
    """What a command prints in ``folder``, by the ``cvm`` of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(words, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``cvm init`` and ``cvm run`` of the README have run, on an export with one faulty row."""
    folder = tmp_path_factory.mktemp("shop")
    rows = shop.purchases(n_customers=200).rename(columns={"customer_id": "client", "occurred_at": "day", "amount": "total"})
    rows.to_csv(folder / "orders.csv", index=False)
    with (folder / "orders.csv").open("a", encoding="utf-8") as file:
        file.write("c00001,soon,5\n")
    init, run = [words for words in commands() if words[0] == "cvm" and words[1] != "serve"]
    assert "Next: cvm run" in shell(folder, init)
    assert "outputs/report.html" in shell(folder, run)
    return folder


@pytest.fixture(scope="module")
def server(workspace: Path) -> Iterator[int]:
    """The port at which ``cvm serve`` of the README answers."""
    (words,) = [words for words in commands() if words[:2] == ["cvm", "serve"]]
    port = free_port()
    assert words[2:] == ["--port", "5001"]
    command = [sys.executable, "-m", *words[:2], "--port", str(port), "--params", str(workspace / "params.yaml")]
    with running(command, port=port, log=workspace / "serve.log", ping="/ping"):
        yield port


@pytest.mark.slow
def test_a_run_leaves_what_is_said(workspace: Path) -> None:
    paths = [text for text in INLINE if re.fullmatch(r"(outputs|models|mlruns)/[\w./]*", text)]
    assert len(paths) > 8
    assert [path for path in paths if not (workspace / path).exists()] == []


@pytest.mark.slow
def test_the_python_blocks_run_one_after_the_other(workspace: Path) -> None:
    script = "\n".join(text for language, text in BLOCKS if language == "python")
    script += "\nassert len(scores) == len(served) == len(features) == len(base.scores)\n"
    shell(workspace, [sys.executable, "-W", "error::FutureWarning", "-c", script])


OF_OTHER_PAGES = [
    block
    for block in blocks("python", "py")
    if block.page not in {ROOT / "README.md", ROOT / "docs" / "api.md"} and not block.free_names
]


def test_other_pages_have_complete_blocks() -> None:
    assert OF_OTHER_PAGES


@pytest.mark.slow
@pytest.mark.parametrize("block", OF_OTHER_PAGES, ids=str)
def test_complete_blocks_of_other_pages_run_where_a_run_was(workspace: Path, block: Block) -> None:
    shell(workspace, [sys.executable, "-c", block.code])


@pytest.mark.slow
def test_the_line_of_curl_is_answered(server: int, workspace: Path) -> None:
    (words,) = [words for words in commands() if words[0] == "curl"]
    answer = shell(workspace, [word.replace(":5001/", f":{server}/") for word in words])
    (row,) = predictions((200, answer.encode()))
    assert row["customer_id"] == "c1"
    assert 0 < row["p_churn"] < 1
