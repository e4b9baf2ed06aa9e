"""The bundle as an MLflow pyfunc: features in, score columns out. MLflow calls ``_load_pyfunc`` by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from cvm.errors import FeatureMismatchError
from cvm.models.bundle import Bundle, read_bundle
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.scoring.score import parse_as_of, score


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
        if "as_of" not in features:
            raise FeatureMismatchError("The features lack ['as_of'], the ISO date they were computed at.")
        if features.empty:
            return pd.DataFrame(columns=SCORE_SCHEMA.names, dtype=object)
        features = features.reset_index(drop=True)
        answers = [
            score(self.bundle, rows, as_of=parse_as_of(as_of))
            .to_pandas(date_as_object=True, integer_object_nulls=True)
            .set_index(rows.index)
            for as_of, rows in features.groupby("as_of", sort=False)
        ]
        if sum(len(answer) for answer in answers) < len(features):
            raise FeatureMismatchError("as_of is null in some rows; send the ISO date the features were computed at.")
        frame = pd.concat(answers).loc[features.index]
        frame["expected_next_order_date"] = frame["expected_next_order_date"].map(
            lambda day: day.isoformat(), na_action="ignore"
        )
        frame["reasons"] = frame["reasons"].map(list, na_action="ignore")
        # To object last: any other type would turn None into NaN again.
        frame = frame.astype(object)
        return frame.where(frame.notna(), None)


def _load_pyfunc(path: str) -> ScoringModel:
    return ScoringModel(read_bundle(Path(path)))
