"""A randomised campaign with known effects, for the tests of `models/uplift`."""

from __future__ import annotations

import numpy as np
import pandas as pd

# Trees in a hurry.
FAST = {"learning_rate": 0.2, "num_leaves": 7}


def campaign(
    n: int, *, seed: int, slope: float = 0.2, money: bool = False, arms: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and, with the true effect of the first treatment, what came of it.

    Every treatment adds ``0.1 + slope`` to P(response) of the customers with ``x > 0`` in half of the cities, and ``0.1 -
    slope / 3`` to the others'. Responders spend about 20.
    """
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, n))
    city = rng.choice(["Kyiv", "Lviv", "Odesa", "Dnipro"], size=n)
    gains = (x > 0) & np.isin(city, ["Kyiv", "Lviv"])
    effect = np.where(gains, 0.1 + slope, 0.1 - slope / 3)
    arm = rng.integers(arms + 1, size=n)
    responds = rng.random(n) < 0.3 + 0.1 * np.tanh(noise) + np.where(arm > 0, effect, 0.0)
    outcome = responds * (rng.gamma(4, 5, size=n) if money else 1.0)
    features = pd.DataFrame({"customer_id": [f"c{i}" for i in range(n)], "x": x, "noise": noise, "city": city})
    features.loc[rng.random(n) < 0.05, ["noise"]] = np.nan
    names = np.array(["control", *(f"offer_{number}" for number in range(arms))])
    true = effect * (20 if money else 1)
    return features, pd.DataFrame({"arm": names[arm], "outcome": outcome, "effect": true, "propensity": 1 / (arms + 1)})
