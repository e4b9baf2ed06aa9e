"""``cvm power`` from the command line, on a warehouse and without one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shop
from cvm.params import load_params
from cvm.stages.context import workspace_of

CDNOW = "data: {dataset: cdnow}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text(CDNOW, encoding="utf-8")
    return tmp_path


def test_a_size_is_planned_from_the_history(shop_folder: Path) -> None:
    assert shop.cvm(shop_folder, "ingest", "--quiet").code == 0
    done = shop.cvm(shop_folder, "power", "--outcome", "revenue", "--effect", "20%", "--figure", "curve.png")
    assert (done.code, done.err) == (0, "")
    assert "Without the campaign: revenue of " in done.out
    assert "from the last 4 windows of 30 days" in done.out
    assert "; curve in curve.png (" in done.out
    assert "cost if that effect is real, USD" in done.out
    assert (shop_folder / "curve.png").stat().st_size > 1000
    again = shop.cvm(shop_folder, "power", "--days", "60", "--set", "campaigns.control_share=0.25")
    assert "held out (25%)" in again.out
    assert "windows of 60 days" in again.out


def test_a_size_is_planned_from_what_is_given(folder: Path) -> None:
    done = shop.cvm(folder, "power", "--mean", "0.05", "--effect", "0.005")
    assert (done.code, done.err) == (0, "")
    assert "80% need 167,260 customers, 10% of them held out." in done.out
    assert "outputs" not in {path.name for path in folder.iterdir()}


def test_arms_and_segments_are_told_apart(shop_folder: Path) -> None:
    assert shop.cvm(shop_folder, "ingest", "--quiet").code == 0
    done = shop.cvm(shop_folder, "power", "--shares", "control=0.2,letter=0.5,call=0.3", "--effect", "20%")
    assert (done.code, done.err) == (0, "")
    assert "Each treatment against 20% held out" in done.out
    assert "Treatments differ in size: what is said of the whole campaign" in done.out
    unknown = shop.cvm(shop_folder, "power", "--segment-by", "value_tier")
    assert unknown.code == 1
    assert "a column 'value_tier'" in unknown.err


def test_segments_are_those_of_the_latest_scores(shop_folder: Path) -> None:
    assert shop.cvm(shop_folder, "ingest", "--quiet").code == 0
    params = load_params(shop_folder / "params.yaml")
    for day, tiers in ((date(2024, 1, 1), ["former"]), (date(2024, 5, 1), ["top", "low"])):
        path = workspace_of(params).scores_of(day)
        path.parent.mkdir(parents=True)
        ids = [f"c{number:05d}" for number in range(400)]
        pq.write_table(pa.table({"customer_id": ids, "value_tier": (tiers * 400)[:400]}), path)
    done = shop.cvm(shop_folder, "power", "--segment-by", "value_tier", "--outcome", "orders")
    assert (done.code, done.err) == (0, "")
    assert "Each value_tier by itself, 10% held out" in done.out
    assert "former" not in done.out
    assert done.out.count(" low ") == done.out.count(" top ") == 1
    assert "look better here than they will be" in done.out


def test_quiet_prints_notes_alone(folder: Path) -> None:
    done = shop.cvm(folder, "power", "--mean", "0.05", "--effect", "0.005", "--treatments", "2", "-q")
    (line,) = done.out.splitlines()
    assert line.startswith("power     note: 2 treatments, each tested at 2.50%")


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ([], "warehouse.duckdb does not exist yet. Run `cvm ingest` first"),
        (["--outcome", "clicks"], "The outcome 'clicks' is unknown; choose one of ['conversion', 'orders', 'revenue']."),
        (["--holdout", "0"], "The share held out == 0, must be above 0 and below 1."),
        (["--holdout", "1"], "The share held out == 1, must be above 0 and below 1."),
        (["--mean", "0.05", "--effect=-1%"], "The effect == -0.0005, must be above 0"),
        (["--mean", "0.05", "--effect", "x"], "The effect 'x' is no number"),
        (["--mean", "0.05", "--size", "5"], "Of 5 customers the smallest arm gets 0.5, must be at least 2"),
        (["--mean", "0.05"], "Neither the size of the campaign nor an effect is known"),
        (["--mean", "5", "--outcome", "revenue"], "--mean 5 is given without --sd"),
        (["--mean", "0.05", "--size", "900", "--figure", "a.bmp"], "The figure a.bmp must end in one of .png, .svg, .pdf"),
        (["--mean", "1e-300", "--size", "9"], "The mean conversion == 1e-300, must be from 1e-09 to 1e+15"),
        (["--shares", "letter=1"], "one must be called 'control'"),
        (["--shares", "control=0.5,mail=0.5", "--holdout", "0.5"], "--shares says all arms already"),
        (["--mean", "0.05", "--segment-by", "value_tier"], "--segment-by needs the history of each segment"),
        (["--set", "campaigns.control_share=1"], "campaigns.control_share: 1: input should be less than 1"),
        (["--set", "campaigns.global_holdout.share=0.05"], "campaigns.global_holdout: starts_on is missing"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_words(folder: Path, arguments: list[str], cause: str) -> None:
    done = shop.cvm(folder, "power", *arguments)
    assert done.code == 1
    assert cause in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "arguments", [["--size", "0"], ["--size", "99999999999"], ["--days", "0"], ["--treatments", "0"], ["--size", "x"]]
)
def test_a_number_that_is_none_is_wrong_usage(folder: Path, arguments: list[str]) -> None:
    done = shop.cvm(folder, "power", *arguments)
    assert done.code == 2
    assert f"Invalid value for '{arguments[0]}'" in done.err
