"""Everybody who competes, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from contest.boosting_peers import hurdle_forecast, tweedie_forecast
from contest.forecasts import Forecast
from contest.lifetimes_peers import lifetimes_forecast
from contest.pymc_peers import pymc_forecast
from contest.snapshots import Contest

Competitor = Callable[[Contest], Forecast]

PEERS: dict[str, Competitor] = {
    "lifetimes BG/NBD": partial(lifetimes_forecast, "BetaGeoFitter"),
    "lifetimes MBG/NBD": partial(lifetimes_forecast, "ModifiedBetaGeoFitter"),
    "lifetimes Pareto/NBD": partial(lifetimes_forecast, "ParetoNBDFitter"),
    "pymc-marketing BG/NBD": partial(pymc_forecast, "BetaGeoModel"),
    "pymc-marketing MBG/NBD": partial(pymc_forecast, "ModifiedBetaGeoModel"),
    "LightGBM Tweedie, 1 snapshot": partial(tweedie_forecast, n_snapshots=1, with_btyd=False),
    "LightGBM Tweedie + BTYD, 1 snapshot": partial(tweedie_forecast, n_snapshots=1, with_btyd=True),
    "LightGBM Tweedie, 4 snapshots": partial(tweedie_forecast, n_snapshots=4, with_btyd=False),
    "LightGBM Tweedie + BTYD, 4 snapshots": partial(tweedie_forecast, n_snapshots=4, with_btyd=True),
    "LightGBM hurdle, 4 snapshots": partial(hurdle_forecast, n_snapshots=4, with_btyd=False),
    "LightGBM hurdle + BTYD, 4 snapshots": partial(hurdle_forecast, n_snapshots=4, with_btyd=True),
}
