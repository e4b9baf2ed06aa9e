"""lifetimes and pymc-marketing, as their users call them: quiet, imported before the time is taken."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

LIFETIMES, PYMC = "lifetimes", "pymc_marketing"
_FITTERS = {"BG/NBD": "BetaGeoFitter", "Pareto/NBD": "ParetoNBDFitter", "Gamma-Gamma": "GammaGammaFitter"}
_MODELS = {"BG/NBD": "BetaGeoModel", "Pareto/NBD": "ParetoNBDModel", "Gamma-Gamma": "GammaGammaModel"}
# Customers on which a model of pymc-marketing is fitted before its predictions are timed.
_ENOUGH = 10_000


def lifetimes_fit(model: str, columns: tuple[Any, ...], weight: Any) -> Callable[[], Mapping[str, float]]:
    """The fit; parameters by our names."""
    fitter = getattr(_lifetimes(), _FITTERS[model])()
    given = [pd.Series(column) for column in columns]
    weights = None if weight is None else pd.Series(weight)
    settings = {"q_constraint": True} if model == "Gamma-Gamma" else {}
    return lambda: _named(fitter.fit(*given, weights=weights, **settings).params_.astype(float).to_dict())


def lifetimes_predict(
    model: str, columns: tuple[Any, ...], parameters: Mapping[str, float], *, days: float
) -> Callable[[], Mapping[str, Any]]:
    """Its predictions under given parameters."""
    fitter = getattr(_lifetimes(), _FITTERS[model])()
    fitter.params_ = pd.Series({"v" if name == "gamma" else name: value for name, value in parameters.items()})
    given = [pd.Series(column) for column in columns]
    if model == "Gamma-Gamma":
        return lambda: {"order value": fitter.conditional_expected_average_profit(*given)}
    return lambda: {
        "P(alive)": fitter.conditional_probability_alive(*given),
        "orders": fitter.conditional_expected_number_of_purchases_up_to_time(days, *given),
    }


def pymc_fit(model: str, columns: tuple[Any, ...]) -> Callable[[], Mapping[str, float]]:
    """The maximum of the posterior under its default priors, no sampling; parameters by our names."""
    fresh, given = getattr(_pymc(), _MODELS[model]), _frame(model, columns)

    def fit() -> Mapping[str, float]:
        found = _fitted(fresh(), given).fit_summary()
        values = found["value"] if isinstance(found, pd.DataFrame) else found
        wanted = {"BG/NBD": "r alpha a b", "Pareto/NBD": "r alpha s beta", "Gamma-Gamma": "p q v"}[model].split()
        return _named({name: float(values[name]) for name in wanted})

    return fit


def pymc_predict(model: str, columns: tuple[Any, ...], *, days: float) -> Callable[[], Mapping[str, Any]]:
    """Its predictions, of a model fitted to the first customers."""
    given = _frame(model, columns)
    fitted = _fitted(getattr(_pymc(), _MODELS[model])(), given.head(_ENOUGH))
    if model == "Gamma-Gamma":
        return lambda: {"order value": fitted.expected_customer_spend(data=given).to_numpy()}
    return lambda: {
        "P(alive)": fitted.expected_probability_alive(data=given).to_numpy(),
        "orders": fitted.expected_purchases(data=given, future_t=days).to_numpy(),
    }


def _fitted(model: Any, given: pd.DataFrame) -> Any:
    model.fit(data=given, method="map", progressbar=False)
    return model


def _frame(model: str, columns: tuple[Any, ...]) -> pd.DataFrame:
    names = ("frequency", "monetary_value") if model == "Gamma-Gamma" else ("frequency", "recency", "T")
    return pd.DataFrame({"customer_id": np.arange(len(columns[0])), **dict(zip(names, columns, strict=True))})


def _named(parameters: Mapping[str, float]) -> dict[str, float]:
    """Under our names: ``v`` of Gamma-Gamma is our ``gamma``."""
    return {"gamma" if name == "v" else name: value for name, value in parameters.items()}


def _lifetimes() -> Any:
    _quiet()
    import lifetimes

    return lifetimes


def _pymc() -> Any:
    _quiet()
    from pymc_marketing import clv

    logging.getLogger("pymc").setLevel(logging.ERROR)
    return clv


def _quiet() -> None:
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
