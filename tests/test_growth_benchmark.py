"""The benchmark of growth: its bases are what they say, and so is its page."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import costs
import growth
from costs import Cost, cost_of
from growth import Row, exponent, report, rows
from purchase_bases import model
from purchases import PER_CUSTOMER, write_purchases
from stage_costs import ONE_DATE, line, projected_core_hours, steps


def row(part: str, what: str, millions: float, cpu_s: float) -> Row:
    return Row(part, what, millions, wall_s=cpu_s / 2, cpu_s=cpu_s, peak_gib=1.0, load=0.0)


def test_a_base_has_ten_purchases_per_customer_and_is_the_same_every_time(tmp_path):
    n_rows = write_purchases(tmp_path / "a.parquet", n_customers=20_000)
    write_purchases(tmp_path / "b.parquet", n_customers=20_000)
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.equals(pq.read_table(tmp_path / "b.parquet"))
    assert len(table["customer_id"].unique()) == 20_000
    assert n_rows == table.num_rows == pytest.approx(20_000 * PER_CUSTOMER, rel=0.03)


def test_the_exponent_is_that_of_the_processor_seconds():
    assert exponent([row("features", "cvm", n, 3 * n**1.05) for n in (0.1, 0.3, 1)]) == pytest.approx(1.05)
    assert np.isnan(exponent([row("features", "cvm", 1, 3.0)]))


def test_the_page_tells_ratios_and_exponents_of_what_was_measured():
    rows = [row("score", "cvm", 1, 40.0), row("score", "cvm", 0.1, 4.0)]
    page = report([*rows, row("peer", "cvm", 0.5, 5.0), row("peer", "lifetimes", 0.5, 20.0)])
    assert "lifetimes takes 4.0 times the wall, 4.0 times the CPU seconds of our features" in " ".join(page.split())
    assert "`score` grow with customers to the power of 1.00" in page
    assert "`features` grow" not in page
    assert "| score | cvm | 1,000,000 | 10,000,000 | 20.0 | 40.0 | 1.00 | 0.0 |" in page


def test_a_measurement_on_file_is_not_made_again(tmp_path, monkeypatch):
    asked = []

    def measured(folder, engine, step, *, millions):
        asked.append((engine, step, millions))
        return Cost(1.0, 2.0, 0.5)

    monkeypatch.setattr(growth, "step_cost", measured)
    wanted = {"parts": ["stages"], "engines": ["duckdb"]}
    first = rows(tmp_path, millions=[0.1], **wanted)
    assert asked == [("duckdb", step, 0.1) for step in steps("duckdb")]
    assert rows(tmp_path, millions=[0.1, 0.2], **wanted)[: len(first)] == first
    assert asked[len(first) :] == [("duckdb", step, 0.2) for step in steps("duckdb")]


def test_the_steps_are_those_of_the_engine_and_have_a_table_of_its_own():
    assert "segment" in steps("duckdb")
    assert "segment" not in steps("spark")
    assert steps("spark").index(ONE_DATE) + 1 == steps("spark").index("features")
    page = report([row("stages", "spark: score", 0.2, 8.0), row("stages", "spark: score", 0.1, 4.0)])
    assert page.index("| score | 100,000 | 1,000,000 | 2.0 |") < page.index("| score | 200,000 | 2,000,000 | 4.0 |")
    assert "## Steps of the loop, spark" in page
    assert "## Steps of the loop, duckdb" not in page


def test_where_it_leads_is_told_of_spark_alone():
    for engine, last in (("spark", " 14.4 | 36.0 | 0.0 |"), ("duckdb", " 14.4 | 36.0 |")):
        page = report([row("stages", f"{engine}: train", 0.1, 18.0), row("stages", f"{engine}: train", 0.2, 21.6)])
        assert f"| train |{last}\n" in page
        assert ("100 M customers" in page) == ("where it leads" in page) == (engine == "spark")


def test_what_is_projected_goes_on_by_rows_or_by_customers_or_stays():
    seconds = {0.1: 12.0, 0.2: 14.0}  # 10 s, and 20 s per million
    assert line(seconds) == pytest.approx((10, 20))
    assert line({0.5: 5.0}) == (0.0, 10.0)
    found = [projected_core_hours(step, seconds) for step in ("ingest", "score", "train")]
    assert found == pytest.approx([(10 + 20 * 1000) / 3600, (10 + 20 * 100) / 3600, 14 / 3600])


@pytest.mark.skipif(sys.platform != "linux", reason="processes of others are counted on Linux alone")
def test_the_cost_is_that_of_all_processes():
    child = "import sys; x = b'x' * 3 * 10**8; print(len(x), flush=True); sys.stdin.read()"
    code = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
time.sleep(1.2)
child.kill()  # and nobody waits for it, so that the system does not count it
"""
    found = cost_of(["-W", "ignore", "-c", code])
    assert found.peak_gib > 0.28
    assert 1.2 < found.wall_s < 10


@pytest.mark.skipif(sys.platform != "linux", reason="processes of others are counted on Linux alone")
def test_memory_of_who_measures_is_not_that_of_the_command():
    held = b"x" * 4 * 10**8
    found = cost_of(["-c", "import time; time.sleep(0.6)"])
    assert len(held) / 2**30 > 0.3 > found.peak_gib > 0


@pytest.mark.skipif(sys.platform != "linux", reason="processes of others are counted on Linux alone")
def test_a_number_given_again_is_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "_PROC", tmp_path)
    family = costs._Family(5)
    (tmp_path / "7").mkdir()
    for started, ticks in ((100, 40), (100, 50), (200, 30)):
        fields = ["S", "1", "5", "5", *["0"] * 7, ticks, "0", *["0"] * 6, started, "0", "1"]
        (tmp_path / "7" / "stat").write_text(f"7 (a) b) {' '.join(map(str, fields))}", encoding="utf-8")
        family.look()
    assert family.cpu_s * costs._TICKS == pytest.approx(80)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells whether a process runs")
def test_an_interrupt_ends_all_processes(tmp_path, monkeypatch):
    told = tmp_path / "child"
    code = (
        "import pathlib, subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"path = pathlib.Path({str(told)!r}); path.with_suffix('.part').write_text(str(child.pid));"
        "path.with_suffix('.part').rename(path); child.wait()"
    )

    def interrupted(*_):
        while not told.exists():
            time.sleep(0.01)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(costs.os, "wait4", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cost_of(["-c", code])
    stat = Path("/proc", told.read_text(encoding="utf-8"), "stat")
    ended = time.monotonic() + 20
    while stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < ended
        time.sleep(0.01)


def test_a_command_that_fails_ends_the_measurement():
    with pytest.raises(SystemExit, match="failed"):
        cost_of(["-c", "raise SystemExit(3)"])


@pytest.mark.slow
def test_boosters_win_where_customers_are_as_people_are(tmp_path):
    assert (model(tmp_path, n_customers=2_500) / "bundle.json").is_file()
