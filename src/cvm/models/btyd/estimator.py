"""Purchase process and spend as an estimator of scikit-learn, for histories that no pipeline of ours has made."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._set_output import _get_output_config  # which has no public name
from sklearn.utils.validation import validate_data

from cvm.errors import FeatureMismatchError, ParamsError
from cvm.frames import like_rows, pandas_frame
from cvm.models.btyd.clv import clv_per_horizon_revenue
from cvm.models.btyd.distinct import Floats
from cvm.models.btyd.families import FAMILIES
from cvm.models.btyd.histories import check_histories
from cvm.models.btyd.model import BTYD_COLUMNS, Btyd, btyd_revenue
from cvm.models.choices import Family
from cvm.models.estimators import check_fitted, check_number, is_frame, refused_by_scikit_learn

HISTORY_COLUMNS = ("n_orders", "recency_days", "tenure_days", "mean_order_value")


class BuyTillYouDie(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """How often customers will order until they silently stop, and for how much, from their order histories alone.

    A purchase process for the orders and Gamma-Gamma for their value, by maximum likelihood; no outcome is needed. ``score``
    is a log-likelihood, so a grid search over ``family`` picks the process that foretells unseen customers best. The models
    of ``cvm run`` add season, hindsight and boosted trees to this.

    Parameters
    ----------
    family : {"bg_nbd", "mbg_nbd", "pareto_nbd"}
        Purchase process.
    horizon_days : float, > 0
        Length of the window, from the snapshot on, that ``predict`` and ``transform`` are about.
    allow_constant_amount : bool
        Accept a base in which every order has the same value.

    Attributes
    ----------
    btyd_ : Btyd
        What was fitted.
    parameters_ : dict of str to float
        Of the process and of the spend, by the names of the papers.
    n_features_in_ : int
        4.
    feature_names_in_ : array of shape (4,)
        The columns used, where ``X`` was a frame.

    Notes
    -----
    ``X`` is a pandas or Polars frame or an Arrow table, a row per customer, with the columns ``n_orders``, ``recency_days``
    (since the last order), ``tenure_days`` (since the first) and ``mean_order_value``, as ``cvm.order_histories`` gives
    them; others are not looked at. Or it is an array of shape (n_customers, 4) of these columns in this order. Customers
    without an order (``n_orders`` 0, the rest null) teach nothing, and nothing is foretold of them: null.

    References
    ----------
    Fader, Hardie and Lee (2005), "Counting your customers the easy way", Marketing Science 24(2), 275-284; Fader and Hardie
    (2013), "The Gamma-Gamma model of monetary value", brucehardie.com/notes/025; ``docs/models.md`` for the others.

    Examples
    --------
    >>> import cvm
    >>> from cvm.datasets.cdnow import cdnow_transactions
    >>> histories = cvm.order_histories(cdnow_transactions().to_pandas())
    >>> model = cvm.BuyTillYouDie(family="pareto_nbd", horizon_days=180).fit(histories)
    >>> round(model.parameters_["r"], 2)
    0.61
    >>> histories.assign(revenue=model.predict(histories)).nlargest(2, "revenue")["customer_id"].tolist()
    ['07592', '14048']
    """

    def __init__(self, family: Family = "bg_nbd", *, horizon_days: float = 365, allow_constant_amount: bool = False) -> None:
        self.family = family
        self.horizon_days = horizon_days
        self.allow_constant_amount = allow_constant_amount

    def fit(self, X: Any, y: object = None) -> Self:  # noqa: ARG002 - of scikit-learn's interface
        """Find the parameters that make the histories likeliest.

        Parameters
        ----------
        X : frame, or array of shape (n_customers, 4)
            See Notes of the class.
        y : object, optional
            Not looked at.

        Raises
        ------
        ParamsError
            If a parameter is out of range.
        FeatureMismatchError
            If a column is missing, is no number, or holds what no history can be.
        InsufficientDataError
            If the base is too small, nobody bought twice, or every order has the same value.
        """
        if not (isinstance(self.family, str) and self.family in FAMILIES):
            raise ParamsError(f"family == {self.family!r}, must be one of {list(FAMILIES)}.")
        self._check_horizon()
        histories = self._histories(X, reset=True)
        self.btyd_ = Btyd.fit(histories, family=self.family, allow_constant_amount=self.allow_constant_amount)
        self.parameters_ = {**self.btyd_.process.state(), **self.btyd_.spend.state()}
        return self

    def predict(self, X: Any) -> Floats:
        """Revenue expected of each customer within ``horizon_days``: array of shape (n_customers,).

        Raises
        ------
        NotFittedError, FeatureMismatchError
        ParamsError
            If ``horizon_days`` was set out of range since.
        """
        expected = self._expected(self._known(X))
        return btyd_revenue(expected)

    def transform(self, X: Any) -> Any:
        """What is expected of each customer within ``horizon_days``, to be features of another model.

        Returns
        -------
        frame of the kind of ``X`` or of ``set_output``, or array, of shape (n_customers, 4)
            P(alive) today, P(no order in the window), orders expected in it, expected value of an order.

        Raises
        ------
        NotFittedError, FeatureMismatchError
        ParamsError
            If ``horizon_days`` was set out of range since.
        """
        expected = self._expected(self._known(X))
        if not is_frame(X) or _get_output_config("transform", self)["dense"] != "default":
            return expected.to_numpy()  # of which scikit-learn makes what set_output asks for
        return like_rows(X, pa.Table.from_pandas(expected, preserve_index=False))

    def clv(self, X: Any, *, clv_days: int = 365, discount_rate_per_year: float = 0.10, margin_rate: float = 1.0) -> Floats:
        """Discounted margin of the next ``clv_days`` of each customer: array of shape (n_customers,).

        Parameters
        ----------
        X : frame, or array of shape (n_customers, 4)
        clv_days : int, >= 1
        discount_rate_per_year : float, >= 0
            0.10 means 10 % a year, month by month.
        margin_rate : float
            Margin per unit of revenue.

        Raises
        ------
        NotFittedError, FeatureMismatchError
        ParamsError
            If ``clv_days``, the discount rate or the margin rate is no number or out of range.
        """
        check_number("clv_days", clv_days, at_least=1)
        check_number("discount_rate_per_year", discount_rate_per_year, at_least=0)
        check_number("margin_rate", margin_rate)
        histories = self._known(X)
        is_buyer = (histories["n_orders"] > 0).to_numpy()
        buyers = histories[is_buyer]
        expected = self.btyd_.predict(buyers, horizon_days=clv_days)
        per_revenue = clv_per_horizon_revenue(
            self.btyd_,
            buyers,
            horizon_days=clv_days,
            lead_days=0,
            clv_days=clv_days,
            discount_rate_per_year=discount_rate_per_year,
        )
        value = np.full(len(histories), np.nan)
        value[is_buyer] = margin_rate * per_revenue * btyd_revenue(expected)
        return value

    def score(self, X: Any, y: object = None) -> float:  # noqa: ARG002 - of scikit-learn's interface
        """Log-likelihood of the order histories per customer with an order, in days: higher is better.

        Raises
        ------
        NotFittedError, FeatureMismatchError
        InsufficientDataError
            If no customer has an order.
        """
        histories = self._known(X)
        return self.btyd_.log_likelihood(histories)

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:  # noqa: ARG002 - as above
        """Names of the columns of ``transform``.

        Raises
        ------
        NotFittedError
        """
        check_fitted(self, "btyd_")
        return np.array(BTYD_COLUMNS, dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.positive_only = True
        return tags

    def _known(self, X: Any) -> pd.DataFrame:
        check_fitted(self, "btyd_")
        return self._histories(X, reset=False)

    def _check_horizon(self) -> None:
        check_number("horizon_days", self.horizon_days, above=0)

    def _expected(self, histories: pd.DataFrame) -> pd.DataFrame:
        self._check_horizon()
        return self.btyd_.predict(histories, horizon_days=self.horizon_days)

    def _histories(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """The four columns of ``X``, checked."""
        if is_frame(X):
            X = _four_columns(pandas_frame("X", X))
        with refused_by_scikit_learn():
            array = validate_data(self, X, reset=reset, dtype=np.float64, ensure_all_finite="allow-nan")
        if array.shape[1] != len(HISTORY_COLUMNS):
            raise FeatureMismatchError(
                f"X has {array.shape[1]} feature(s); pass a frame with the columns {list(HISTORY_COLUMNS)}, or these four "
                "in this order."
            )
        histories = pd.DataFrame(array, columns=list(HISTORY_COLUMNS))
        check_histories(histories)
        return histories


def _four_columns(frame: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in HISTORY_COLUMNS if name not in frame]
    if missing:
        raise FeatureMismatchError(
            f"X lacks the columns {missing}; it has {[str(name) for name in frame.columns]}. "
            "Name them so, or make them of transactions with cvm.order_histories."
        )
    histories = frame[list(HISTORY_COLUMNS)]
    text = [name for name, kind in histories.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    if text:
        raise FeatureMismatchError(
            f"The columns {text} of X must be numbers; they came as {[*map(str, histories[text].dtypes)]}."
        )
    return histories
