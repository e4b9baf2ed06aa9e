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
    **{
        f"LightGBM {kind}{' + BTYD' if with_btyd else ''}, {n} snapshot{'s' if n > 1 else ''}": partial(
            forecast, n_snapshots=n, with_btyd=with_btyd
        )
        for kind, forecast in (("Tweedie", tweedie_forecast), ("hurdle", hurdle_forecast))
        for with_btyd in (False, True)
        for n in (1, 4)
    },
}
