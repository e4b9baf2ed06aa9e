"""What a served model answers: features in, score columns out. ``cvm.tracking.served_models`` hands it to MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cvm.models.bundle import Bundle, read_bundle
from cvm.scoring.request import checked_request, rows_by_date
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.scoring.score import score_table

_NUMBERS = [field.name for field in SCORE_SCHEMA if str(field.type) == "double"]


class ScoringModel:
    """Scores features with one bundle.

    Nulls of the answer are ``None``, never NaN: a scoring server must answer in valid JSON. Dates are ISO text.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, features: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002
        """Scores of the rows of ``features``, in their order.

        Parameters
        ----------
        features : DataFrame of shape (n_customers, ...)
            ``customer_id``, ``as_of`` (ISO date) and the bundle's features.
        params : dict, optional
            Unused; part of MLflow's interface.

        Raises
        ------
        FeatureMismatchError
            If the features do not fit the bundle.
        """
        # The copy lays columns of one type side by side; what follows is then twice as fast on a few rows.
        features = checked_request(self.bundle, features).copy()
        if features.empty:
            return pd.DataFrame(columns=SCORE_SCHEMA.names, dtype=object)
        # Values that no customer has may overflow on the way; what comes of that is null.
        with np.errstate(all="ignore"):
            answers = [
                score_table(self.bundle, rows, as_of=as_of)
                .to_pandas(date_as_object=True, integer_object_nulls=True)
                .set_index(rows.index)
                for as_of, rows in rows_by_date(features)
            ]
        frame = pd.concat(answers).loc[features.index] if len(answers) > 1 else answers[0]
        numbers = frame[_NUMBERS].to_numpy(float)
        frame[_NUMBERS] = np.where(np.isfinite(numbers), numbers, np.nan)
        frame["expected_next_order_date"] = frame["expected_next_order_date"].map(
            lambda day: day.isoformat(), na_action="ignore"
        )
        frame["reasons"] = frame["reasons"].map(list, na_action="ignore")
        # To object last: any other type would turn None into NaN again.
        frame = frame.astype(object)
        return frame.where(frame.notna(), None)


def _load_pyfunc(path: str) -> ScoringModel:
    """Called by MLflow for models that were registered before errors became answers of the server."""
    return ScoringModel(read_bundle(Path(path)))
