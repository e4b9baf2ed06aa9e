"""Fitting with ``lifetimes``; predictions stay ours. Its import has side effects, so it happens only here and late."""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pandas as pd

from cvm.errors import InsufficientDataError
from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.families import FAMILIES, Process
from cvm.models.btyd.gamma_gamma import GammaGamma
from cvm.models.choices import Family

_FITTERS = {"bg_nbd": "BetaGeoFitter", "mbg_nbd": "ModifiedBetaGeoFitter", "pareto_nbd": "ParetoNBDFitter"}


def fit_process(family: Family, x: Floats, t_x: Floats, T: Floats, weight: Floats) -> Process:
    """The fitter of this family on distinct histories; arguments as in ``Process.fit``.

    Raises
    ------
    InsufficientDataError
        If lifetimes does not converge.
    """
    # Left to itself this one fitter draws its start, and ends elsewhere now and then.
    start = {"initial_params": np.ones(4)} if family == "pareto_nbd" else {}
    fitted = _fitted(_FITTERS[family], {"frequency": x, "recency": t_x, "T": T, "weights": weight}, **start)
    return FAMILIES[family](**{name: float(fitted[name]) for name in fitted.index})


def fit_gamma_gamma(n: Floats, mean: Floats, weight: Floats) -> GammaGamma:
    """``GammaGammaFitter`` with q > 1; arguments as in ``GammaGamma.fit``."""
    columns = {"frequency": n, "monetary_value": mean, "weights": weight}
    fitted = _fitted("GammaGammaFitter", columns, q_constraint=True)
    return GammaGamma(p=float(fitted["p"]), q=float(fitted["q"]), gamma=float(fitted["v"]))


def _fitted(name: str, columns: dict[str, Floats], **settings: Any) -> Any:
    # A fit that fails prints the optimiser's state.
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import lifetimes
        from lifetimes.utils import ConvergenceError

        fitter = getattr(lifetimes, name)()
        try:
            with np.errstate(all="ignore"):
                fitter.fit(**{key: pd.Series(values) for key, values in columns.items()}, **settings)
        except ConvergenceError as error:
            raise InsufficientDataError(
                f"lifetimes does not converge on this history ({name}). Set btyd.backend: cvm in params.yaml."
            ) from error
    return fitter.params_
