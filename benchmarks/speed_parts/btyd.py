"""Fits and predictions of purchase and spend models, beside lifetimes and pymc-marketing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cvm.models.btyd import BgNbd, Btyd, GammaGamma, ParetoNbd
from cvm.models.btyd.distinct import distinct
from speed_parts.btyd_peers import LIFETIMES, PYMC, lifetimes_fit, lifetimes_predict, pymc_fit, pymc_predict
from speed_parts.contenders import OURS, Contender, Part
from speed_parts.histories import BG_NBD, GAMMA_GAMMA, PARETO_NBD, made_histories, read_histories, read_spend

HORIZON_DAYS = 90.0
Work = Callable[[], Any]
_PROCESSES = {"BG/NBD": BG_NBD, "Pareto/NBD": PARETO_NBD}
FIT, GIVEN, PREDICT = "fit", f"{OURS}, groups given", "predict"


def columns_of(model: str, folder: Path, n: int) -> tuple[Any, ...]:
    """What a model is fitted to, customer by customer."""
    return read_spend(folder, n) if model == "Gamma-Gamma" else read_histories(folder, n)


def _family(model: str) -> type[BgNbd] | type[ParetoNbd] | type[GammaGamma]:
    return GammaGamma if model == "Gamma-Gamma" else type(_PROCESSES[model])


def _our_fit(model: str, folder: Path, n: int) -> Work:
    columns = columns_of(model, folder, n)

    def fit() -> Mapping[str, float]:
        groups = distinct(*columns)
        return _family(model).fit(*groups.columns, groups.weight).state()

    return fit


def _our_fit_of_groups(model: str, folder: Path, n: int) -> Work:
    groups = distinct(*columns_of(model, folder, n))
    return lambda: _family(model).fit(*groups.columns, groups.weight).state()


def _fitted(model: str, folder: Path, n: int, parameters: Mapping[str, float]) -> dict[str, float]:
    """The log-likelihood of what was found, by one formula for all."""
    groups = distinct(*columns_of(model, folder, n))
    value = _family(model)(**parameters).log_likelihood(*groups.columns, groups.weight)
    return {"log-likelihood": value, "distinct": float(len(groups.weight))}


def _our_prediction(model: str, folder: Path, n: int) -> Work:
    if model == "Gamma-Gamma":
        orders, mean = read_spend(folder, n)
        return lambda: {"order value": GAMMA_GAMMA.expected_order_value(orders, mean)}
    x, t_x, T = read_histories(folder, n)
    mean = np.full(n, 10.0)
    features = pd.DataFrame({"n_orders": x + 1, "tenure_days": T, "recency_days": T - t_x, "mean_order_value": mean})
    btyd = Btyd(_PROCESSES[model], GAMMA_GAMMA)

    def predict() -> Mapping[str, Any]:
        said = btyd.predict(features, horizon_days=HORIZON_DAYS)
        return {"P(alive)": said["btyd_p_alive"], "orders": said["btyd_expected_orders"]}

    return predict


def _predicted(_folder: Path, _n: int, said: Mapping[str, Any]) -> dict[str, float]:
    return {f"mean {name}": float(np.mean(values)) for name, values in said.items()}


def _contenders(model: str) -> list[Contender]:
    def fit(who: str, prepare: Callable[..., Work], package: str = OURS) -> Contender:
        return Contender(f"{model}, {FIT}", who, partial(prepare, model), package, partial(_fitted, model))

    def predict(who: str, prepare: Callable[..., Work], package: str = OURS) -> Contender:
        return Contender(f"{model}, {PREDICT}", who, partial(prepare, model), package, _predicted)

    return [
        fit(OURS, _our_fit),
        fit(GIVEN, _our_fit_of_groups),
        fit("lifetimes, as called", _lifetimes_as_called, LIFETIMES),
        fit("lifetimes, our groups", _lifetimes_of_groups, LIFETIMES),
        fit("pymc-marketing, MAP", _pymc_fit, PYMC),
        predict(OURS, _our_prediction),
        predict("lifetimes", _lifetimes_prediction, LIFETIMES),
        predict("pymc-marketing, MAP", _pymc_prediction, PYMC),
    ]


def _lifetimes_as_called(model: str, folder: Path, n: int) -> Work:
    return lifetimes_fit(model, columns_of(model, folder, n), None)


def _lifetimes_of_groups(model: str, folder: Path, n: int) -> Work:
    groups = distinct(*columns_of(model, folder, n))
    return lifetimes_fit(model, groups.columns, groups.weight)


def _lifetimes_prediction(model: str, folder: Path, n: int) -> Work:
    truth = GAMMA_GAMMA if model == "Gamma-Gamma" else _PROCESSES[model]
    return lifetimes_predict(model, columns_of(model, folder, n), truth.state(), days=HORIZON_DAYS)


def _pymc_fit(model: str, folder: Path, n: int) -> Work:
    return pymc_fit(model, columns_of(model, folder, n))


def _pymc_prediction(model: str, folder: Path, n: int) -> Work:
    return pymc_predict(model, columns_of(model, folder, n), days=HORIZON_DAYS)


PART = Part(
    title="Purchase process and spend",
    about=(
        "BG/NBD customers in whole days, aged 180 to 719 days; order values of a Gamma-Gamma. Fits count from arrays of "
        "customers to parameters, grouping included (`groups given`: without it); of `lifetimes, our groups` the "
        "grouping is not counted. pymc-marketing compiles its model at every fit, which is counted: its users wait for "
        "it. The log-likelihood is that of the parameters found, by one formula for all; pymc-marketing has priors, so "
        f"its optimum is another. Predictions are P(alive) and the orders expected within {HORIZON_DAYS:.0f} days (of "
        "Gamma-Gamma: the value of an order) of every customer; ours of BG/NBD and Pareto/NBD also say P(no order) and "
        "the value of an order."
    ),
    sizes=(10_000, 100_000, 1_000_000, 10_000_000),
    data=made_histories,
    contenders=tuple(contender for model in (*_PROCESSES, "Gamma-Gamma") for contender in _contenders(model)),
)
