"""Models whose time comes in steps, on the cohorts they were published with.

* FHS: Fader, Hardie and Shang (2010), Marketing Science 29(6): BG/BB on 11,104 donors who joined a public radio station in
  1995, their gifts of the six years after, and of the five to come. The data ship inside lifetimes 0.11.3.
* FH07: Fader and Hardie (2007), J. Interactive Marketing 21(1): sBG on subscribers.
"""

from __future__ import annotations

from dataclasses import astuple
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cvm.models.btyd import BgBb, Sbg
from cvm.models.btyd.sbg import cohort


@pytest.fixture(scope="module")
def donors():
    """x, t_x, n and how many donors had that history."""
    package = find_spec("lifetimes")
    assert package is not None
    (folder,) = package.submodule_search_locations or [""]
    frame = pd.read_csv(Path(folder) / "datasets" / "donations.csv")
    return tuple(frame[name].to_numpy(float) for name in ("frequency", "recency", "periods", "weights"))


def test_donors_have_the_published_parameters_and_likelihood(donors):
    assert donors[3].sum() == 11_104
    fitted = BgBb.fit(*donors)
    # FHS table 3, three decimals.
    assert astuple(fitted) == pytest.approx((1.204, 0.750, 0.657, 2.783), abs=6e-4)
    assert fitted.log_likelihood(*donors) == pytest.approx(-33225.58, abs=5e-3)


def test_donors_have_the_published_outlook(donors):
    x, t_x, n, weight = donors
    expected = BgBb.fit(*donors).expected_orders(x, t_x, n, periods=5)
    # FHS table 5, two decimals: who never gave, and who gave each year.
    assert expected[x == 0] == pytest.approx(0.07, abs=5e-3)
    assert expected[x == 6] == pytest.approx(3.75, abs=5e-3)
    # Measured with lifetimes: 12,884 gifts of all donors.
    assert weight @ expected == pytest.approx(12_884.16, abs=0.5)


def test_subscribers_have_the_published_parameters_likelihood_and_projection():
    # FH07, "Regular": % still there after each of seven renewals; likelihood and projection measured for 1,000 customers.
    survivors = np.array([1000.0, 631, 468, 382, 326, 289, 262, 241])
    fitted = Sbg.fit_survivors(survivors)
    assert astuple(fitted) == pytest.approx((0.704, 1.182), abs=5e-4)
    assert fitted.log_likelihood(*cohort(survivors)) == pytest.approx(-1680.265, abs=5e-4)
    assert fitted.survival(np.array([12.0]))[0] == pytest.approx(0.170, abs=5e-4)
