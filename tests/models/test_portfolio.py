from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from cvm.models.btyd import Btyd
from cvm.models.portfolio import (
    PastWindow,
    past_windows,
    portfolio_interval,
    spread_between_windows,
    windows_covered,
)
from simulated import histories, sample

AS_OF = date(2024, 6, 1)


def past(*log_ratios: float, days: int = 90, step: int = 90, noise: float = 0.0) -> list[PastWindow]:
    first = date(2022, 1, 1)
    return [
        PastWindow(first + timedelta(days=number * step), days, log_ratio, noise)
        for number, log_ratio in enumerate(log_ratios)
    ]


def test_overlapping_windows_count_by_the_days_they_cover():
    assert windows_covered([]) == 0
    assert windows_covered(past(0.1, 0.1, step=90)) == pytest.approx(2.0)
    assert windows_covered(past(0.1, 0.1, 0.1, 0.1, step=30)) == pytest.approx(2.0)
    assert windows_covered(past(0.1, 0.1, step=0)) == pytest.approx(1.0)


def test_without_past_windows_the_spread_is_the_typical_one_and_more_where_season_is_unknown():
    known, unknown = (spread_between_windows([], knows_season=knows) for knows in (True, False))
    assert 0.1 < known < unknown < 0.3


def test_past_errors_widen_it_and_calm_windows_narrow_it_without_making_it_nothing():
    wild, none, calm = (
        spread_between_windows(windows, knows_season=True) for windows in (past(0.6, -0.5), [], past(*[0.0] * 8))
    )
    assert wild > 2 * none
    assert 0.3 * none < calm < 0.7 * none


def test_chance_among_few_customers_is_not_taken_for_a_difference_of_windows():
    chance = spread_between_windows(past(0.2, -0.2, noise=0.2), knows_season=True)
    assert chance < spread_between_windows([], knows_season=True)


def test_past_windows_are_sums_and_those_without_revenue_say_nothing():
    one = sample(n_customers=400, seed=5)
    expected = (one.features["btyd_expected_orders"] * one.features["btyd_expected_order_value"]).to_numpy()
    empty = replace(one, revenue=np.zeros(400))
    (found,) = past_windows([one, empty], [expected, expected], days=90)
    assert found.log_ratio == pytest.approx(np.log(one.revenue.sum() / expected.sum()))
    # The noise is what another draw of such customers would change.
    totals = [sample(n_customers=400, seed=seed).revenue.sum() for seed in range(40, 70)]
    assert found.noise == pytest.approx(np.std(np.log(totals)), rel=0.6)


@pytest.fixture(scope="module")
def base():
    features = histories(n_customers=3000, seed=61)
    return Btyd.fit(features), features


def interval(base, **changes):
    btyd, features = base
    given = {
        "past": past(0.05, -0.05),
        "knows_season": True,
        "horizon_days": 90,
        "lead_days": 0,
        "clv_days": 365,
        "as_of": AS_OF,
        **changes,
    }
    return portfolio_interval(btyd, features, **given)


def test_bounds_lie_on_both_sides_and_the_state_is_json(base):
    found = interval(base)
    for bounds in (found.clv, found.revenue):
        assert 0.5 < bounds.lower < 1 < bounds.upper < 2
        assert bounds.lower * bounds.upper == pytest.approx(1.0)
    assert json.loads(json.dumps(found.state()))["clv"]["lower"] == found.clv.lower
    assert interval(base) == found


def test_a_higher_level_is_wider(base):
    assert interval(base, level=0.99).clv.upper > interval(base).clv.upper


def test_what_cannot_be_foretold_is_within_a_factor_of_e(base):
    assert interval(base, past=past(4.0, -4.0)).clv.upper == pytest.approx(np.e)


@pytest.mark.slow
def test_it_holds_what_happens_where_windows_differ_as_they_did():
    # Levels of all windows, past and to come, are drawn alike; past ones are judged as the train stage does.
    rng, inside = np.random.default_rng(8), []
    for seed in range(40):
        features = histories(n_customers=2000, seed=700 + seed)
        btyd = Btyd.fit(features)
        errors = rng.normal(0, 0.2, 6)
        found = interval((btyd, features), past=past(*errors[:5]), knows_season=False, clv_days=90)
        said = btyd.predict(features, horizon_days=90)
        expected = (said["btyd_expected_orders"] * said["btyd_expected_order_value"]).sum()
        actual = features["revenue_in_window"].sum() * np.exp(errors[5])
        inside.append(found.revenue.lower * expected <= actual <= found.revenue.upper * expected)
    # Of 40 intervals of 90 %, 36 on average.
    assert sum(inside) >= 31
