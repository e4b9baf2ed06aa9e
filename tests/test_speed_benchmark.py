"""The benchmark of speed: what it times, what it keeps, and what its page says of who is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from cvm.models.btyd.distinct import distinct
from speed_parts.cold import Limits, measured, read_found, write_found
from speed_parts.contenders import Contender, Found, Part, Seconds
from speed_parts.histories import BG_NBD, read_histories, read_spend
from speed_parts.page import page
from speed_parts.parts import PARTS, part_named
from speed_parts.required import lines

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "speed.py"
BTYD = part_named("btyd")
SIZES = {name: list(part_named(name).sizes) for name in PARTS}


def found(processor: float, clock: float = 1.0, **facts: float) -> Found:
    return Found((Seconds(processor, clock),), 0.5, facts)


def fit(n: int, who: str, processor: float, model: str = "BG/NBD") -> dict[tuple[str, int, str, str], Found]:
    return {("btyd", n, f"{model}, fit", who): found(processor, **{"log-likelihood": -100.0, "distinct": n / 2})}


def test_every_work_begins_with_ours_and_names_each_contender_once():
    for part in map(part_named, PARTS):
        names = [(one.work, one.who) for one in part.contenders]
        assert len(set(names)) == len(names)
        first = {}
        for work, who in names:
            first.setdefault(work, who)
        assert set(first.values()) == {"cvm"}


def test_sizes_are_scaled_each_once():
    assert BTYD.sizes_at(1.0, least=1_000) == [10_000, 100_000, 1_000_000, 10_000_000]
    assert BTYD.sizes_at(0.001, least=1_000) == [1_000, 10_000]


def test_the_median_of_runs_counts():
    some = Found((Seconds(1.0, 9.0), Seconds(5.0, 2.0), Seconds(3.0, 4.0)))
    assert (some.processor, some.clock) == (3.0, 4.0)


def test_measurements_come_back_as_they_were(tmp_path):
    given = Found((Seconds(1.0, 2.0), Seconds(3.0, 4.0)), 1.5, {"distinct": 7.0})
    write_found(tmp_path / "deep" / "found.json", given)
    assert read_found(tmp_path / "deep" / "found.json") == given


@pytest.mark.parametrize(("clock", "met"), [(9.0, True), (7.0, False)])
def test_a_requirement_is_met_by_the_clock_and_told_with_the_processor(clock, met):
    theirs = {("btyd", 1_000_000, "BG/NBD, fit", "lifetimes, as called"): found(15.0, clock, **{"log-likelihood": -100.0})}
    told = lines(fit(1_000_000, "cvm", 3.0) | theirs, SIZES)
    line = next(
        one for one in told if "BG/NBD of 1,000,000 customers at least 8 times faster than lifetimes" in one.required
    )
    assert line.shown == f"{clock:.1f} times by the clock, 5.0 by the processor"
    assert line.met is met


def test_time_per_triple_may_not_grow():
    within = fit(1_000_000, "cvm, groups given", 0.5) | fit(10_000_000, "cvm, groups given", 5.0)
    beyond = fit(1_000_000, "cvm, groups given", 0.5) | fit(10_000_000, "cvm, groups given", 6.0)
    assert [_per_triple(one) for one in (within, beyond, {})] == [True, False, None]


def _per_triple(measurements):
    return next(one.met for one in lines(measurements, SIZES) if "triple" in one.required)


def test_nothing_is_required_of_other_sizes():
    told = lines(fit(10_000, "cvm", 0.5) | fit(10_000, "lifetimes, as called", 0.5), {"btyd": [1_000, 10_000, 10_000]})
    assert {one.met for one in told} == {None}


def test_who_cannot_run_is_listed_with_the_reason():
    part = Part("Title", "About.", (10,), lambda _folder, _n: None, (_contender("cvm"), _contender("peer", "not_there")))
    assert [one.is_installed for one in part.contenders] == [True, False]
    figures = {("x", 10, "work", "cvm"): found(2.0), ("x", 10, "work", "peer"): Found(why_not="missing: not_there")}
    text = page({"x": part}, figures, {"x": [10]}, command="a test")
    assert "| work | 10 | cvm | 2.00 | 1.00 | 1.0 (1.0) | 1 | 0.5 |  |" in text
    assert "| work | 10 | peer | - | - | - | - | - | missing: not_there |" in text


def _contender(who: str, package: str = "cvm") -> Contender:
    return Contender("work", who, lambda _folder, _n: lambda: None, package)


def test_simulated_histories_are_those_of_the_process(tmp_path):
    x, t_x, T = read_histories(tmp_path, 20_000)
    assert ((t_x <= T) & ((t_x > 0) == (x > 0)) & (T >= 180) & (T < 720)).all()
    groups = distinct(x, t_x, T)
    fitted = type(BG_NBD).fit(*groups.columns, groups.weight)
    assert fitted.r == pytest.approx(BG_NBD.r, rel=0.1)
    orders, mean = read_spend(tmp_path, 20_000)
    assert len(orders) == (x > 0).sum()
    assert (mean > 0).all()
    np.testing.assert_allclose(orders * mean * 100, np.round(orders * mean * 100), atol=1e-6)


@pytest.mark.slow
def test_who_takes_too_long_or_fails_is_a_line_of_the_table(tmp_path):
    number = [one.who for one in BTYD.contenders].index("cvm")
    late = measured("btyd", number, 1_000, tmp_path, repeats=1, limits=Limits(seconds=0.01, gib=8.0))
    assert late.why_not == "more than 0 s"
    nobody = measured("btyd", number, 0, tmp_path, repeats=1, limits=Limits(seconds=120, gib=8.0))
    assert nobody.why_not.startswith("failed: ")


# One process for all: to start one for each takes far longer than what is timed.
EVERYBODY = """
import sys, warnings
from pathlib import Path
from speed_parts.cold import _main
from speed_parts.parts import part_named
warnings.simplefilter("ignore")
for number, one in enumerate(part_named("btyd").contenders):
    if one.is_installed:
        _main("btyd", str(number), "1000", sys.argv[1], str(Path(sys.argv[1], f"{number}.json")))
"""


@pytest.mark.slow
def test_every_fit_and_prediction_runs(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parent)}
    subprocess.run([sys.executable, "-c", EVERYBODY, str(tmp_path)], check=True, capture_output=True, env=environment)
    for number, contender in enumerate(BTYD.contenders):
        if contender.is_installed:
            told = read_found(tmp_path / f"{number}.json")
            assert (len(told.runs), told.why_not) == (1, "")
            assert np.isfinite(list(told.facts.values())).all()
            assert told.facts


@pytest.mark.slow
def test_the_benchmark_runs_and_goes_on_where_it_was(tmp_path):
    into = tmp_path / "speed.md"
    command = [
        *(sys.executable, str(SCRIPT), "--scale", "0.0001", "--repeats", "1", "--parts", "features", "evaluation"),
        *("--no-growth", "--work", str(tmp_path / "work"), "--into", str(into)),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    first = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    text = into.read_text(encoding="utf-8")
    for name in ("features", "evaluation"):
        assert f"## {part_named(name).title}" in text
        for contender in part_named(name).contenders:
            assert f"| {contender.work} | 1,000 | {contender.who} |" in text
            if not contender.is_installed:
                assert f"missing: {contender.package} is not installed" in text
    assert "failed" not in text
    assert (find_spec("pymc_marketing") is None) == ("pymc-marketing missing" in text)
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert again.stdout == first.stdout
