"""LightGBM's training, with a way around a fault of it.

LightGBM guesses how many rows a split has from their hessians. Where these differ much, a split that seemed to have rows
on both sides has none on one; LightGBM then stops with "Check failed: (best_split_info.left_count) > (0)". Any other draw
of rows and columns leads elsewhere.

Source: LightGBM issues #3679 and #4739.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import lightgbm as lgb

from cvm.errors import InsufficientDataError

Grown = TypeVar("Grown")

_FAULT = "best_split_info"
_N_DRAWS = 4


def grown(grow: Callable[[dict[str, Any]], Grown], parameters: Mapping[str, Any]) -> Grown:
    """What ``grow`` makes of the parameters; where LightGBM has its fault, of another draw of rows and columns.

    Parameters
    ----------
    grow : callable
        Calls ``lgb.train`` or ``lgb.cv`` with the parameters it is given.
    parameters : mapping
        LightGBM parameters, ``seed`` among them; the first draw uses them as they are.

    Raises
    ------
    InsufficientDataError
        If no draw leads around the fault.
    """
    draws = range(parameters["seed"] + 1, parameters["seed"] + _N_DRAWS)
    for draw in ({}, *({"bagging_seed": seed, "feature_fraction_seed": seed} for seed in draws)):
        try:
            return grow({**parameters, **draw})
        except lgb.basic.LightGBMError as error:
            if _FAULT not in str(error):
                raise
    raise InsufficientDataError(
        f"LightGBM cannot grow trees from these rows: each of {_N_DRAWS} draws of rows and columns led to a split with no "
        "row on one side. Change train.snapshots, train.step_days or windows.horizon_days, so that it has other rows."
    )
