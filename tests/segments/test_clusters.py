from __future__ import annotations

import numpy as np
import pytest

from cvm.segments.cluster_profiles import FEATURES, profiles
from cvm.segments.clusters import MIN_CUSTOMERS, Scaling, find_clusters


def blobs(n: int = 150, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.vstack([rng.normal(centre, 0.3, (n, 2)) for centre in ((0, 0), (5, 0), (0, 5))])


class TestFindClusters:
    def test_three_clouds_are_found_and_are_stable(self):
        found = find_clusters(blobs(), k=3, seed=7)
        assert found.is_stable
        assert found.chosen.stability == pytest.approx(1.0, abs=0.02)
        assert [set(part.tolist()) for part in np.split(found.labels, 3)] == [{label} for label in found.labels[::150]]
        assert len(set(found.labels.tolist())) == 3

    def test_the_same_seed_gives_the_same_clusters(self):
        first, second = (find_clusters(blobs(), k=4, seed=7) for _ in range(2))
        assert first.tried == second.tried
        np.testing.assert_array_equal(first.labels, second.labels)

    def test_one_cloud_cut_into_many_is_not_stable(self):
        cloud = np.random.default_rng(2).normal(size=(600, 4))
        found = find_clusters(cloud, k=7, seed=7)
        assert not found.is_stable
        assert len(found.tried) == 2

    def test_a_few_customers_have_none(self):
        assert find_clusters(blobs()[: MIN_CUSTOMERS - 1], k=None, seed=7) is None
        assert find_clusters(np.zeros((500, 2)), k=None, seed=7) is None

    @pytest.mark.slow
    def test_their_number_is_found(self):
        found = find_clusters(blobs(), k=None, seed=7)
        assert found.is_stable
        assert {one.k for one in found.tried} == set(range(2, 9))


class TestScaling:
    def test_columns_become_comparable(self):
        rng = np.random.default_rng(4)
        values = np.column_stack([rng.lognormal(3, 1.5, 2000), rng.normal(50, 5, 2000)])
        scaling = Scaling.fit(values)
        assert scaling.is_logged.tolist() == [True, False]
        scaled = scaling.scaled(values)
        np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(scaled.std(axis=0), 1, atol=1e-9)
        assert np.abs(scaled).max() < 4  # ends are drawn in

    def test_gaps_take_the_median_and_a_constant_says_nothing(self):
        values = np.array([[1.0, 7.0], [2.0, 7.0], [np.nan, 7.0], [3.0, np.nan]])
        scaling = Scaling.fit(values)
        scaled = scaling.scaled(values)
        assert np.isfinite(scaled).all()
        assert scaled[2, 0] == pytest.approx(scaled[1, 0])
        assert scaling.spread[1] == 0
        assert (scaled[:, 1] == 0).all()


class TestProfiles:
    names = ("recency_days", "n_orders")

    def test_a_cluster_is_called_by_what_it_differs_in_most(self):
        labels = np.array([0, 0, 1, 1, 2])
        scaled = np.array([[-1.0, 2.0], [-1.0, 2.0], [1.0, -0.2], [1.0, -0.2], [0.1, 0.1]])
        values = np.array([[5.0, 9.0], [7.0, 11.0], [300.0, 1.0], [np.nan, 1.0], [60.0, 3.0]])
        first, second, third = profiles(labels, values, scaled, self.names)
        assert (first.name, second.name, third.name) == ("frequent, recent", "long silent", "average")
        assert (first.n, second.n, third.n) == (2, 2, 1)
        assert [(one.name, one.z, one.mean) for one in first.features] == [
            ("n_orders", 2.0, 10.0),
            ("recency_days", -1.0, 6.0),
        ]
        assert second.features[0].mean == 300.0  # gaps do not count

    def test_clusters_of_one_name_are_told_apart(self):
        scaled = np.array([[-1.0, 0.2], [-0.9, -0.2], [-0.8, -0.2]])
        found = profiles(np.arange(3), scaled, scaled, self.names)
        assert [one.name for one in found] == ["recent", "recent, seldom", "recent, seldom (2)"]

    def test_every_feature_has_a_word_for_little_and_one_for_much(self):
        words = [word for pair in FEATURES.values() for word in pair]
        assert len(set(words)) == 2 * len(FEATURES)
