"""Customer bases no model was made for, each through the whole loop: sound scores, or a message that names the cause."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shop

HORIZON = 60
DAYS = 300


def sales(*, n_customers: int = 300, seed: int = 1, days: int = DAYS) -> pd.DataFrame:
    return shop.purchases(n_customers=n_customers, days=days, seed=seed)


def heavy_buyers() -> dict[str, pd.DataFrame]:
    """Three customers with 10,000 orders each, up to forty a day, among ordinary ones."""
    rng = np.random.default_rng(3)
    when = pd.Timestamp(shop.FIRST_DAY) + pd.to_timedelta(rng.integers(0, DAYS * 24 * 60, 30_000), unit="min")
    orders = pd.DataFrame({"customer_id": "heavy" + pd.Series(np.arange(30_000) % 3).astype(str), "occurred_at": when})
    orders = orders.assign(amount=rng.gamma(5, 4, 30_000).round(2) + 1)
    ordinary = sales().assign(occurred_at=lambda frame: pd.to_datetime(frame["occurred_at"]))
    both = pd.concat([ordinary, orders])
    return {"transactions": both.assign(order_id=[f"o{number}" for number in range(len(both))])}


def one_time_buyers() -> dict[str, pd.DataFrame]:
    return {"transactions": sales().drop_duplicates("customer_id")}


def identical_amounts() -> dict[str, pd.DataFrame]:
    # One order a customer and day: two of them would be one order of twice the price.
    return {"transactions": sales().drop_duplicates(["customer_id", "occurred_at"]).assign(amount=9.99)}


def multiples_of_one_price() -> dict[str, pd.DataFrame]:
    return {"transactions": sales().assign(amount=9.99)}


def zero_and_negative() -> dict[str, pd.DataFrame]:
    """A fifth of the orders are free, a tenth are returns, and some customers only ever returned."""
    frame = sales()
    rng = np.random.default_rng(4)
    kind = rng.random(len(frame))
    amount = np.where(kind < 0.2, 0.0, np.where(kind < 0.3, -frame["amount"], frame["amount"]))
    only_returns = pd.DataFrame(
        {"customer_id": [f"r{number}" for number in range(40)], "occurred_at": shop.FIRST_DAY + timedelta(days=50)}
    )
    return {"transactions": pd.concat([frame.assign(amount=amount), only_returns.assign(amount=-25.0)])}


def mostly_returns() -> dict[str, pd.DataFrame]:
    """More money goes back than came in."""
    frame = sales()
    rng = np.random.default_rng(5)
    return {"transactions": frame.assign(amount=np.where(rng.random(len(frame)) < 0.7, -frame["amount"], frame["amount"]))}


def everything_free() -> dict[str, pd.DataFrame]:
    return {"transactions": sales().assign(amount=0.0)}


def one_cohort() -> dict[str, pd.DataFrame]:
    """Everybody's first order is on the first day."""
    frame = sales()
    first = frame.drop_duplicates("customer_id").assign(occurred_at=shop.FIRST_DAY)
    return {"transactions": pd.concat([first, frame])}


def everybody_returns() -> dict[str, pd.DataFrame]:
    """Every customer orders every ten days: nobody ever churns."""
    days = [shop.FIRST_DAY + timedelta(days=day) for day in range(0, DAYS, 10)]
    rng = np.random.default_rng(6)
    rows = [(f"c{number}", day) for number in range(200) for day in days]
    frame = pd.DataFrame(rows, columns=["customer_id", "occurred_at"])
    return {"transactions": frame.assign(amount=rng.gamma(5, 4, len(frame)).round(2) + 1)}


def nobody_returns() -> dict[str, pd.DataFrame]:
    """All orders fall into the first hundred days, but for one new customer a week: in every window everybody churns."""
    frame = sales()
    early = frame[pd.to_datetime(frame["occurred_at"]) < pd.Timestamp(shop.FIRST_DAY) + pd.Timedelta(days=100)]
    late = pd.DataFrame(
        {
            "customer_id": [f"n{number}" for number in range(29)],
            "occurred_at": [shop.FIRST_DAY + timedelta(days=100 + 7 * number) for number in range(29)],
            "amount": 20.0 + np.arange(29),
        }
    )
    return {"transactions": pd.concat([early, late])}


