"""``cvm score`` beside the bare boosters of its bundle: what there is between a model and a table of scores."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from costs import cost_of
from cvm.models.boosting import Boosted
from cvm.models.bundle import Bundle, read_bundle
from cvm.scoring.chunks import feature_chunks, frame_of
from cvm.scoring.score import checked_columns
from one_snapshot import write_one_snapshot
from purchase_bases import base, model, score_command, snapshot_file
from speed_parts.contenders import OURS, Contender, Part, Seconds

Work = Callable[[], Any]
_SHARES = {"scores without reasons": 0.0, "scores, reasons for a tenth": 0.1, "scores, reasons for all": 1.0}


def made_base(folder: Path, n_customers: int) -> Path:
    """A base of so many customers with the features of one date, and a model beside it, unless they are there."""
    model(folder)
    own = base(folder, millions=n_customers / 1e6)
    if not snapshot_file(own).is_file():
        write_one_snapshot(own, snapshot_file(own))
    return own


def _our_scores(share: float, folder: Path, n: int) -> Work:
    arguments = score_command(made_base(folder, n), model(folder), reasons_share=share)

    def work() -> Seconds:
        cost = cost_of(arguments)
        return Seconds(cost.cpu_s, cost.wall_s)

    return work


def _bare_boosters(share: float, folder: Path, n: int) -> Work:
    bundle = read_bundle(model(folder))
    prepared, told = _matrices(bundle, snapshot_file(made_base(folder, n)), n, share=share)

    def work() -> None:
        for booster, matrix in prepared:
            booster.predict(matrix, raw_score=True)
        for booster, matrix in told:
            booster.predict(matrix, pred_contrib=True)

    return work


def _matrices(
    bundle: Bundle, features: Path, n: int, *, share: float
) -> tuple[list[tuple[Any, np.ndarray]], list[tuple[Any, np.ndarray]]]:
    """Boosters with the float arrays they are asked for: all for everybody, and those of churn for who gets reasons."""
    batch = pa.Table.from_batches(feature_chunks(features, rows=n)).combine_chunks().to_batches()[0]
    known = checked_columns(bundle, frame_of(batch))
    known = known[known["n_orders"] > 0].reset_index(drop=True)
    expected = bundle.btyd.predict(
        known, horizon_days=bundle.horizon_days, lead_days=bundle.lead_days, as_of=bundle.trained_as_of
    )
    known = known.join(expected)
    churn = list(bundle.churn.boosters.values())
    others = list(bundle.value.boosters.values()) + list(bundle.uplift.boosters.values() if bundle.uplift else ())
    boosters = [*churn, *(one for one in others if isinstance(one, Boosted))]
    prepared = [(one.booster, one.encoder.matrix(known).copy(order="C")) for one in boosters]
    n_told = round(share * len(known))
    return prepared, [(booster, matrix[:n_told]) for booster, matrix in prepared[: len(churn)] if n_told]


def _contenders(work: str, share: float) -> tuple[Contender, Contender]:
    bare = "LightGBM, bare boosters"
    return (
        Contender(work, OURS, partial(_our_scores, share)),
        Contender(work, bare, partial(_bare_boosters, share), "lightgbm"),
    )


PART = Part(
    title="Scores",
    about=(
        "Ours is `cvm score`, from a Parquet file of features to a Parquet file of scores, the start of Python included. "
        "Beside it the bare boosters of the same bundle: `predict` of all of them for everybody and `pred_contrib` of "
        "those of churn for who gets reasons, on float arrays made beforehand. Here the peer is a part of the work, so "
        "below 1 is what to expect; where it is above, our reasons are quicker than `pred_contrib`. Customers are "
        "simulated, ten purchases each on average; the model learned from others."
    ),
    sizes=(100_000,),
    data=made_base,
    contenders=tuple(contender for work, share in _SHARES.items() for contender in _contenders(work, share)),
)
