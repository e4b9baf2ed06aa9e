"""Bases of ``purchases.py`` for measurements: as files, ingested, with features, and a model with boosters to score them.

Everything is made once and kept in the folder given. A base holds transactions alone; its warehouse is what `cvm ingest`
would store. The model is one of churn and one of value with boosters: on such bases they win (``purchases.py``), and a
baseline that won would be refused, because it would make scores cheaper than those of a real base.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from costs import cost_of
from cvm.features.files import features_file
from cvm.models.bundle import read_bundle
from purchases import LAST_DAY, write_purchases

_MODEL_CUSTOMERS, _MODEL_SEED = 20_000, 9
_PARAMS = "data: {transactions: {path: purchases.parquet}}\nbusiness: {timezone: UTC}\n"


def purchases_file(folder: Path, *, millions: float) -> Path:
    """Parquet file of the purchases of so many customers, in a folder of the base's own."""
    found = folder / f"base-{millions:g}" / "purchases.parquet"
    if not found.is_file():
        part = found.with_suffix(".part")
        write_purchases(part, n_customers=round(millions * 1e6))
        part.rename(found)
    return found


def base(folder: Path, *, millions: float) -> Path:
    """Folder of a base of so many customers, with params and the warehouse that holds its purchases."""
    purchases = purchases_file(folder, millions=millions)
    found = purchases.parent
    if not (found / "outputs" / "warehouse.duckdb").is_file():
        (found / "params.yaml").write_text(_PARAMS, encoding="utf-8")
        (found / "outputs").mkdir(exist_ok=True)
        building = found / "building.duckdb"
        building.unlink(missing_ok=True)
        with duckdb.connect(str(building)) as connection:
            rows = f"SELECT * REPLACE (CAST(amount AS DECIMAL(18, 4)) AS amount) FROM '{purchases}'"
            connection.execute(f"CREATE TABLE transactions AS {rows}")
        building.rename(found / "outputs" / "warehouse.duckdb")
    return found


def snapshot_file(base: Path) -> Path:
    """Where features of a base at the end of its purchases are, for `cvm score` to find them."""
    return features_file(base / "outputs" / "features", LAST_DAY)


def model(folder: Path, *, n_customers: int = _MODEL_CUSTOMERS) -> Path:
    """Bundle of a model that learned from a base of its own.

    Raises
    ------
    SystemExit
        If boosters won neither churn nor value: there would be no trees to score with.
    """
    found = folder / f"model-{n_customers}"
    bundle = found / "models" / "champion"
    if not (found / "done").is_file():
        write_purchases(found / "purchases.parquet", n_customers=n_customers, seed=_MODEL_SEED)
        (found / "params.yaml").write_text(_PARAMS, encoding="utf-8")
        for command in ("ingest", "features", "train"):
            cost_of(["-m", "cvm", command, "--params", found / "params.yaml", "-q"])
        read = read_bundle(bundle)
        if baselines := [winner.name for winner in (read.churn, read.value) if not winner.boosters]:
            raise SystemExit(f"{' and '.join(baselines)} won on the base of the model: scores would need no trees.")
        (found / "done").touch()
    return bundle


def score_command(base: Path, bundle: Path, *, reasons_share: float) -> list[object]:
    """Arguments for Python that score the snapshot of a base, with reasons for so many of the likeliest to leave."""
    settings = {"windows.as_of": LAST_DAY, "scoring.reasons_share": reasons_share}
    given = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return ["-m", "cvm", "score", "--params", base / "params.yaml", "--bundle", bundle, "-q", *given]
