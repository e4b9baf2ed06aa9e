"""The public names: few, lazy, documented, typed; and the page that shows them runs."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cvm
from cvm.errors import CvmError, ParamsError
from cvm.pipeline import Outcomes
from cvm.stages.context import StageOutcome
from simulated import bundle

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"


def test_the_names_are_few_and_the_same_wherever_they_are_listed() -> None:
    assert len(cvm.__all__) <= 12
    assert list(cvm._HOMES) == sorted(cvm.__all__) == cvm.__all__
    assert dir(cvm) == sorted([*cvm.__all__, "__version__"])
    page = PAGE.read_text(encoding="utf-8")
    for name in cvm.__all__:
        assert name in (cvm.__doc__ or "")
        assert f"`{name}`" in page


@pytest.mark.parametrize("name", cvm.__all__)
def test_a_name_says_what_it_is_and_shows_it(name: str) -> None:
    found = getattr(cvm, name)
    text = inspect.getdoc(found) or ""
    assert found.__module__ == cvm._HOMES[name]
    if not (inspect.isclass(found) and issubclass(found, Exception)):
        assert "Examples\n--------\n" in text
        assert ">>> " in text
        assert "Raises\n------\n" in text or "Attributes\n----------\n" in text


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(AttributeError, match=r"module 'cvm' has no attribute 'rfm'; its public names are \['BuyTillYouDie'"):
        cvm.rfm  # noqa: B018 - the access is what is tested


def test_paths_may_be_text(tmp_path: Path) -> None:
    with pytest.raises(CvmError, match="holds no complete bundle"):
        cvm.read_bundle(str(tmp_path))
    with pytest.raises(ParamsError, match="cannot be read: No such file"):
        cvm.load_params(str(tmp_path / "params.yaml"))


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(CvmError, match=r"folder is of type int; pass the path of a bundle, such as 'models/champion'"):
        cvm.read_bundle(3)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(
        ParamsError, match=r"source is of type int; pass the path of params.yaml, or a mapping of its sections"
    ):
        cvm.load_params(3)  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize("ask", [cvm.run, cvm.summarise, cvm.plan_campaign, cvm.evaluate_campaign])
def test_what_are_no_params_is_refused(ask) -> None:
    with pytest.raises(ParamsError, match=r"params is of type str; pass cvm.load_params\('params.yaml'\)"):
        ask("params.yaml")


def test_params_may_be_a_mapping_which_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sections = {"data": {"dataset": "cdnow"}, "windows": {"horizon_days": 60}}
    params = cvm.load_params(sections, overrides=["windows.horizon_days=90"])
    assert (params.windows.horizon_days, params.resolve("outputs")) == (90, tmp_path / "outputs")
    assert sections["windows"] == {"horizon_days": 60}
    with pytest.raises(
        ParamsError, match=r"The mapping has 1 problem:\n  - windows.horizon: unknown key; did you mean 'hor"
    ):
        cvm.load_params({**sections, "windows": {"horizon": 1}})


def test_what_a_run_came_to_is_readable_as_text_and_in_a_notebook() -> None:
    outcomes = Outcomes([StageOutcome("ingest", "2 rows <kept>", ("1 rejected",)), StageOutcome("kpis", "done")])
    assert repr(outcomes) == "ingest  2 rows <kept>\n        - 1 rejected\nkpis    done"
    html = outcomes._repr_html_()
    assert "2 rows &lt;kept&gt;" in html
    assert "1 rejected" in html
    assert outcomes[1].stage == "kpis"


def test_a_bundle_is_shown_in_a_line() -> None:
    found = bundle()
    assert repr(found) == (
        f"<Bundle {found.model_version}, trained as of 2024-06-01: churn by BTYD, CLV by BTYD, BG/NBD x Gamma-Gamma; "
        "90 days ahead, CLV of 365 days>"
    )


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 10
    (tmp_path / "page.py").write_text("\n".join(blocks), encoding="utf-8")
    settings = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600, env=settings
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.findall(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert len(shown) >= 3
    assert [block for block in shown if block not in done.stdout] == []
    for said in (
        "<CrossValidation of 2,000 customers",
        "<PlanSummary spring",
        "letter is inconclusive",
        "X lacks the columns",
    ):
        assert said in done.stdout


@pytest.mark.slow
def test_a_type_checker_knows_what_comes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "tests/typed/frames.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
