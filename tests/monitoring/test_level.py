from datetime import date, timedelta

import numpy as np
import pytest

from cvm.monitoring.level import Month, signals

START = date(2024, 1, 1)


def months(misses, *, n_known=12, n_expected=4000.0) -> list[Month]:
    return [
        Month(
            START + timedelta(days=30 * i),
            START + timedelta(days=30 * (i + 1)),
            n_expected,
            round(n_expected * float(np.exp(miss))),
            is_known=i < n_known,
        )
        for i, miss in enumerate(misses)
    ]


def usual(rng, n, *, n_expected=4000.0, between=0.02):
    return np.log(rng.poisson(n_expected * np.exp(rng.normal(0, between, n))) / n_expected)


def test_a_fall_by_a_fifth_is_a_signal():
    rng = np.random.default_rng(1)
    misses = np.append(usual(rng, 12), usual(rng, 2) + np.log(0.8))
    one, two = signals(months(misses))
    assert one.change == pytest.approx(-0.2, abs=0.06)
    assert two.change == pytest.approx(-0.2, abs=0.06)
    assert max(one.p_value, two.p_value) < 0.002
    assert two.upper - two.lower < one.upper - one.lower
    assert (two.months[0].start, two.months[1].end) == (START + timedelta(days=360), START + timedelta(days=420))


def test_false_alarms_are_as_rare_as_said():
    rng = np.random.default_rng(2)
    alarms = sum(signals(months(usual(rng, 13)))[0].p_value < 0.01 for _ in range(2000))
    assert alarms <= 30  # 20 expected at most


def test_a_model_that_leans_is_measured_from_its_lean():
    misses = np.full(13, -0.15)
    (one, *_) = signals(months(misses))
    assert one.change == pytest.approx(0, abs=0.01)


def test_few_orders_leave_more_to_chance():
    rng = np.random.default_rng(3)
    few, many = (signals(months(usual(rng, 13, n_expected=n), n_expected=n))[0] for n in (50.0, 50_000.0))
    assert few.lower < 1.5 * many.lower


def test_too_few_known_months_say_nothing():
    assert signals(months(np.zeros(6), n_known=3)) == []
    assert signals(months(np.zeros(6), n_known=6)) == []
    assert signals([]) == []


def test_a_month_without_orders_is_a_miss_and_not_an_error():
    (one, *_) = signals([*months(np.zeros(12)), Month(START, START + timedelta(days=30), 4000.0, 0, is_known=False)])
    assert one.change == pytest.approx(-1, abs=0.01)
