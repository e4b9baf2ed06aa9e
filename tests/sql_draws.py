"""The draws of ``cvm.campaigns``, each made by its SQL for customers of a list, in the order of the list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cvm.campaigns.assignment import Split, campaign_key, draw_sql
from cvm.campaigns.holdout import GlobalHoldout, held_out_sql
from cvm.campaigns.stratified import balanced_query
from cvm.engines import DuckDBEngine
from memory import Memory


@cache
def _engine() -> DuckDBEngine:
    return Memory()


def draws(customer_ids: Sequence[str], *, key: str) -> NDArray[np.int64]:
    """Draw of each customer."""
    return _of_each(customer_ids, draw_sql("customer_id", key=key))


def assign(customer_ids: Sequence[str], split: Split, *, campaign_id: str, salt: str) -> NDArray[np.object_]:
    """Arm of each customer, each drawn alone."""
    return _of_each(customer_ids, split.arm_sql(draw_sql("customer_id", key=campaign_key(campaign_id, salt=salt))))


def held_out(customer_ids: Sequence[str], holdout: GlobalHoldout | None, *, on: date, salt: str) -> NDArray[np.bool_]:
    """Whether each customer is in the global holdout on a day."""
    return _of_each(customer_ids, held_out_sql("customer_id", holdout, on=on, salt=salt))


def assign_balanced(
    customer_ids: Sequence[str], strata: Sequence[str | None], split: Split, *, campaign_id: str, salt: str
) -> NDArray[np.object_]:
    """Arm of each customer, the arms of exact size in every stratum."""
    _engine().register("customers", pa.table({"customer_id": customer_ids, "tier": pa.array(strata, pa.string())}))
    rows = (
        _engine().table(balanced_query("customers", split, stratum="tier", campaign_id=campaign_id, salt=salt)).to_pydict()
    )
    assert set(rows["campaign_id"]) == {campaign_id}
    assert rows["propensity"] == [split.shares[arm] for arm in rows["arm"]]
    arms = dict(zip(rows["customer_id"], rows["arm"], strict=True))
    assert len(arms) == len(rows["arm"]) == len(customer_ids)
    return np.array([arms[name] for name in customer_ids], dtype=object)


def _of_each(customer_ids: Sequence[str], sql: str) -> NDArray[np.generic]:
    _engine().register("customers", pa.table({"number": range(len(customer_ids)), "customer_id": customer_ids}))
    found = _engine().table(f"SELECT {sql} AS found FROM customers ORDER BY number")["found"]
    return found.to_numpy(zero_copy_only=False)
