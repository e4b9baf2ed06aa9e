from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from batch_scores import batch_scores
from cvm.models.bundle import read_bundle
from cvm.scoring.score import score_table
from cvm.scoring.segmentation import apply_segments
from cvm.segments import Condition, RuleSet, Segmentation, SegmentRule
from cvm.segments.peers import Peers, Standard, historic_per_year

OWN = Segmentation(
    RuleSet(
        (
            SegmentRule("leaving", "save", Condition({"value_tier": ["top", "high"]}, minimum={"p_churn": 0.5})),
            SegmentRule("grower", "grow", Condition(minimum={"growth_potential": 5.0})),
            SegmentRule("middle", "watch", Condition(minimum={"value_percentile": 40})),
            SegmentRule("regular", "thank", Condition({"rfm_segment": ["champions", "loyal"]})),
            SegmentRule("rest", "wait"),
        )
    )
)


@pytest.fixture(scope="module")
def scores(trained):
    return score_table(trained.bundle, trained.features, as_of=trained.as_of)


def changed(scores: pa.Table, **columns: np.ndarray) -> pa.Table:
    for name, values in columns.items():
        position = scores.schema.get_field_index(name)
        scores = scores.set_column(position, scores.schema.field(position), pa.array(values, from_pandas=True))
    return scores


def noisy(trained, scores: pa.Table, *, size: float, seed: int) -> pa.Table:
    """Scores whose predictions are off by up to ``size``: a share of money and orders, a difference of probabilities."""
    rng = np.random.default_rng(seed)
    numbers = {name: scores[name].to_numpy(zero_copy_only=False) for name in ("expected_orders", "clv", "p_churn")}
    factor = 1 + rng.uniform(-size, size, scores.num_rows)
    revenue = numbers["expected_orders"] * factor * scores["expected_order_value"].to_numpy()
    per_year = trained.bundle.margin_rate * revenue * 365 / trained.bundle.horizon_days
    return changed(
        scores,
        expected_orders=numbers["expected_orders"] * factor,
        clv=numbers["clv"] * factor,
        p_churn=np.clip(numbers["p_churn"] + rng.uniform(-size, size, scores.num_rows), 0, 1),
        growth_potential=per_year - historic_per_year(trained.features),
    )


@pytest.mark.parametrize("rules", [Segmentation().rules, OWN.rules], ids=["default", "own"])
@pytest.mark.parametrize("size", [0.01, 0.1])
def test_noise_smaller_than_the_hysteresis_moves_nobody(trained, scores, rules, size):
    before = apply_segments(trained.bundle, trained.features, scores, Segmentation(rules))["segment"]
    remembered = changed(scores, previous_segment=before.to_numpy(zero_copy_only=False))
    n_moved = 0
    for seed in range(5):
        after = noisy(trained, remembered, size=size, seed=seed)
        steady = apply_segments(trained.bundle, trained.features, after, Segmentation(rules, size))
        assert steady["segment"].equals(before)
        loose = apply_segments(trained.bundle, trained.features, after, Segmentation(rules))
        n_moved += sum(a != b for a, b in zip(loose["segment"].to_pylist(), before.to_pylist(), strict=True))
    assert n_moved > 0  # without it the same noise does move some
    assert n_moved <= 5 * 4 * size * len(before)


def test_who_has_no_previous_segment_is_segmented_by_the_rules_alone(trained, scores):
    steady = apply_segments(trained.bundle, trained.features, scores, Segmentation(hysteresis=0.5))
    assert steady.equals(scores)


def test_the_rules_given_take_the_place_of_the_bundles(trained, workspace):
    own = batch_scores(trained.bundle, workspace, as_of=trained.as_of, segmentation=OWN)
    assert set(own["segment"].to_pylist()) <= set(OWN.rules.names)
    frozen = score_table(replace(trained.bundle, segmentation=OWN), trained.features, as_of=trained.as_of)
    assert frozen["segment"].equals(own["segment"])


def test_own_rules_hold_where_checked_by_hand(trained, scores):
    frame = apply_segments(trained.bundle, trained.features, scores, OWN).to_pandas()
    leaving = frame["value_tier"].isin(["top", "high"]) & (frame["p_churn"] >= 0.5)
    assert (frame["segment"] == "leaving").equals(leaving)
    growing = ~leaving & (frame["growth_potential"] >= 5)
    assert (frame["segment"] == "grower").equals(growing)
    left = ~leaving & ~growing & ~(frame["value_percentile"] >= 40)
    regular = left & frame["rfm_segment"].isin(["champions", "loyal"])
    assert (frame["segment"] == "regular").equals(regular)
    assert (frame["segment"] == "rest").equals(left & ~regular)


def test_a_bundle_keeps_its_rules_and_its_peers(trained, tmp_path):
    peers = Peers({"price_level": Standard(((1.0, 2.0, 3.0, 4.0, 5.0),) * 5, 0.25)})
    bundle = replace(trained.bundle, segmentation=replace(OWN, hysteresis=0.05), peers=peers)
    bundle.write(tmp_path)
    again = read_bundle(tmp_path)
    assert again.segmentation == bundle.segmentation
    assert again.peers == peers
    assert again.model_version == bundle.model_version != trained.bundle.model_version
