"""The report as people meet it: opened from disk in headless Chromium, by mouse, by keyboard, and as screen readers do."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

import report_files as files
import shop
from cvm.datasets import DATASETS, is_available, prepare
from cvm.datasets.simulate import simulate
from cvm.engines import DuckDBEngine, literal
from cvm.params import load_params
from cvm.pipeline import run
from cvm.reports.html.page import report_html
from cvm.reports.words import LANGUAGES, words
from cvm.stages.campaigns import evaluate_campaign
from cvm.stages.context import workspace_of
from cvm.stages.report import run_report
from untracked import without_figures, without_store

pytestmark = [pytest.mark.slow, pytest.mark.browser]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECTIONS = ("summary", "value_map", "segments", "cohorts", "churn", "value", "campaigns", "actions", "data", "card")
DESKTOP, PHONE = (1440, 900), (390, 844)
MOST_SECONDS = 30
# Of the trainings: what is looked at is their report.
QUICK = ("train.snapshots=1", "btyd.family=bg_nbd")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium; install the package chromium")
        pytest.skip("there is no Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cdnow")
    with without_figures():
        return _reported(shop.write_params(folder, data={"dataset": "cdnow"}))


@pytest.fixture(scope="session")
def complete_journey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = DATASETS["complete-journey"]
    if not is_available(data):
        pytest.skip("the files of Complete Journey are not at hand; set CVM_DATA_DIR")
    params = prepare(data, tmp_path_factory.mktemp("complete_journey")).params
    with DuckDBEngine() as engine:
        for path in (params.parent / "data").glob("*.parquet"):  # a quarter of its households
            file = literal(str(path))
            pq.write_table(engine.table(f"SELECT * FROM read_parquet({file}) WHERE md5(customer_id) < '4'"), path)
    with without_store():
        return _reported(params)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs at different dates, and three campaigns evaluated in between."""
    folder = tmp_path_factory.mktemp("simulated")
    done = simulate(folder, n_customers=4000, seed=103)
    params = load_params(done.params, overrides=QUICK)
    with without_store():
        run(load_params(done.params, overrides=[*QUICK, "windows.as_of=2025-10-01"]))
        run(params)
        for campaign in ("first_mail", "mail_or_letter", "voucher_letter"):
            evaluate_campaign(params, campaign)
        run_report(params)
    return workspace_of(params).report


