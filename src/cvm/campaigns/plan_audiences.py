"""One plain list of customers per campaign, arm and channel."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pyarrow as pa

from cvm.workspace import replaced_directory


def write_lists(rows: pa.Table, folder: Path) -> tuple[Path, ...]:
    """Write ``rows`` (``campaign_id``, ``customer_id``, ``arm``, ``channel``) to CSV files, and say which."""
    names: dict[tuple[str, str, str], list[str]] = {}
    for row in rows.select(["campaign_id", "arm", "channel", "customer_id"]).to_pylist():
        names.setdefault((row["campaign_id"], row["arm"], row["channel"]), []).append(row["customer_id"])
    files = []
    with replaced_directory(folder) as target:
        for number, (key, ids) in enumerate(names.items(), start=1):
            name = f"{number:02d}-{re.sub(r'[^A-Za-z0-9_-]+', '_', '-'.join(key))[:80]}.csv"
            with (target / name).open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([["customer_id"], *([one] for one in ids)])
            files.append(folder / name)
    return tuple(files)
