"""One simulated base in memory and one on disk for all tests of this folder; both read only."""

from __future__ import annotations

import pytest

from cvm.datasets.simulate import SimulationOutcome, simulate
from simulated_base import Base, draw_base


@pytest.fixture(scope="session")
def base() -> Base:
    return draw_base(seed=1)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> SimulationOutcome:
    return simulate(tmp_path_factory.mktemp("simulated"), n_customers=4_000, seed=7)