def registered_without_an_order() -> dict[str, pd.DataFrame]:
    """Five times as many registered as ever ordered; some of them order in the end."""
    frame = sales()
    joined = frame.groupby("customer_id")["occurred_at"].min()
    buyers = pd.DataFrame({"customer_id": joined.index, "signed_up_at": [day - timedelta(days=40) for day in joined]})
    prospects = pd.DataFrame({"customer_id": [f"p{number}" for number in range(1500)], "signed_up_at": shop.FIRST_DAY})
    return {"transactions": frame, "customers": pd.concat([buyers, prospects])}


def only_registered() -> dict[str, pd.DataFrame]:
    """Ten orders in all, and a thousand who registered."""
    prospects = pd.DataFrame({"customer_id": [f"p{number}" for number in range(1000)], "signed_up_at": shop.FIRST_DAY})
    return {"transactions": sales().head(10), "customers": prospects}


@dataclass(frozen=True)
class Odd:
    """A base, and what must be said of it: the refusal where ``refused``, else a part of the output."""

    tables: Callable[[], dict[str, pd.DataFrame]]
    says: tuple[str, ...] = ()
    refused: bool = False
    data: dict[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.tables.__name__ + "".join(f", {key}" for key in self.data)


ODD = (
    Odd(heavy_buyers),
    Odd(one_time_buyers, ("customers ever ordered twice", "customer_id is the person and not the order"), refused=True),
    Odd(identical_amounts, (r"Every order has the same amount \(9\.99\)", "allow_constant_amount: true"), refused=True),
    Odd(identical_amounts, data={"allow_constant_amount": True}),
    Odd(multiples_of_one_price),
    Odd(zero_and_negative),
    Odd(mostly_returns, ("Net spend so far is|Customers have cost more|customers ever ordered twice|have an order",)),
    Odd(everything_free, ("Every order has the amount 0", "mapped to amount"), refused=True),
    Odd(one_cohort),
    Odd(everybody_returns),
    Odd(nobody_returns),
    Odd(registered_without_an_order),
    Odd(only_registered, (r"Only \d+ customers have an order",), refused=True),
)


@pytest.mark.slow
@pytest.mark.parametrize("odd", ODD, ids=[odd.name for odd in ODD])
@pytest.mark.usefixtures("untracked")
def test_an_odd_base_is_scored_soundly_or_refused_by_name(odd: Odd, tmp_path: Path) -> None:
    tables = odd.tables()
    for name, frame in tables.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    shop.write_params(
        tmp_path,
        windows={"horizon_days": HORIZON, "clv_days": 180},
        train={"snapshots": 1, "seed": 7},
        data={**{name: {"path": f"{name}.csv"} for name in tables}, **odd.data},
    )
    done = shop.cvm(tmp_path, "run")
    said = done.out + done.err
    assert "Traceback" not in said
    for pattern in odd.says:
        assert re.search(pattern, re.sub(r"\s+", " ", said)), said
    if odd.refused:
        assert done.code == 1, said
        return
    assert done.code == 0, said
    assert "CLV of all customers" in said
    (path,) = (tmp_path / "outputs" / "scores").glob("*/scores.parquet")
    scores = pd.read_parquet(path)
    numbers = ["expected_orders", "expected_order_value", "clv", "historic_value", "growth_potential", "value_percentile"]
    assert np.isfinite(scores[numbers].to_numpy(float)).all(), scores[numbers].describe()
    assert (scores[["expected_orders", "expected_order_value", "clv"]] >= 0).all(axis=None)
    buyers = scores[scores["lifecycle_stage"] != "prospect"]
    for name in ("p_churn", "p_alive"):
        assert buyers[name].between(0, 1).all(), name
    assert scores["customer_id"].is_unique
