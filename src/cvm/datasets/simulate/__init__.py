"""A simulated customer base whose truth is known, and the ceiling of what can be predicted of it."""

from cvm.datasets.simulate.simulation import SimulationOutcome, simulate
from cvm.datasets.simulate.world import Dirt, World

__all__ = ["Dirt", "SimulationOutcome", "World", "simulate"]
