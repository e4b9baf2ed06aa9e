"""What a type checker must know of the public functions; never run, read by ``tests/test_api.py`` through mypy."""

from __future__ import annotations

from datetime import date
from typing import assert_type

import pandas as pd
import polars as pl

import cvm
from cvm.models.bundle import Bundle
from cvm.params import Params
from cvm.pipeline import Outcomes, Summary


def frames_come_back_in_kind(in_pandas: pd.DataFrame, in_polars: pl.DataFrame) -> None:
    assert_type(cvm.order_histories(in_pandas), pd.DataFrame)
    assert_type(cvm.order_histories(in_polars), pl.DataFrame)
    bundle = cvm.read_bundle("models/champion")
    assert_type(bundle, Bundle)
    assert_type(cvm.score(bundle, in_pandas, as_of=date(2024, 1, 1)), pd.DataFrame)
    assert_type(cvm.score(bundle, in_polars, as_of=date(2024, 1, 1)), pl.DataFrame)


def what_is_no_frame_is_an_error() -> None:
    cvm.order_histories([{"customer_id": "a"}])  # type: ignore[type-var]


def the_loop_is_typed() -> None:
    params = cvm.load_params("params.yaml")
    assert_type(params, Params)
    assert_type(cvm.run(params), Outcomes)
    assert_type(cvm.summarise(params), Summary)
    cvm.run("params.yaml")  # type: ignore[arg-type]  # that this line is refused is what is tested


def estimators_are_typed(in_polars: pl.DataFrame) -> None:
    model = cvm.BuyTillYouDie(family="pareto_nbd").fit(in_polars)
    assert_type(model, cvm.BuyTillYouDie)
    assert_type(model.score(in_polars), float)
    assert_type(cvm.ChurnClassifier().fit(in_polars, [0, 1]), cvm.ChurnClassifier)
    cvm.BuyTillYouDie(family="bgnbd")  # type: ignore[arg-type]
