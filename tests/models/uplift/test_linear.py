from __future__ import annotations

import json

import numpy as np
import pandas as pd

from cvm.models.uplift.linear import LinearDesign, LinearEffect, fit_linear_effect
from uplifted import campaign


def test_a_straight_line_is_found_and_noise_is_shrunk():
    features, _ = campaign(4_000, seed=1)
    rng = np.random.default_rng(2)
    signals = np.stack([features["x"] + rng.normal(size=4_000), rng.normal(size=4_000)], axis=1)
    fitted = fit_linear_effect(features, signals, columns=["x", "noise", "city"])
    effect = fitted.effect(features)
    assert np.corrcoef(effect[:, 0], features["x"])[0, 1] > 0.97
    assert effect[:, 1].std() < 0.05
    np.testing.assert_allclose(effect.mean(axis=0), signals.mean(axis=0), atol=1e-9)


def test_the_design_is_standardised_and_missing_numbers_are_at_the_mean():
    features, _ = campaign(2_000, seed=3)
    design = LinearDesign.fit(features, ["x", "noise", "city"])
    matrix = design.matrix(features)
    np.testing.assert_allclose(matrix.mean(axis=0), 0, atol=1e-9)
    assert (matrix[features["noise"].isna(), 1] == 0).all()
    far = design.matrix(pd.DataFrame({"x": [1e9], "noise": [np.nan], "city": ["Paris"]}))
    assert np.abs(far).max() < 5


def test_json_brings_it_back():
    features, _ = campaign(500, seed=4)
    fitted = fit_linear_effect(features, np.ones((500, 1)) * features[["x"]].to_numpy(), columns=["x", "city"])
    again = LinearEffect.from_state(json.loads(json.dumps(fitted.state())), {})
    np.testing.assert_array_equal(again.effect(features), fitted.effect(features))


def test_without_columns_everybody_gains_the_mean():
    features, _ = campaign(300, seed=5)
    fitted = fit_linear_effect(features, np.arange(300.0)[:, None], columns=[])
    np.testing.assert_array_equal(fitted.effect(features), np.full((300, 1), 149.5))


def test_on_logarithms_money_of_many_sizes_makes_a_line():
    money = np.geomspace(1, 1e6, 1_000)
    features = pd.DataFrame({"customer_id": np.arange(1_000).astype(str), "money": money, "loss": -money})
    design = LinearDesign.fit(features, ["money", "loss"], logged=True)
    matrix = design.matrix(features)
    assert np.corrcoef(matrix[:, 0], np.log1p(money))[0, 1] > 0.999
    np.testing.assert_allclose(matrix[:, 1], -matrix[:, 0], atol=1e-9)
    assert design.matrix(pd.DataFrame({"money": [np.nan], "loss": [0.0]}))[0, 0] == 0
    again = LinearDesign.from_state(json.loads(json.dumps(design.state())))
    assert again == design
    np.testing.assert_array_equal(again.matrix(features), matrix)
    assert LinearDesign.fit(features, ["money", "loss"]) != design
