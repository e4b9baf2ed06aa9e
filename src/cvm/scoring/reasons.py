"""The three strongest drivers of each customer's churn, for the scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cvm.models.attribution import attribute_churn, by_theme
from cvm.models.bundle import Bundle
from cvm.models.churn import BtydChurn
from cvm.models.reference import Contributions, Outlook
from cvm.models.samples import is_judged
from cvm.models.themes import theme_of
from cvm.scoring.schema import REASONS
from cvm.scoring.sentences import Described, Fact, Value, sentence

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

MAX_REASONS = 3
# Contributions are on the scale of the logit; this one moves a probability by half a point at most, which is no reason.
_LEAST = 0.02
# A hundred features of so many customers take 20 MB.
_CHUNK = 25_000


@dataclass(frozen=True)
class Drivers:
    """The strongest fields of each customer, strongest first; arrays of shape (n_customers, up to 3).

    Attributes
    ----------
    field : array of int
        Position in the fields of the contributions; -1 where nothing more drives.
    raises : array of bool
        Whether its theme raises churn.
    """

    field: Positions
    raises: NDArray[np.bool_]


def reasons(bundle: Bundle, features: pd.DataFrame, *, as_of: date) -> pa.Array:
    """Up to three reasons for each customer's churn probability.

    Parameters
    ----------
    bundle : Bundle
    features : DataFrame of shape (n_customers, ...)
        As ``score`` checked them.
    as_of : date

    Returns
    -------
    pyarrow.Array of shape (n_customers,)
        Lists of (feature, value, direction, sentence), strongest first; null for customers without an order.
    """
    outlook = Outlook(bundle.btyd, bundle.horizon_days, bundle.lead_days, as_of)
    parts = [
        pa.array(_of_part(bundle, features.iloc[start : start + _CHUNK].reset_index(drop=True), outlook), type=REASONS)
        for start in range(0, len(features), _CHUNK)
    ]
    return pa.chunked_array(parts, type=REASONS).combine_chunks()


def strongest(contributions: Contributions, known: pd.DataFrame) -> Drivers:
    """The strongest theme, then the next ones, each by the field that speaks loudest for its direction.

    Parameters
    ----------
    contributions : Contributions
    known : DataFrame of shape (n_customers, ...)
        Features; of a theme's fields one that the customer has is preferred.
    """
    themes, totals = by_theme(contributions)
    order = np.argsort(-np.abs(totals), axis=1, kind="stable")[:, :MAX_REASONS]
    total = np.take_along_axis(totals, order, axis=1)
    fields = np.full(order.shape, -1, dtype=np.intp)
    for position, theme in enumerate(themes):
        members = np.array([i for i, name in enumerate(contributions.fields) if theme_of(name) == theme])
        row, rank = np.nonzero((order == position) & (np.abs(total) >= _LEAST))
        if len(row):
            loudness = contributions.added[np.ix_(row, members)] * np.sign(total[row, rank])[:, None]
            unknown = known.iloc[row].reindex(columns=[contributions.fields[i] for i in members]).isna().to_numpy()
            loudness[unknown] = -np.inf
            fields[row, rank] = members[np.argmax(loudness, axis=1)]
    return Drivers(fields, total > 0)


def _of_part(bundle: Bundle, features: pd.DataFrame, outlook: Outlook) -> list[list[dict[str, object]] | None]:
    found: list[list[dict[str, object]] | None] = [None] * len(features)
    judged = is_judged(features, bundle.eligible_days)
    left_to_btyd = (features["n_orders"] > 0).to_numpy() & ~judged
    for model, rows in ((bundle.churn, np.flatnonzero(judged)), (BtydChurn(), np.flatnonzero(left_to_btyd))):
        if len(rows):
            known = outlook.predict(features.iloc[rows].reset_index(drop=True))
            contributions = attribute_churn(model, known, outlook, bundle.reference)
            for row, of_customer in zip(rows.tolist(), _worded(bundle, known, contributions), strict=True):
                found[row] = of_customer
    return found


def _worded(bundle: Bundle, known: pd.DataFrame, contributions: Contributions) -> list[list[dict[str, object]]]:
    drivers = strongest(contributions, known)
    columns = {str(name): column.to_numpy() for name, column in known.items()}
    base = {
        feature.name: Described(feature.unit, feature.meaning, bundle.reference.typical.get(feature.name))
        for feature in bundle.features
    }
    worded = []
    for row, (fields, raises) in enumerate(zip(drivers.field.tolist(), drivers.raises.tolist(), strict=True)):
        of = _lookup(columns, row)
        of_customer: list[dict[str, object]] = []
        for field, rising in zip(fields, raises, strict=True):
            if field >= 0:
                name = contributions.fields[field]
                value = of(name)
                of_customer.append(
                    {
                        "feature": name,
                        "value": value if isinstance(value, float) else None,
                        "direction": "raises" if rising else "lowers",
                        "sentence": sentence(Fact(name, value, rising, of, base, bundle.currency)),
                    }
                )
        worded.append(of_customer)
    return worded


def _lookup(columns: dict[str, NDArray[np.generic]], row: int) -> Callable[[str], Value]:
    def of(name: str) -> Value:
        if name not in columns:
            return None
        value = columns[name][row]
        if isinstance(value, str):
            return value
        return None if pd.isna(value) else float(value)

    return of
