"""A small base with every kind of fault, as files of a lake."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cvm.ingest.reading import Reading

NOW = datetime(2024, 6, 1, 12)
N_CUSTOMERS = 60

_DIRTY_SALES = [
    ("", "2024-01-05", "10"), ("null", "2024-01-05", "10"), ("c1", "05.01.2024", "10"), ("c1", "2024-02-30", "10"),
    ("c1", "1899-12-30", "10"), ("c1", "2024-12-01", "10"), ("c1", "", "10"), ("c1", "2024-01-05", "1,50"),
    ("c1", "2024-01-05", ""), ("c1", "2024-01-05", "1e30"), ("c1", "2024-01-05T10:00:00+02:00", "-3.20"),
    ("  c1\t", "2024-01-05 24:00", " 10.50 "), ("c\u00a02", "2023-10-29 03:30", "0.00005"), ("c3", "2024-03-31 03:30", "5."),
    ('o"3, x', "2024-01-05", "7"), ("two\nlines", "2024-01-06", "8"), ("007", "2024-01-07", "1e3"),
]  # fmt: skip


def sales_rows() -> list[dict[str, str]]:
    """Sales of two years with returns, copies, test orders and late rows, and then the dirty ones."""
    random = np.random.default_rng(8)
    rows = []
    for n in range(900):
        moment = datetime(2022, 5, 1) + timedelta(minutes=int(random.integers(0, 750 * 1440)))
        amount = f"{random.gamma(2, 20):.2f}"
        rows.append(
            {
                "client": f"c{random.integers(0, N_CUSTOMERS)}",
                "created": f"{moment:%Y-%m-%d %H:%M:%S}",
                "total": f"-{amount}" if n % 17 == 0 else amount,
                "order_no": f"o{n // 2}" if n % 5 else "",
                "quantity": "1" if n % 11 else "-1",
                "test": "yes" if n % 97 == 0 else "",
                "stored": f"{moment + timedelta(days=n % 3):%Y-%m-%dT%H:%M:%SZ}",
                "money": "EUR" if n % 23 == 0 else "usd" if n % 29 == 0 else "USD",
            }
        )
    rows += rows[100:110]
    dirty = {"order_no": "dirty", "quantity": "1", "test": "", "stored": "2024-05-01T00:00:00Z", "money": "USD"}
    return rows + [{"client": c, "created": d, "total": t, **dirty} for c, d, t in _DIRTY_SALES]


def write_lake(folder: Path) -> None:
    """Transactions as two CSV files, events as JSON lines, customers as a folder of Parquet, rates as CSV."""
    rows = sales_rows()
    names = list(rows[0])
    for number, part in enumerate((rows[:400], rows[400:])):
        lines = [names, *([row[name] for name in names] for row in part)]
        text = "\n".join(";".join(_quoted(value) for value in line) for line in lines)
        (folder / f"sales-{number}.csv").write_text(text + "\n", encoding="utf-8")
    with (folder / "events.jsonl").open("w", encoding="utf-8") as file:
        for n in range(300):
            event = {"customer_id": f"c{n % 70}", "occurred_at": 1_650_000_000_000 + n * 86_400_000, "event_type": "visit"}
            if n % 10 == 0:
                event = {**event, "event_type": "nps", "value": n % 13}
            if n % 50 == 3:
                event = {**event, "occurred_at": "soon"}
            file.write(json.dumps(event) + "\n")
    (folder / "customers").mkdir()
    for number, ids in enumerate((range(50), range(30, 65))):
        pq.write_table(_customers([*ids], number), folder / "customers" / f"part-{number}.parquet")
    (folder / "rates.csv").write_text(
        "currency,valid_from,rate\nEUR,2022-01-01,1.05\nEUR,2023-06-01,1.09075\n", encoding="utf-8"
    )


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"' if any(sign in value for sign in '";,\n') else value


def _customers(ids: list[int], number: int) -> pa.Table:
    n = len(ids)
    return pa.table(
        {
            "customer_id": [f"c{each}" if each % 20 else None for each in ids],
            "signed_up_at": pa.array(
                [datetime(2022, 1, 1) + timedelta(days=each) for each in ids], pa.timestamp("us", "UTC")
            ),
            "acquisition_cost": pa.array([each * 1.00015 if each % 7 else None for each in ids], pa.float64()),
            "postcode": [f"0{each}" for each in ids],
            "points": [str(each * 3 + number) for each in ids],
            "score": pa.array([each / 3 if each % 9 else float("nan") for each in ids]),
            "is_vip": [each % 2 == 0 for each in ids],
            "birthday": pa.array([datetime(1980, 1, 1).date()] * n),
            "consent_email": ["yes" if each % 3 else None for each in ids],
        }
    )


SALES = Reading(
    timezone="Europe/Kyiv",
    columns={
        "customer_id": "client",
        "occurred_at": "created",
        "amount": "total",
        "order_id": "order_no",
        "is_test": "test",
        "recorded_at": "stored",
        "currency": "money",
    },
)
EVENTS = Reading(timezone="UTC", datetime_format="epoch_ms")
CUSTOMERS = Reading(timezone="UTC")
RATES = Reading(timezone="UTC")
