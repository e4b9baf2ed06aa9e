from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cvm.segments import RfmCuts
from cvm.segments.peers import MIN_PEERS, Peers, Standard, historic_per_year, measure

CUTS = RfmCuts((10.0, 20.0, 30.0, 40.0), (1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0, 4.0))


def buyers(n: int = 400, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    categories = rng.integers(1, 9, n).astype(float)
    return pd.DataFrame(
        {
            "recency_days": rng.uniform(1, 50, n),
            "n_orders": rng.integers(1, 6, n).astype(float),
            "tenure_days": 730.0,
            "n_categories": categories,
            "quantity": 10.0,
            "spend": 100.0,
            "historic_value": 20.0 * categories**0.5,
        }
    )


class TestStandard:
    def test_the_best_are_the_upper_quartile_of_peers(self):
        n = 4 * MIN_PEERS
        values, ones = np.arange(1.0, n + 1), np.ones(n, dtype=int)
        standard = Standard.fit(values, values, ones, ones)
        assert standard.best[0][0] == 0.75 * n
        assert standard.of(np.array([1]), np.array([1])).tolist() == [0.75 * n]

    def test_too_few_peers_are_widened_to_equal_frequency_then_to_everybody(self):
        recency = np.repeat([1, 2, 3], [MIN_PEERS, MIN_PEERS - 1, MIN_PEERS - 1])
        frequency = np.repeat([1, 1, 2], [MIN_PEERS, MIN_PEERS - 1, MIN_PEERS - 1])
        values = np.repeat([1.0, 5.0, 9.0], [MIN_PEERS, MIN_PEERS - 1, MIN_PEERS - 1])
        standard = Standard.fit(values, values, recency, frequency)
        assert standard.best[0][0] == 1.0  # its own group is large enough
        assert standard.best[1][0] == 5.0  # everybody of frequency 1
        assert standard.best[2][1] == np.quantile(values, 0.75, method="inverted_cdf")

    def test_the_elasticity_is_that_of_the_data_within_peers(self):
        rng = np.random.default_rng(5)
        group = rng.integers(1, 6, 2000)
        values = rng.uniform(1, 10, 2000)
        per_year = 7.0**group * values**0.4  # what differs between groups is not the measure's
        assert Standard.fit(values, per_year, group, group).elasticity == pytest.approx(0.4)

    def test_the_elasticity_is_cautious(self):
        rng = np.random.default_rng(5)
        values, ones = rng.uniform(1, 10, 200), np.ones(200, dtype=int)
        assert Standard.fit(values, values**3, ones, ones).elasticity == 1.0
        assert Standard.fit(values, 1 / values, ones, ones).elasticity == 0.0
        assert Standard.fit(np.full(200, 2.0), values, ones, ones).elasticity == 0.0

    def test_room_is_the_margin_of_coming_up_to_the_best(self):
        standard = Standard(((0.0,) * 5,) * 5, 0.5)
        room = standard.room(np.array([1.0, 4.0, 9.0, np.nan, 1.0]), np.full(5, 4.0), np.array([10, 10, 10, 10, -5.0]))
        np.testing.assert_allclose(room, [10.0, 0.0, 0.0, np.nan, 0.0])

    def test_a_measure_that_nobody_has_has_no_standard(self):
        ones = np.ones(3, dtype=int)
        assert Standard.fit(np.full(3, np.nan), np.ones(3), ones, ones) is None


class TestPeers:
    def test_they_know_what_the_features_hold(self):
        assert set(Peers.fit(buyers(), CUTS).standards) == {"n_categories", "price_level"}
        assert set(Peers.fit(buyers().drop(columns="quantity"), CUTS).standards) == {"n_categories"}
        assert Peers.fit(buyers()[["recency_days", "n_orders", "tenure_days", "spend", "historic_value"]], CUTS) == Peers({})

    def test_they_survive_being_written_as_json(self):
        peers = Peers.fit(buyers(), CUTS)
        assert Peers.from_state(json.loads(json.dumps(peers.state()))) == peers
        assert peers.standards["n_categories"].elasticity == pytest.approx(0.5)


def test_a_price_level_needs_units_and_money():
    frame = pd.DataFrame({"spend": [20.0, 0.0, -3.0, 20.0], "quantity": [4.0, 2.0, 1.0, 0.0]})
    np.testing.assert_allclose(measure(frame, "price_level"), [5.0, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(measure(pd.DataFrame({"n_categories": [0.0, 2.0]}), "n_categories"), [np.nan, 2.0])


def test_the_first_year_counts_as_a_whole_one():
    frame = pd.DataFrame({"historic_value": [100.0, 100.0, np.nan], "tenure_days": [30.0, 730.0, np.nan]})
    assert historic_per_year(frame).tolist() == [100.0, 50.0, 0.0]
