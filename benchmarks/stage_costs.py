"""What each step of the loop takes, on DuckDB and on Spark: the commands that a user runs, one after the other.

A base of ``purchases.py`` is taken from its file to the report. Each step is a process of its own, the start of Python (and
of Spark) included, and reads what the step before it left; ``features of one date`` is what a nightly run needs of the
features, ``features`` computes the training dates as well. Spark is a session of two threads on this machine, so its figures
tell what a core of a cluster does, start of Java and all, not what the network costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import yaml

from costs import Cost, cost_of
from cvm.stages.order import STAGES
from cvm.stages.warehouse import ON_SPARK
from purchase_bases import purchases_file

ENGINES = ("duckdb", "spark")
ONE_DATE = "features of one date"
# What a base of 100 million customers and 10 billion rows is in millions of customers of ten rows: for steps that go through
# rows, and for those that go through customers. Spark alone is for such bases; it trains on a sample, which does not grow.
_BY_ROWS, _BY_CUSTOMERS = 1_000, 100
_GROWS_WITH = {"ingest": _BY_ROWS, ONE_DATE: _BY_ROWS, "features": _BY_ROWS, "kpis": _BY_ROWS, "train": 0}
_LOCAL_SPARK = {
    "master": "local[2]",
    "settings": {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "6g",
        "spark.sql.shuffle.partitions": "8",
    },
}


def steps(engine: str) -> list[str]:
    """Commands of the loop that an engine does, in their order, with the features of one date before those of all.

    The first model is champion without ``promote``, which compares a later one with it on what is on file.
    """
    commands = [name for name in STAGES if name != "promote" and (engine == "duckdb" or name in ON_SPARK)]
    place = commands.index("features")
    return [*commands[:place], ONE_DATE, *commands[place:]]


def workspace(folder: Path, engine: str, *, millions: float) -> Path:
    """Folder with params for one engine and a base of so many customers."""
    found = folder / f"stages-{engine}-{millions:g}"
    if not (found / "params.yaml").is_file():
        found.mkdir(exist_ok=True)
        params = {
            "data": {"transactions": {"path": str(purchases_file(folder, millions=millions).resolve())}},
            "business": {"timezone": "UTC"},
            "scoring": {"reasons_share": 0.1},
            "engine": engine,
        }
        if engine == "spark":
            params |= {"spark": _LOCAL_SPARK, "identity": {"match": []}}
        (found / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    return found


def step_cost(folder: Path, engine: str, step: str, *, millions: float) -> Cost:
    """Of one of the ``steps``, after those before it."""
    own = workspace(folder, engine, millions=millions)
    if step == ONE_DATE:
        return one_snapshot_cost(own, own / "one_date" / "features.parquet")
    return cost_of(["-m", "cvm", step, "--params", own / "params.yaml", "-q"])


def one_snapshot_cost(base: Path, path: Path) -> Cost:
    """Of the features of one date of a base, into a file."""
    return cost_of([Path(__file__).with_name("one_snapshot.py"), base, path])


def line(seconds: Mapping[float, float]) -> tuple[float, float]:
    """What a step takes whatever the base, and what a further million customers takes: the line through what was measured.

    Parameters
    ----------
    seconds : mapping of float to float
        Millions of customers to seconds; of one size alone nothing is taken to be constant.
    """
    if len(seconds) < 2:
        [(millions, taken)] = seconds.items()
        return 0.0, taken / millions
    further, constant = np.polyfit(list(seconds), list(seconds.values()), 1)
    return float(constant), float(further)


def projected_core_hours(step: str, seconds: Mapping[float, float]) -> float:
    """Core hours of a step of Spark for 100 M customers and 10 B rows if it goes on so; ``seconds`` as for ``line``."""
    constant, further = line(seconds)
    factor = _GROWS_WITH.get(step, _BY_CUSTOMERS)
    return (seconds[max(seconds)] if factor == 0 else constant + factor * further) / 3600
