"""Whom a treatment moves: in scores the treatment that earns most and what it earns, in a long table every treatment."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

    from cvm.models.bundle import Bundle

Floats = NDArray[np.float64]

UPLIFT_SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("arm", pa.string()),
        ("expected_uplift", pa.float64()),
        ("cost", pa.float64()),
        ("outcome_days", pa.int64()),
        ("model_version", pa.string()),
    ]
)


def expected_uplift(bundle: Bundle, features: pd.DataFrame, *, as_of: date) -> Floats | None:
    """Margin that each treatment is expected to add: array of shape (n_customers, n_treatments), or None without a model.

    NaN for prospects: campaigns taught nothing of people who never bought.
    """
    if bundle.uplift is None:
        return None
    uplift = bundle.uplift.expected(features, as_of=as_of, clock=bundle.btyd.clock)
    uplift[(features["n_orders"] <= 0).to_numpy()] = np.nan
    return uplift


def uplift_table(bundle: Bundle, features: pd.DataFrame, uplift: Floats) -> pa.Table:
    """``uplift`` as rows of ``UPLIFT_SCHEMA``, by customer and treatment, in their orders; prospects left out."""
    if bundle.uplift is None:
        return UPLIFT_SCHEMA.empty_table()
    treatments = bundle.uplift.treatments
    customer, treatment = np.nonzero(np.isfinite(uplift))
    arms = pa.array([one.arm for one in treatments], pa.string())
    costs = np.array([one.cost for one in treatments], dtype=float)
    n = len(customer)
    columns = [
        pa.array(features["customer_id"].astype(str)).take(pa.array(customer)),
        arms.take(pa.array(treatment)),
        pa.array(uplift[customer, treatment]),
        pa.array(costs[treatment]),
        pa.repeat(bundle.uplift.outcome_days, n),
        pa.repeat(bundle.model_version, n),
    ]
    return pa.table(columns, names=UPLIFT_SCHEMA.names).cast(UPLIFT_SCHEMA)


def uplift_columns(bundle: Bundle, uplift: Floats | None) -> dict[str, pa.Array]:
    """``next_best_action``, null where no contact pays, and effect and net value of the treatment that earns most."""
    if bundle.uplift is None or uplift is None:
        return {}
    return _best([treatment.arm for treatment in bundle.uplift.treatments], uplift, bundle.uplift.costs)


def uplift_columns_again(customer_ids: pa.ChunkedArray, effects: pa.Table | None) -> dict[str, pa.Array]:
    """The columns of ``uplift_columns`` out of an ``uplift_table``, for these customers; null throughout without one."""
    n = len(customer_ids)
    if effects is None or not effects.num_rows:
        texts, numbers = pa.nulls(n, pa.string()), pa.nulls(n, pa.float64())
        return {"next_best_action": texts, "expected_uplift": numbers, "expected_net_value": numbers}
    rows = effects.to_pandas()
    arms = list(rows["arm"].unique())  # in the order of the treatments
    uplift = rows.pivot_table(index="customer_id", columns="arm", values="expected_uplift")[arms]
    costs = rows.groupby("arm")["cost"].first()[arms]
    return _best(arms, uplift.reindex(customer_ids.to_pylist()).to_numpy(dtype=float), costs.to_numpy(dtype=float))


def _best(arms: list[str], uplift: Floats, costs: Floats) -> dict[str, pa.Array]:
    net = uplift - costs
    known = np.isfinite(net).all(axis=1)
    best = np.where(known, np.argmax(np.where(np.isfinite(net), net, -np.inf), axis=1), 0)
    rows = np.arange(len(net))
    names = np.array(arms, dtype=object)[best]
    return {
        "next_best_action": pa.array(names, mask=~(known & (net[rows, best] > 0)), type=pa.string()),
        "expected_uplift": pa.array(uplift[rows, best], mask=~known),
        "expected_net_value": pa.array(net[rows, best], mask=~known),
    }
