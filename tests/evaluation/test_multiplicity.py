import numpy as np
import pytest
from scipy import stats

from cvm.evaluation import false_discovery_rates, sample_ratio_test


def test_rates_are_those_of_scipy():
    p_values = np.random.default_rng(1).random(20) ** 2
    assert false_discovery_rates(p_values) == pytest.approx(stats.false_discovery_control(p_values))


def test_what_was_not_tested_counts_for_nothing():
    found = false_discovery_rates(np.array([0.01, np.nan, 0.04]))
    assert found[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(found[1])


def test_no_tests_at_all():
    assert len(false_discovery_rates(np.array([]))) == 0


def test_the_sample_ratio_of_hillstrom():
    """Source: the arms' published sizes, drawn by thirds."""
    statistic, p_value = sample_ratio_test(np.array([21_306.0, 21_307, 21_387]), np.ones(3))
    assert (statistic, p_value) == pytest.approx((0.2025, 0.9037), abs=5e-5)


def test_sample_ratios_of_independent_draws_alarm_as_often_as_they_say():
    counts = np.random.default_rng(4).multinomial(10_000, [0.1, 0.3, 0.6], size=2_000)
    p_values = np.array([sample_ratio_test(row.astype(float), np.array([1.0, 3, 6]))[1] for row in counts])
    assert stats.kstest(p_values, "uniform").pvalue > 0.01
