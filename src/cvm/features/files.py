"""Files of the features stage: where they lie and how they are read. Needs no engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvm.errors import MissingOutputError
from cvm.features.catalogue import Feature
from cvm.features.churn import ChurnDefinition
from cvm.features.raw_tables import RawTables
from cvm.features.snapshots import SnapshotPlan

if TYPE_CHECKING:
    import pandas as pd

CATALOGUE_FILE = "catalogue.json"
QUERY_FILE = "features.sql"
PLAN_FILE = "plan.json"
NOTES_FILE = "notes.json"
# Of a folder of some customers alone.
SAMPLE_FILE = "sample.json"
CHURN_FILE = "churn.json"
HISTORY_FILE = "history.json"
# Of the folder of experiments.
EXPERIMENTS_FILE = "experiments.json"
DRAWN_FILE = "drawn.parquet"


def features_file(folder: Path, as_of: date) -> Path:
    """Features of one snapshot: ``as_of``, ``customer_id``, then the catalogue's columns, ordered by ``customer_id``."""
    return folder / f"as_of={as_of.isoformat()}" / "features.parquet"


def outcome_file(folder: Path, as_of: date, horizon_days: int) -> Path:
    """Outcome of one snapshot: ``customer_id``, ``n_orders``, ``revenue``, ``stayed``, of those who ordered or stayed."""
    return folder / f"as_of={as_of.isoformat()}" / f"outcome_{horizon_days}d.parquet"


def treatments_file(folder: Path, as_of: date, horizon_days: int) -> Path:
    """Whom campaigns drew in the outcome window of one snapshot: ``customer_id``, ``is_treated``."""
    return folder / f"as_of={as_of.isoformat()}" / f"treatments_{horizon_days}d.parquet"


def calendar_file(folder: Path, as_of: date) -> Path:
    """Orders by day as known at one snapshot: ``day`` (number since 1970-01-01), ``n_orders``, ``n_joined``."""
    return folder / f"as_of={as_of.isoformat()}" / "calendar.parquet"


def renewals_file(folder: Path, as_of: date) -> Path:
    """How long subscribers stayed as known at one snapshot: ``periods``, ``churned``, ``n_spells``."""
    return folder / f"as_of={as_of.isoformat()}" / "renewals.parquet"


def histories_file(folder: Path, as_of: date) -> Path:
    """Beside the features of some, histories of all: ``n_orders``, ``tenure_days``, ``recency_days``, ``n_customers``."""
    return folder / f"as_of={as_of.isoformat()}" / "histories.parquet"


def order_values_file(folder: Path, as_of: date) -> Path:
    """The same of what they paid: ``n_orders``, ``mean_order_value``, ``n_customers``."""
    return folder / f"as_of={as_of.isoformat()}" / "order_values.parquet"


def read_features(folder: Path, as_of: date) -> pd.DataFrame:
    """Features of all customers known at ``as_of``.

    Raises
    ------
    MissingOutputError
        If the features stage has not written this snapshot.
    """
    return _read_parquet(features_file(folder, as_of), command=f"cvm features --set windows.as_of={as_of}")


def read_outcome(folder: Path, as_of: date, horizon_days: int) -> pd.DataFrame:
    """Outcome of one snapshot, a row per customer who ordered or stayed.

    Raises
    ------
    MissingOutputError
        If the features stage has not written it.
    """
    return _read_parquet(outcome_file(folder, as_of, horizon_days), command="cvm features")


def read_labelled(folder: Path, as_of: date, horizon_days: int) -> pd.DataFrame:
    """Features of all customers known at ``as_of``, and what came of them: a table to learn from, or to judge by.

    Parameters
    ----------
    folder : Path
        Output of the features stage.
    as_of : date
        One of its snapshots.
    horizon_days : int
        Length of the outcome window.

    Returns
    -------
    DataFrame of shape (n_customers, ...)
        As ``read_features``, with ``outcome_orders`` and ``outcome_revenue`` at its end: 0 where nothing was ordered.

    Raises
    ------
    MissingOutputError
        If the features stage has not written the snapshot, or not that outcome of it.
    """
    features, outcome = read_features(folder, as_of), read_outcome(folder, as_of, horizon_days)
    followed = outcome.set_index("customer_id")[["n_orders", "revenue"]].reindex(features["customer_id"]).fillna(0.0)
    n_orders, revenue = (followed[name].to_numpy(float) for name in ("n_orders", "revenue"))
    return features.assign(outcome_orders=n_orders, outcome_revenue=revenue)


def read_treatments(folder: Path, as_of: date, horizon_days: int) -> pd.DataFrame:
    """Whom campaigns drew in the outcome window of one snapshot, a row per customer; empty where none ran.

    Raises
    ------
    MissingOutputError
        If the features stage has not written it.
    """
    return _read_parquet(treatments_file(folder, as_of, horizon_days), command="cvm features")


