from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cvm.scoring.growth import growth_gaps, growth_table
from cvm.scoring.score import score_table
from cvm.segments.peers import Peers, Standard


@pytest.fixture(scope="module")
def with_rooms(trained):
    """Features with categories and quantities, of a bundle whose best peers have 4 categories at a price of 10."""
    rng = np.random.default_rng(8)
    n = len(trained.features)
    features = trained.features.assign(
        n_categories=rng.integers(1, 7, n).astype(float), quantity=trained.features["spend"] / rng.uniform(5, 20, n)
    )
    standards = {
        "n_categories": Standard(((4.0,) * 5,) * 5, 0.5),
        "price_level": Standard(((10.0,) * 5,) * 5, 0.2),
    }
    bundle = replace(trained.bundle, peers=Peers(standards))
    return bundle, features, score_table(bundle, features, as_of=trained.as_of)


def test_rooms_are_what_coming_up_to_the_best_would_bring(with_rooms):
    bundle, features, scores = with_rooms
    found = growth_table(bundle, features, scores).to_pandas()
    is_buyer = (features["n_orders"] > 0).to_numpy()
    assert (
        found.loc[~is_buyer, ["n_categories", "peers_n_categories", "cross_sell_room", "upsell_room"]].isna().all(axis=None)
    )
    assert (found.loc[~is_buyer, "kind"] == "none").all()
    buyers = found[is_buyer]
    expected = buyers["expected_per_year"].clip(lower=0)
    wanted = expected * ((4 / buyers["n_categories"]).clip(lower=1) ** 0.5 - 1)
    np.testing.assert_allclose(buyers["cross_sell_room"], wanted)
    assert (buyers.loc[buyers["n_categories"] >= 4, "cross_sell_room"] == 0).all()
    assert (buyers.loc[buyers["price_level"] >= 10, "upsell_room"] == 0).all()
    assert (buyers["peers_price_level"].dropna() == 10).all()


def test_expected_less_historic_is_the_growth_potential_of_the_scores(with_rooms):
    bundle, features, scores = with_rooms
    found = growth_table(bundle, features, scores).to_pandas()
    np.testing.assert_allclose(
        found["expected_per_year"] - found["historic_per_year"], scores["growth_potential"].to_numpy(), atol=1e-9
    )


def test_the_kind_names_rooms_worth_an_offer(with_rooms):
    bundle, features, scores = with_rooms
    found = growth_table(bundle, features, scores).to_pandas()
    worth = 0.1 * found["expected_per_year"].clip(lower=0)
    cross_sell, upsell = found["cross_sell_room"] > worth, found["upsell_room"] > worth
    assert set(found["kind"]) == {"none", "cross_sell", "both", "upsell"}
    assert found["kind"].isin(["cross_sell", "both"]).equals(cross_sell)
    assert found["kind"].isin(["upsell", "both"]).equals(upsell)


def test_what_the_data_cannot_tell_is_null_and_said_once(trained):
    assert not trained.bundle.peers.standards  # the shop has neither categories nor quantities
    scores = score_table(trained.bundle, trained.features, as_of=trained.as_of)
    found = growth_table(trained.bundle, trained.features, scores).to_pandas()
    assert found[["n_categories", "peers_n_categories", "cross_sell_room", "upsell_room"]].isna().all(axis=None)
    assert (found["kind"] == "none").all()
    assert growth_gaps(trained.bundle) == [
        "no cross-sell room told: no categories in the transactions",
        "no upsell room told: no quantities in the transactions",
    ]
