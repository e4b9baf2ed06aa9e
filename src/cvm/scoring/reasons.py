"""The three strongest drivers of each customer's churn, for the scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cvm.models.anchor_attribution import Outlook
from cvm.models.attribution import Contributions, attribute_churn, by_theme
from cvm.models.bundle import Bundle
from cvm.models.churn import BtydChurn
from cvm.models.samples import is_judged_for_churn
from cvm.models.themes import theme_of
from cvm.scoring.schema import REASONS
from cvm.scoring.sentences import Described, Fact, Value, sentence

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
_Reason = tuple[str, float | None, str, str]

MAX_REASONS = 3
# Contributions are on the scale of the logit; this one moves a probability by half a point at most, which is no reason.
_LEAST = 0.02
# A hundred features of so many customers take 40 MB.
_CHUNK = 50_000


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
    outlook = Outlook(bundle.btyd, bundle.horizon_days, bundle.lead_days, as_of, bundle.churn_anchor)
    parts = [
        _of_part(bundle, features.iloc[start : start + _CHUNK].reset_index(drop=True), outlook)
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


def _of_part(bundle: Bundle, features: pd.DataFrame, outlook: Outlook) -> pa.Array:
    found: list[list[_Reason] | None] = [None] * len(features)
    judged = is_judged_for_churn(features, bundle.churn_anchor.definition, bundle.eligible_days)
    left_to_btyd = (features["n_orders"] > 0).to_numpy() & ~judged
    for model, rows in ((bundle.churn, np.flatnonzero(judged)), (BtydChurn(), np.flatnonzero(left_to_btyd))):
        if len(rows):
            known = outlook.predict(features.iloc[rows].reset_index(drop=True))
            contributions = attribute_churn(model, known, outlook, bundle.reference)
            for row, of_customer in zip(rows.tolist(), _worded(bundle, known, contributions), strict=True):
                found[row] = of_customer
    return _as_array(found)


def _worded(bundle: Bundle, known: pd.DataFrame, contributions: Contributions) -> Iterator[list[_Reason]]:
    drivers = strongest(contributions, known)
    customers = _Customers(known)
    base = {
        feature.name: Described(feature.unit, feature.meaning, bundle.reference.typical.get(feature.name))
        for feature in bundle.features
    }
    for row, (fields, raises) in enumerate(zip(drivers.field.tolist(), drivers.raises.tolist(), strict=True)):
        of = partial(customers.value, row)
        of_customer: list[_Reason] = []
        for field, rising in zip(fields, raises, strict=True):
            if field >= 0:
                name = contributions.fields[field]
                value = of(name)
                said = sentence(Fact(name, value, rising, of, base, bundle.currency))
                of_customer.append((name, None if isinstance(value, str) else value, "raises" if rising else "lowers", said))
        yield of_customer


class _Customers:
    """Values of customers by position and feature; columns are looked up when first asked for."""

    def __init__(self, features: pd.DataFrame) -> None:
        self._features = features
        self._columns: dict[str, Callable[[int], Any]] = {}

    def value(self, row: int, name: str) -> Value:
        """A number, a category, or None where missing."""
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self._column(name)
        value: Value = column(row)
        return value if value == value else None  # what does not equal itself is missing

    def _column(self, name: str) -> Callable[[int], Any]:
        if name not in self._features:
            return lambda _: None
        column = self._features[name]
        if pd.api.types.is_numeric_dtype(column):
            return column.to_numpy(float).item
        return column.astype(object).where(column.notna(), None).to_numpy(object).item


def _as_array(found: list[list[_Reason] | None]) -> pa.Array:
    """By columns, because Arrow takes a list of mappings one value at a time."""
    flat = [reason for of_customer in found for reason in of_customer or ()]
    columns = zip(*flat, strict=True) if flat else [()] * 4
    structs = pa.StructArray.from_arrays(
        [pa.array(column, type=field.type) for column, field in zip(columns, REASONS.value_type, strict=True)],
        fields=list(REASONS.value_type),
    )
    ends = np.cumsum([len(of_customer or ()) for of_customer in found])
    is_null = pa.array([of_customer is None for of_customer in found])
    offsets = pa.array(np.concatenate([[0], ends]), type=pa.int32())
    return pa.ListArray.from_arrays(offsets, structs, type=REASONS, mask=is_null)
