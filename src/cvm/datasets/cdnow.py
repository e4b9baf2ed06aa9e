"""CDNOW: 69,659 purchases of the 23,570 customers who first bought in early 1997, to June 1998.

Source: Fader and Hardie (2001), "Forecasting repeat sales at CDNOW", Interfaces 31(3); shipped inside ``lifetimes``.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv

from cvm.datasets.catalogue import Dataset, package_folders
from cvm.errors import SourceError

_FILE = Path("datasets") / "CDNOW_master.txt"


def cdnow_transactions() -> pa.Table:
    """All purchases, with canonical column names.

    Returns
    -------
    pyarrow.Table with 69,659 rows
        ``customer_id`` (five digits), ``occurred_at`` (midnight), ``amount`` (USD), ``quantity`` (CDs).

    Raises
    ------
    SourceError
        If the installed ``lifetimes`` does not carry the file.
    """
    path = next((folder / _FILE for folder in package_folders("lifetimes") if (folder / _FILE).is_file()), None)
    if path is None:
        raise SourceError("The data set cdnow ships inside the package lifetimes, which lacks it. Install lifetimes 0.11.3.")
    rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()[1:]]
    return pa_csv.read_csv(
        pa.BufferReader("\n".join(",".join(row) for row in rows).encode()),
        read_options=pa_csv.ReadOptions(column_names=["customer_id", "occurred_at", "quantity", "amount"]),
        convert_options=pa_csv.ConvertOptions(
            column_types={
                "customer_id": pa.string(),
                "occurred_at": pa.timestamp("s"),
                "quantity": pa.float64(),
                "amount": pa.decimal128(18, 4),
            },
            timestamp_parsers=["%Y%m%d"],
        ),
    )


CDNOW = Dataset(
    name="cdnow",
    meaning="69,659 purchases of the 23,570 customers who first bought in early 1997, to June 1998",
    published="CDNOW_master.txt inside the Python package lifetimes.",
    params="""
data: {dataset: cdnow}
business: {currency: USD}
windows: {horizon_days: 181, clv_days: 365}
""",
)
