"""A served model that takes a customer's raw history, computes the features by the catalogue's SQL, and scores them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from cvm.engines import QueryError
from cvm.errors import BundleError, HistoryError
from cvm.features.raw_features import RawFeatures
from cvm.models.bundle import Bundle
from cvm.scoring.pyfunc import ScoringModel
from cvm.scoring.request import checked_rows, rows_by_date

# Column of a request to the table it fills.
TABLE_OF = {"transactions": "transactions", "events": "events", "customer": "customers", "subscriptions": "subscriptions"}


class HistoryModel:
    """Scores raw histories with one bundle.

    Raises
    ------
    BundleError
        If the bundle does not tell how its features are computed.
    """

    def __init__(self, bundle: Bundle) -> None:
        if bundle.raw is None:
            raise BundleError(
                f"The bundle {bundle.model_version} does not tell how its features are computed from a raw history: it was "
                "trained on features of an earlier cvm. Run `cvm features` and `cvm train`, or serve the model of features."
            )
        self.bundle = bundle
        self._scoring = ScoringModel(bundle)
        self._features = RawFeatures(bundle.raw)
        self._cells = {column: table for column, table in TABLE_OF.items() if table in bundle.raw.columns}

    def predict(self, histories: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """Scores of the customers of ``histories``, in their order.

        Parameters
        ----------
        histories : DataFrame of shape (n_customers, ...)
            ``customer_id``, ``as_of`` (ISO date), ``transactions`` (array of objects with ``occurred_at``, ``amount`` and
            the optional columns of the canonical table), and optionally ``events`` and ``subscriptions`` (arrays of
            objects), ``customer`` (one object), ``previous_segment``, and the bundle's own features (``own_...``) as they
            are. What happened at ``as_of`` or later is not looked at.
        params : dict, optional
            Unused; part of MLflow's interface.

        Raises
        ------
        FeatureMismatchError
            If ids or dates are not what they must be.
        HistoryError
            Names row and column of what cannot be read, or the row whose whole history lies at or after its ``as_of``.
        """
        histories = checked_rows(histories)
        if "transactions" not in histories:
            raise HistoryError("The request lacks ['transactions'], an array of objects; [] for who never bought.")
        if histories.empty:
            return self._scoring.predict(histories)
        try:
            found = [self._at(as_of, rows) for as_of, rows in rows_by_date(histories)]
        except QueryError:  # its message may hold values of the request
            raise HistoryError(
                "The history cannot be computed with: it is larger than one request may be, or its sums are larger than "
                "any business has. Send fewer customers at once, and amounts in their currency."
            ) from None
        return self._scoring.predict(pd.concat(found).loc[histories.index])

    def _at(self, as_of: Any, rows: pd.DataFrame) -> pd.DataFrame:
        """Features of the rows of one date, and the columns that pass as they are."""
        cells = {
            table: dict(zip(rows.index.tolist(), rows[column].tolist(), strict=True))
            for column, table in self._cells.items()
            if column in rows
        }
        features = self._features.at(as_of, cells, rows.index.tolist())
        asked = {"customer_id", "as_of", "previous_segment", *(feature.name for feature in self.bundle.features)}
        passed = [name for name in rows if name in asked and name not in features]
        return pd.concat([rows[passed], features], axis=1)
