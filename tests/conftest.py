"""Shared fixtures. Anything expensive is made once per session and read only."""

from __future__ import annotations

from pathlib import Path

import pytest

import shop

pytest_plugins = ["postgres_server", "prepared_store", "spark_server", "untracked", "work_units"]


@pytest.fixture
def shop_folder(tmp_path: Path) -> Path:
    """A folder with ``transactions.csv`` of the invented shop and a ``params.yaml`` that fits it (horizon 90 days)."""
    shop.purchases().to_csv(tmp_path / "transactions.csv", index=False)
    shop.write_params(
        tmp_path, windows={"horizon_days": 90, "clv_days": 180}, train={"snapshots": 2, "step_days": 30, "seed": 7}
    )
    return tmp_path