@pytest.fixture(scope="session")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every section filled, hostile names among the data."""
    folder = tmp_path_factory.mktemp("by_hand")
    with DuckDBEngine() as engine:
        base = files.base(folder, engine)
        files.write_scores(base.workspace, files.AS_OF, files.score_rows())
        files.write_scores(base.workspace, files.PREVIOUS, files.score_rows(360, seed=4))
        files.fill(base.workspace)
        path = folder / "report.html"
        path.write_text(report_html(base, language="en"), encoding="utf-8")
    return path


BASES = ("by_hand", "cdnow", "complete_journey", "simulated")


def _reported(params_file: Path) -> Path:
    params = load_params(params_file, overrides=QUICK)
    run(params)
    return workspace_of(params).report


class Visit:
    """A page that notes every complaint of the browser and every request beyond the file."""

    def __init__(self, browser: Any, path: Path, *, size: tuple[int, int], theme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=theme)
        self.page = self.context.new_page()
        self.trouble: list[str] = []
        self.page.on("console", lambda message: self._note(message.type in ("error", "warning"), message.text))
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on(
            "request", lambda request: self._note(not request.url.startswith(("file:", "data:", "blob:")), request.url)
        )
        self.page.goto(path.as_uri())

    def _note(self, is_trouble: bool, text: str) -> None:
        if is_trouble:
            self.trouble.append(text)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *error: object) -> None:
        self.context.close()

    def draw_all(self) -> None:
        """Scroll past every figure, so that each is drawn."""
        for plot in self.page.locator("main .plot").all():
            plot.scroll_into_view_if_needed()
        self.page.wait_for_function("[...document.querySelectorAll('main .plot')].every((plot) => plot.dataset.drawn)")

    def shoot(self, name: str) -> None:
        """Whole page and each section, where somebody asked for pictures."""
        folder = os.environ.get("CVM_SCREENSHOTS")
        if folder:
            self.page.evaluate("window.scrollTo(0, 0)")
            self.page.screenshot(path=str(Path(folder) / f"{name}-top.png"))
            for key in SECTIONS:
                self.page.locator(f"#{key}").screenshot(path=str(Path(folder) / f"{name}-{key}.png"))


LOOKS = [(DESKTOP, "light"), (PHONE, "dark"), (DESKTOP, "dark"), (PHONE, "light")]
# Every base at both sizes and in both themes; all four looks of the one that fills every section.
SEEN = [(base, *look) for base in BASES for look in LOOKS[: 4 if base == "by_hand" else 2]]
AUDITED = [*((base, DESKTOP, "light") for base in BASES), ("by_hand", PHONE, "dark")]  # axe takes longer than all the rest


@pytest.mark.parametrize(("base", "size", "theme"), SEEN, ids=[f"{base}-{size[0]}-{theme}" for base, size, theme in SEEN])
def test_every_section_opens_without_complaint_fits_the_window_and_is_for_everybody(request, browser, base, size, theme):
    with Visit(browser, request.getfixturevalue(base), size=size, theme=theme) as visit:
        page = visit.page
        for key in SECTIONS:
            if size == PHONE:
                page.click("nav .menu")
            page.click(f'nav a[href="#{key}"]')
            page.wait_for_function(f"Math.abs(document.getElementById('{key}').getBoundingClientRect().top) < innerHeight")
        visit.draw_all()
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert page.locator("main .plot svg.main-svg").count() >= page.locator("main .plot").count() > 3
        visit.shoot(f"{base}-{theme}-{size[0]}")
        assert visit.trouble == []
        if (base, size, theme) in AUDITED:
            assert serious_faults(page) == []


def serious_faults(page: Any) -> list[tuple[str, str]]:
    """What axe finds where everything is unfolded."""
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
    found = Axe().run(page).response["violations"]
    return [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("base", BASES)
def test_tables_sort_and_filter(request, browser, base):
    with Visit(browser, request.getfixturevalue(base), size=DESKTOP) as visit:
        page = visit.page
        table = page.locator("#value_map > .table")
        header = table.locator("th.number").first
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == "descending"
        first = _numbers(table)
        assert first == sorted(first, reverse=True)
        header.locator("button").press("Enter")
        assert header.get_attribute("aria-sort") == "ascending"
        assert _numbers(table) == sorted(first)
        wanted = table.locator("tbody tr td").first.inner_text()
        table.locator("input").fill(wanted)
        assert table.locator("tbody tr:visible").count() >= 1
        assert table.locator("tbody tr:visible").count() < table.locator("tbody tr").count()
        assert re.fullmatch(r"\d+ / \d+", table.locator("output").inner_text())
        assert visit.trouble == []


def _numbers(table: Any) -> list[float]:
    column = table.locator("th").evaluate_all(
        "heads => heads.findIndex((head) => head.getAttribute('aria-sort') !== 'none')"
    )
    cells = table.locator(f"tbody tr td:nth-child({column + 1})")
    held = "cells => cells.map((cell) => (cell.dataset.v ? cell : cell.querySelector('[data-v]')).dataset.v)"
    return [float(value) for value in cells.evaluate_all(held)]


@pytest.mark.parametrize("base", ["by_hand", "simulated"])
def test_language_and_theme_switch_and_figures_follow(request, browser, base):
    with Visit(browser, request.getfixturevalue(base), size=DESKTOP) as visit:
        page = visit.page
        visit.draw_all()
        for language in (*LANGUAGES[1:], LANGUAGES[0]):
            page.click(f'button[data-language="{language}"]')
            assert page.evaluate("document.documentElement.lang") == language
            assert page.locator("h1").inner_text() == words(language)("page.title")
            assert page.title().startswith(words(language)("page.title"))
            visit.draw_all()
        colour = "getComputedStyle(document.querySelector('main .plot text')).fill"
        light = page.evaluate(colour)
        page.click("#theme")
        assert page.get_attribute("#theme", "aria-pressed") == "true"
        page.wait_for_function(f"{colour} !== '{light}'")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 31)"
        assert visit.trouble == []


def test_the_keyboard_alone_reaches_the_content(browser, by_hand):
    with Visit(browser, by_hand, size=DESKTOP) as visit:
        page = visit.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_print_shows_every_figure_on_white(browser, by_hand, tmp_path):
    with Visit(browser, by_hand, size=DESKTOP, theme="dark") as visit:
        page = visit.page
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        assert page.evaluate("[...document.querySelectorAll('main .plot')].every((plot) => plot.dataset.drawn)")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator("nav").is_visible()
        page.pdf(path=str(tmp_path / "report.pdf"))
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert visit.trouble == []


def test_hostile_names_run_nothing(browser, by_hand):
    with Visit(browser, by_hand, size=DESKTOP) as visit:
        visit.page.on("dialog", lambda dialog: visit.trouble.append(dialog.message))
        visit.draw_all()
        visit.page.click('button[data-language="ru"]')
        visit.draw_all()
        assert visit.page.locator("text=alert('x')").count() > 3
        assert visit.trouble == []


def test_hostile_long_and_like_names_stay_text_and_apart_and_leave_room(browser, tmp_path):
    names = ("big_spender", "big spender", "<a href='https://x.example'>win</a><b>b</b>", "n" * 200)
    with DuckDBEngine() as engine:
        base = files.base(tmp_path, engine)
        files.write_scores(base.workspace, files.AS_OF, files.score_rows(segments=names))
        path = tmp_path / "report.html"
        path.write_text(report_html(base, language="en"), encoding="utf-8")
    for size in (DESKTOP, PHONE):
        with Visit(browser, path, size=size) as visit:
            visit.draw_all()
            figure = visit.page.locator("#segments figure .plot").first
            ticks = figure.locator(".ytick text").all_text_contents()
            assert [tick for tick in ticks if tick.startswith("big")] in (list(names[1::-1]), list(names[:2]))
            assert any(tick.startswith("<a href") for tick in ticks)
            assert len(ticks) == len(names)
            assert visit.page.locator("svg a").count() == 0
            widest = max(tick.bounding_box()["width"] for tick in figure.locator(".ytick text").all())
            assert widest < figure.bounding_box()["width"] * 2 / 3
            assert visit.trouble == []


def test_a_run_names_the_report_and_keeps_it_with_the_model(cdnow):
    import time

    folder = cdnow.parents[1]
    params = load_params(folder / "params.yaml", overrides=QUICK)
    started = time.process_time()  # of the processor: the clock tells how busy the machine is, too
    outcome = run_report(params)
    assert time.process_time() - started < MOST_SECONDS
    assert str(cdnow) in outcome.message
    assert outcome.warnings == ()
    artifacts = {path.name for path in (folder / "mlruns").rglob("report/*")}
    assert artifacts == {"report.html", "model_card.md"}
    assert yaml.safe_load((folder / "params.yaml").read_text())["data"] == {"dataset": "cdnow"}
