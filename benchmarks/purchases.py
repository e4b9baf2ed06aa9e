"""A base of any size with nothing but transactions, written in seconds: for what is measured by rows, not by realism.

Each customer joins on some day of three years, buys at a rate of their own (gamma) until they leave (exponential), for
amounts around a mean of their own, ten purchases per customer on average. So far these are the assumptions of Pareto/NBD,
of which a booster can learn nothing more. But as people do, every other customer buys at nearly equal distances, and what
they spend rises or falls over the years: that is in the features, and boosters win on such a base.

Customers are drawn a slice at a time, so memory does not grow with the base; the same number gives the same file.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PER_CUSTOMER = 10
_SLICE = 100_000
_FIRST_DAY, _DAYS = date(2023, 1, 1), 3 * 365
LAST_DAY = _FIRST_DAY + timedelta(days=_DAYS)
# Mean of the rate per day that makes ten purchases of a mean customer, the first included; found by trial.
_RATE_SHAPE, _MEAN_RATE, _MEAN_LIFE_DAYS = 0.8, 0.0264, 600.0
# Purchases of the regular are each so many-th arrival of a Poisson process, so gaps spread by a third of their mean.
_EVERY, _SHARE_REGULAR = 8, 0.5
# Spread, between customers, of the growth of what they spend: of its logarithm per year.
_DRIFT_PER_YEAR = 0.5


def write_purchases(path: Path, *, n_customers: int, seed: int = 8) -> int:
    """Write the transactions of so many customers to a Parquet file; how many there are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n_rows = 0
    schema = pa.schema({"customer_id": pa.string(), "occurred_at": pa.timestamp("us"), "amount": pa.decimal128(10, 2)})
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in range(0, n_customers, _SLICE):
            random = np.random.default_rng([seed, first])
            part = _purchases(random, np.arange(first, min(first + _SLICE, n_customers)))
            writer.write_table(part.cast(schema))
            n_rows += part.num_rows
    return n_rows


def _purchases(random: np.random.Generator, customers: np.ndarray) -> pa.Table:
    n = len(customers)
    joined = random.uniform(0, 0.9 * _DAYS, n)
    stayed = np.minimum(random.exponential(_MEAN_LIFE_DAYS, n), _DAYS - joined)
    rate = random.gamma(_RATE_SHAPE, _MEAN_RATE / _RATE_SHAPE, n)
    every = np.where(random.uniform(size=n) < _SHARE_REGULAR, _EVERY, 1)
    later_buyer, later = _later_purchases(random, rate, stayed, every)
    buyer = np.concatenate([np.arange(n), later_buyer])
    since_joined = np.concatenate([np.zeros(n), later])
    mean_amount, drift = random.gamma(4, 10, n), random.normal(0, _DRIFT_PER_YEAR, n)
    mean = mean_amount[buyer] * np.exp(drift[buyer] * since_joined / 365)
    cents = np.ceil(100 * mean * random.gamma(3, 1 / 3, len(buyer))).astype(np.int64)
    shuffled = random.permutation(len(buyer))
    moments = np.datetime64(_FIRST_DAY, "us") + ((joined[buyer] + since_joined) * 86_400e6).astype("timedelta64[us]")
    ids = np.char.add("C", np.char.zfill(customers.astype(str), 9))
    return pa.table(
        {
            "customer_id": pa.array(ids).take(pa.array(buyer[shuffled])),
            "occurred_at": pa.array(moments[shuffled]),
            "amount": pa.array(cents[shuffled] / 100).cast(pa.decimal128(10, 2)),
        }
    )


def _later_purchases(
    random: np.random.Generator, rate: np.ndarray, stayed: np.ndarray, every: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Customer, and days since joining, of each purchase but the first: each ``every``-th arrival of a Poisson process."""
    arrivals = random.poisson(rate * stayed * every)
    buyer = np.repeat(np.arange(len(rate)), arrivals)
    place = np.arange(len(buyer)) - np.repeat(np.cumsum(arrivals) - arrivals, arrivals) + 1
    share_of_stay = np.sort(buyer + random.uniform(size=len(buyer))) - buyer  # in order within each customer
    days = share_of_stay * stayed[buyer]
    counts = place % every[buyer] == 0
    return buyer[counts], days[counts]
