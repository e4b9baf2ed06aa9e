"""The accuracy benchmark runs, and its figures are what they say."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from contest.bases import BASES, CASES, Case, chosen_cases
from contest.forecasts import Forecast, UnavailableError, read_forecasts, write_forecasts
from contest.measure import CHURN, measure, noise_floor
from contest.ours import OURS
from contest.peers import PEERS
from contest.report import report
from contest.run import Outcome, Settings, from_json, run_case, to_json
from contest.scored import Scored, interval_figures, score_case
from contest.snapshots import build_base, read_contest
from contest.verdict import verdict
from cvm.evaluation import area_under_roc, calibration_error, decile_error

TINY = next(case for case in CASES if case.base == "tiny")


@pytest.fixture(scope="module")
def money():
    rng = np.random.default_rng(1)
    predicted = rng.gamma(1.0, 10.0, 3000)
    revenue = np.where(rng.random(3000) < 0.3, predicted * rng.gamma(2.0, 0.5, 3000) / 0.3, 0.0)
    return revenue, predicted


@pytest.mark.parametrize("base", [name for name in BASES if name != "tiny"])
def test_windows_for_choosing_settings_end_before_the_first_test_begins_where_a_base_has_more_than_a_month(base):
    tests = [case for case in CASES if case.base == base and case.role == "test"]
    devs = [case for case in CASES if case.base == base and case.role == "dev"]
    if base != "starbucks":
        assert all(dev.window_end <= min(test.as_of for test in tests) for dev in devs if tests)
    assert all(dev.as_of < test.as_of for dev in devs for test in tests)


@pytest.mark.parametrize("base", ["cdnow", "complete-journey", "online-retail", "starbucks", "simulated-1"])
def test_every_base_with_history_is_judged_on_three_snapshots(base):
    assert len({case.as_of for case in CASES if case.base == base and case.role == "test"}) >= 3


@pytest.mark.parametrize(
    ("base", "as_of", "horizon_days", "broken"),
    [
        ("cdnow", date(1997, 10, 1), 91, True),
        ("cdnow", date(1998, 1, 1), 181, False),
        ("online-retail", date(2011, 9, 10), 90, True),
        ("starbucks", date(2018, 8, 20), 7, False),
        ("simulated-1", date(2025, 7, 4), 181, False),
    ],
)
def test_a_season_break_is_told_from_the_calendar(base, as_of, horizon_days, broken):
    assert bool(Case(base, as_of, horizon_days, "test").season_break) is broken


def test_the_tiny_base_is_run_only_when_named():
    assert TINY not in chosen_cases("dev", [])
    assert chosen_cases("dev", ["tiny"]) == [TINY]


def test_cases_are_chosen_by_the_beginning_of_their_name():
    assert [case.name for case in chosen_cases("test", ["cdnow_1998-01-01_181d"])] == ["cdnow_1998-01-01_181d"]
    assert {case.base for case in chosen_cases("test", ["simulated"])} == {"simulated-1", "simulated-2", "simulated-3"}


def test_the_area_under_the_curve_is_that_of_the_product(money):
    revenue, predicted = money
    churned, p = (revenue == 0).astype(float), np.round(np.exp(-predicted / 10), 2)
    assert CHURN["auc"](churned, p) == pytest.approx(area_under_roc(churned, p))


def test_noise_floor_is_what_a_perfect_forecast_scores(money):
    revenue, predicted = money
    rng = np.random.default_rng(2)
    shape = rng.gamma(2.0, 0.5, (200, len(predicted)))
    found = [
        decile_error(np.where(rng.random(len(predicted)) < 0.3, predicted * draw / 0.3, 0.0), predicted) for draw in shape
    ]
    assert noise_floor(revenue, predicted) / revenue.mean() == pytest.approx(np.mean(found), rel=0.15)


def test_noise_floor_is_below_the_error_of_a_wrong_forecast(money):
    revenue, predicted = money
    assert noise_floor(revenue, 2 * predicted) < calibration_error(revenue, 2 * predicted) / 5


def test_a_better_forecast_wins_beyond_its_interval(money):
    revenue, predicted = money
    noisy = predicted * np.random.default_rng(3).gamma(1.0, 1.0, len(predicted))
    found = measure(
        revenue, (revenue == 0).astype(float), {OURS: Forecast(predicted), "noisy": Forecast(noisy)}, n_resamples=50
    )
    assert found["noisy"].differences["ngini"].low > 0
    assert found["noisy"].differences["deviance"].high < 0
    assert found[OURS].differences == {}


def test_intervals_that_follow_the_customer_beat_one_band(money):
    revenue, predicted = money
    bounds = (np.zeros_like(predicted), 8 * predicted)
    found = interval_figures(revenue, Scored(Forecast(predicted), *bounds, tier=np.repeat(["top", "low"], 1500)))
    assert found.coverage == pytest.approx(np.mean(revenue <= 8 * predicted))
    assert found.score < found.global_score
    assert set(found.by_tier) == {"top", "low"}


def test_kept_forecasts_come_back_as_they_were(tmp_path):
    given = {"a": Forecast(np.array([1.0, 2.0]), None, "penalty 0.1"), "b": Forecast(p_churn=np.array([0.1, 0.2]))}
    write_forecasts(tmp_path / "kept.parquet", given, {"c": "not installed"})
    found, missing = read_forecasts(tmp_path / "kept.parquet")
    assert missing == {"c": "not installed"}
    assert found["a"].revenue.tolist() == [1.0, 2.0]
    assert found["a"].p_churn is None
    assert (found["a"].note, found["b"].p_churn.tolist()) == ("penalty 0.1", [0.1, 0.2])


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> Outcome:
    work = tmp_path_factory.mktemp("contest")
    build_base(TINY.base, work, None)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(PEERS):
            if name not in ("lifetimes BG/NBD", "LightGBM hurdle + BTYD, 4 snapshots"):
                patch.delitem(PEERS, name)
        patch.setitem(PEERS, "absent", _absent)
        return run_case(TINY, Settings(work, n_resamples=2, with_scores=False))


def _absent(_):
    raise UnavailableError("it is not installed")


def test_everybody_is_measured_on_the_same_case(outcome):
    assert {OURS, "naive rate", "lifetimes BG/NBD", "LightGBM hurdle + BTYD, 4 snapshots"} <= set(outcome.measured)
    assert outcome.missing == {"absent": "it is not installed"}
    assert 0.5 < outcome.measured[OURS].metrics["ratio"] < 2.0
    assert all(np.isfinite(list(found.metrics.values())).all() for found in outcome.measured.values())


def test_the_report_opens_with_what_has_to_be_shown(outcome):
    text = report([outcome], how="a test")
    assert text.index("What has to be shown") < text.index("## Cases")
    assert "| lifetimes BG/NBD |" in text
    assert {line.met for line in verdict([outcome])} <= {True, False, None}


def test_figures_come_back_from_json_as_they_were(outcome):
    assert from_json(to_json([outcome])) == [outcome]


@pytest.mark.slow
def test_the_product_is_scored_as_if_the_snapshot_were_today(tmp_path):
    build_base(TINY.base, tmp_path, None)
    customers = read_contest(TINY, tmp_path).test.features["customer_id"]
    scored = score_case(TINY, tmp_path, customers)
    assert len(scored.forecast.revenue) == len(customers)
    assert np.isfinite(scored.forecast.revenue).all()
    assert np.isfinite(scored.forecast.p_churn).all()
