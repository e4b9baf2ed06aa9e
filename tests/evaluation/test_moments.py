import numpy as np
import pytest

from cvm.evaluation import Moments


@pytest.fixture
def values() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.gamma(2, 10, 500)
    return {"x": x, "y": 0.5 * x + rng.normal(0, 3, 500), "constant": np.full(500, 7.3)}


def test_without_weights_they_are_the_sample_mean_and_its_covariance(values):
    found = Moments.from_values(values)
    table = np.column_stack(list(values.values()))
    assert found.mean == pytest.approx(table.mean(axis=0))
    assert found.covariance == pytest.approx(np.cov(table.T) / 500, abs=1e-12)


def test_equal_weights_change_nothing(values):
    plain, weighted = Moments.from_values(values), Moments.from_values(values, weights=np.full(500, 4.0))
    assert weighted.mean == pytest.approx(plain.mean)
    assert weighted.covariance == pytest.approx(plain.covariance, abs=1e-12)


def test_weights_recover_the_mean_of_all_from_an_uneven_draw():
    rng = np.random.default_rng(5)
    x = rng.gamma(2, 10, 200_000)
    propensity = np.clip(x / 60, 0.1, 0.9)
    drawn = rng.random(len(x)) < propensity
    found = Moments.from_values({"x": x[drawn]}, weights=1 / propensity[drawn])
    assert x[drawn].mean() > 1.2 * x.mean()
    assert abs(found.mean[0] - x.mean()) < 3 * found.covariance[0, 0] ** 0.5


def test_a_constant_does_not_vary_however_it_is_rounded(values):
    assert Moments.from_values(values).varying(["x", "constant"]) == ("x",)


def test_some_of_them_in_another_order(values):
    found = Moments.from_values(values)
    assert found.of("y", "x").covariance[0, 1] == found.covariance[0, 1]
    assert found.of("y", "x").mean[0] == found.mean[1]
