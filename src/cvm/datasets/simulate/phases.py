"""Phases of leaving, and processes whose rate depends on the phase a customer is in.

Phase 0 is gone, 1 to 4 are the last four steps of ``World.leaving_step_days`` before leaving, 5 is settled: the order of
a ``Curve``.
"""

from __future__ import annotations

import numpy as np

from cvm.datasets.simulate.chance import Bools, Codes, Floats, Ints
from cvm.datasets.simulate.world import Curve, World

N_PHASES = 6


def phase_of(world: World, days_left: Floats) -> Codes:
    """Phase of a customer who will leave in ``days_left`` (negative: has left), an array of any shape."""
    return np.clip(np.ceil(days_left / world.leaving_step_days), 0, N_PHASES - 1).astype(np.int8)


def days_in_phases(world: World, start: Floats, end: Floats, gone_at: Floats) -> Floats:
    """Days of ``[start, end]`` that a customer who leaves at ``gone_at`` spends in each phase.

    Parameters
    ----------
    start, end, gone_at : arrays of shape (n,)

    Returns
    -------
    array of shape (n, 6)
        Zero where ``end`` is before ``start``.
    """
    never = np.full_like(gone_at, np.inf)
    borders = [gone_at - step * world.leaving_step_days for step in range(N_PHASES - 1)]
    spans = [
        np.minimum(end, until) - np.maximum(start, since)
        for since, until in zip([*borders, -never], [never, *borders], strict=True)
    ]
    return np.maximum(np.stack(spans, axis=-1), 0.0)


def first_event(
    world: World, patience: Floats, start: Floats, gone_at: Floats, *, per_day: float | Floats, curve: Curve
) -> Floats:
    """When the cumulated hazard ``per_day`` times ``curve`` since ``start`` reaches ``patience``: shape (n,)."""
    at = start.copy()
    hazard = np.broadcast_to(np.asarray(per_day, dtype=float), start.shape)
    left = patience.copy()
    pending = np.ones(len(start), dtype=bool)
    for phase in range(N_PHASES - 1, -1, -1):
        border = gone_at - (phase - 1) * world.leaving_step_days if phase else np.full(len(start), np.inf)
        span = np.maximum(border - at, 0.0)
        rate = hazard * curve[phase]
        with np.errstate(divide="ignore", invalid="ignore"):
            wait = np.where(rate > 0, left / rate, np.inf)
        happens = pending & (wait <= span)
        at = np.where(happens, at + wait, np.where(pending, np.maximum(at, border), at))
        left = np.where(pending & ~happens, left - np.where(span > 0, rate * np.minimum(span, 1e9), 0.0), left)
        pending &= ~happens
    return np.where(pending, np.inf, at)


def poisson_events(rng: np.random.Generator, per_day: float | Floats, start: Floats, end: Floats) -> tuple[Ints, Floats]:
    """A homogeneous Poisson process per customer on ``[start, end]``.

    Returns
    -------
    customer, day : arrays of shape (n_events,)
        Ascending in ``customer``, unordered in time.
    """
    span = np.maximum(end - start, 0.0)
    counts = rng.poisson(per_day * span)
    customer = np.repeat(np.arange(len(start)), counts)
    return customer, start[customer] + span[customer] * rng.random(len(customer))


def phased_events(
    world: World,
    rng: np.random.Generator,
    per_day: float | Floats,
    curve: Curve,
    *,
    start: Floats,
    end: Floats,
    gone_at: Floats,
) -> tuple[Ints, Floats]:
    """A Poisson process per customer whose rate is ``per_day`` times ``curve`` at the phase, by thinning."""
    highest = max(curve)
    customer, day = poisson_events(rng, per_day * np.asarray(highest), start, end)
    keep = kept(world, rng, curve, gone_at[customer] - day, highest=highest)
    return customer[keep], day[keep]


def kept(world: World, rng: np.random.Generator, curve: Curve, days_left: Floats, *, highest: float) -> Bools:
    """Which events survive thinning by ``curve``."""
    return rng.random(len(days_left)) * highest < np.array(curve)[phase_of(world, days_left)]
