"""Four columns of the purchases of a base, by lifetimes.

Run: python benchmarks/lifetimes_summary.py BASE. Imports what that takes and no more, for the process is what is measured.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from lifetimes.utils import summary_data_from_transaction_data

from purchases import LAST_DAY

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    purchases = pd.read_parquet(folder / "purchases.parquet").astype({"amount": float})
    summary = summary_data_from_transaction_data(
        purchases, "customer_id", "occurred_at", monetary_value_col="amount", observation_period_end=LAST_DAY.isoformat()
    )
    summary.to_parquet(folder / "summary.parquet")
