"""Snapshots of some customers, out of snapshots of all: what one machine can train boosters on.

Customers are drawn once, by a hash of their ids within strata of how often and how lately they ordered, and are the same at
all snapshots. Every stratum is there in its share of the base, so that what is counted in the sample needs no weights; rare
kinds, such as frequent buyers, are there in proportion and not by luck.

What can be had of everybody at little cost is: orders by day, renewals, and the histories that BTYD is fitted to, grouped.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from cvm.engines import Engine
from cvm.features.files import (
    NOTES_FILE,
    SAMPLE_FILE,
    calendar_file,
    features_file,
    histories_file,
    order_values_file,
    outcome_file,
    read_notes,
    renewals_file,
    treatments_file,
)
from cvm.features.snapshots import SnapshotPlan
from cvm.workspace import replaced_directory

# Mean order values that differ by less than this, relatively, are counted together: Gamma-Gamma then errs by its square.
_BIN = 1e-3
# Customers with more orders are one kind.
_MANY_ORDERS = 64


@dataclass(frozen=True)
class Sampled:
    """How many customers there are, and how many of them are in the sample."""

    n_customers: int
    n_sampled: int

    @property
    def note(self) -> str:
        """One sentence for the reader of a run; none where everybody is in it."""
        if self.n_sampled == self.n_customers:
            return ""
        return (
            f"Boosters learn from, and models are judged on, a sample of {self.n_sampled:,} of {self.n_customers:,} "
            "customers (spark.sample_customers); BTYD learns from everybody."
        )


def write_sample(
    engine: Engine,
    source: Path,
    folder: Path,
    plan: SnapshotPlan,
    *,
    size: int,
    progress: Callable[[str], None] = lambda _: None,
) -> Sampled:
    """Write the snapshots of a sample in the place of ``folder``, laid out as the features stage does.

    Parameters
    ----------
    engine : Engine
    source : Path
        Folder of the features stage, of all customers.
    folder : Path
        Replaced as a whole.
    plan : SnapshotPlan
        Of ``source``.
    size : int
        Customers to draw; everybody where there are no more.
    progress : callable
        Told in words what is being done.
    """
    engine.show_parquet("everybody", features_file(source, plan.score))
    engine.replace_table("drawn_customers", _drawn(engine, size=size, horizon_days=plan.horizon_days))
    found = Sampled(_count(engine, "everybody"), _count(engine, "drawn_customers"))
    is_sample = found.n_sampled < found.n_customers
    with replaced_directory(folder) as target:
        for as_of in plan.as_of:
            progress(f"sample of {found.n_sampled:,} customers at {as_of}")
            features_file(target, as_of).parent.mkdir()
            _write_theirs(engine, features_file(source, as_of), features_file(target, as_of))
            if is_sample:
                _write_grouped(engine, source, target, as_of)
            for file in (calendar_file, renewals_file):
                _copy(file(source, as_of), file(target, as_of))
        for as_of, horizon_days in plan.outcomes:
            for outcome in (outcome_file, treatments_file):
                _write_theirs(engine, outcome(source, as_of, horizon_days), outcome(target, as_of, horizon_days))
        for path in source.iterdir():
            if path.is_file():
                _copy(path, target / path.name)
        notes = [*read_notes(source), *([found.note] if found.note else [])]
        (target / NOTES_FILE).write_text(json.dumps(notes, indent=1) + "\n", encoding="utf-8")
        if is_sample:
            (target / SAMPLE_FILE).write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    engine.execute("DROP TABLE drawn_customers")
    return found


def _drawn(engine: Engine, *, size: int, horizon_days: int) -> str:
    """A query of the ids drawn: those of the lowest hashes in every stratum."""
    n = _count(engine, "everybody")
    if n <= size:
        return "SELECT customer_id FROM everybody"
    lately = f"CAST(floor(least(coalesce(recency_days, 0), {4 * horizon_days}) * {2 / horizon_days!r}) AS INTEGER)"
    often = f"CAST(floor(log2(1 + least(coalesce(n_orders, 0), {_MANY_ORDERS}))) AS INTEGER)"
    return (
        "SELECT customer_id FROM (SELECT customer_id, count(*) OVER (PARTITION BY often, lately) AS n, "
        "row_number() OVER (PARTITION BY often, lately ORDER BY md5(customer_id), customer_id) AS place "
        f"FROM (SELECT customer_id, {often} AS often, {lately} AS lately FROM everybody) AS customer) AS placed "
        f"WHERE place <= ceil(n * {size / n!r})"
    )


def _write_theirs(engine: Engine, source: Path, target: Path) -> None:
    """The rows of those drawn."""
    engine.show_parquet("rows_of_all", source)
    engine.write_parquet(
        "SELECT * FROM rows_of_all WHERE customer_id IN (SELECT customer_id FROM drawn_customers) ORDER BY customer_id",
        target,
    )


def _write_grouped(engine: Engine, source: Path, target: Path, as_of: date) -> None:
    """Histories and order values of everybody, customers that BTYD cannot tell apart counted together."""
    engine.show_parquet("buyers", features_file(source, as_of))
    engine.write_parquet(
        "SELECT n_orders, tenure_days, recency_days, CAST(count(*) AS DOUBLE) AS n_customers FROM buyers WHERE n_orders > 0 "
        "GROUP BY n_orders, tenure_days, recency_days ORDER BY n_orders, tenure_days, recency_days",
        histories_file(target, as_of),
    )
    engine.write_parquet(
        "SELECT n_orders, exp(avg(ln(mean_order_value))) AS mean_order_value, CAST(count(*) AS DOUBLE) AS n_customers "
        "FROM buyers WHERE n_orders > 0 AND mean_order_value > 0 "
        f"GROUP BY n_orders, floor(ln(mean_order_value) / {_BIN}) ORDER BY n_orders, mean_order_value",
        order_values_file(target, as_of),
    )


def _copy(source: Path, target: Path) -> None:
    """A file, or a folder of files that Spark wrote; nothing where there is none."""
    if source.is_dir():
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copyfile(source, target)


def _count(engine: Engine, relation: str) -> int:
    return int(engine.row(f"SELECT count(*) AS n FROM {relation}")["n"])