def read_calendar(folder: Path, as_of: date) -> pd.DataFrame:
    """Orders by day as known at one snapshot, days without one left out.

    Raises
    ------
    MissingOutputError
        If the features stage has not written it.
    """
    return _read_parquet(calendar_file(folder, as_of), command="cvm features")


def read_renewals(folder: Path, as_of: date) -> pd.DataFrame | None:
    """How long subscribers stayed as known at one snapshot; ``None`` where there are no subscriptions.

    Raises
    ------
    MissingOutputError
        If the file is damaged.
    """
    path = renewals_file(folder, as_of)
    return _read_parquet(path, command="cvm features") if path.exists() else None


def read_grouped(folder: Path, as_of: date) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Histories and order values of all customers, grouped; ``None`` where the features themselves are of all of them.

    Raises
    ------
    MissingOutputError
        If a file is damaged.
    """
    paths = histories_file(folder, as_of), order_values_file(folder, as_of)
    if not all(path.exists() for path in paths):
        return None
    histories, order_values = (_read_parquet(path, command="cvm features") for path in paths)
    return histories, order_values


def read_drawn(folder: Path) -> pd.DataFrame:
    """Who was drawn in past campaigns: ``campaign_id``, ``customer_id``, ``as_of``, ``arm`` and ``margin``, the outcome.

    Raises
    ------
    MissingOutputError
        If the features stage has not written it.
    """
    return _read_parquet(folder / DRAWN_FILE, command="cvm features")


def read_experiments(folder: Path) -> dict[str, Any]:
    """The campaigns to learn from, as ``features.experiments.Experiments`` has them; nothing where none were written.

    Raises
    ------
    MissingOutputError
        If the file is damaged.
    """
    if not (folder / EXPERIMENTS_FILE).is_file():
        return {"outcome_days": 0, "campaigns": [], "notes": []}
    with _undamaged(folder / EXPERIMENTS_FILE) as state:
        return {name: state[name] for name in ("outcome_days", "campaigns", "notes")}


def read_churn_definition(folder: Path) -> ChurnDefinition:
    """What churn meant to the features stage; no order in the outcome window where it left no word.

    Raises
    ------
    MissingOutputError
        If the file is damaged.
    """
    if not (folder / CHURN_FILE).is_file():
        return ChurnDefinition()
    with _undamaged(folder / CHURN_FILE) as state:
        return ChurnDefinition.from_state(state)


def read_raw_tables(folder: Path) -> RawTables | None:
    """What turns raw rows into the features on file; ``None`` where the features stage left no word.

    Raises
    ------
    MissingOutputError
        If the file is damaged.
    """
    if not (folder / HISTORY_FILE).is_file():
        return None
    with _undamaged(folder / HISTORY_FILE) as state:
        return RawTables.from_state(state)


def read_plan(folder: Path) -> SnapshotPlan:
    """The plan of the features on file.

    Raises
    ------
    MissingOutputError
        If the features stage has not run.
    """
    with _undamaged(folder / PLAN_FILE) as values:
        return SnapshotPlan(
            **values
            | {
                "score": date.fromisoformat(values["score"]),
                "test": date.fromisoformat(values["test"]) if values["test"] else None,
                "training": tuple(date.fromisoformat(day) for day in values["training"]),
                "labelled": tuple(date.fromisoformat(day) for day in values["labelled"]),
                "first_day": date.fromisoformat(values["first_day"]),
            }
        )


def read_catalogue(folder: Path) -> list[Feature]:
    """The catalogue of the features on file.

    Raises
    ------
    MissingOutputError
        If the features stage has not run.
    """
    with _undamaged(folder / CATALOGUE_FILE) as entries:
        return [
            Feature(**{**entry, "windows": tuple(entry["windows"]), "needs": tuple(entry["needs"])}) for entry in entries
        ]


def read_notes(folder: Path) -> list[str]:
    """What the features stage warned of; nothing where it left no word.

    Raises
    ------
    MissingOutputError
        If the file is damaged.
    """
    if not (folder / NOTES_FILE).is_file():
        return []
    with _undamaged(folder / NOTES_FILE) as notes:
        return [str(note) for note in notes]


@contextmanager
def _undamaged(path: Path) -> Iterator[Any]:
    """The JSON in ``path``; what cannot be read or made sense of inside the block is an output to make again."""
    if not path.is_file():
        raise MissingOutputError.from_stage(path, command="cvm features")
    try:
        yield json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise MissingOutputError.from_damage(path, command="cvm features") from error


def _read_parquet(path: Path, *, command: str) -> pd.DataFrame:
    if not path.exists():
        raise MissingOutputError.from_stage(path, command=command)
    import pandas as pd  # takes long to import, and who writes features needs none

    try:
        return pd.read_parquet(path, partitioning=None)
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        raise MissingOutputError.from_damage(path, command=command) from error
