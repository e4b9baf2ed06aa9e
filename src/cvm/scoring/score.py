"""Scoring: one pure function from a bundle and features to scores. Batch job and served model both call it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from cvm.errors import BundleError, FeatureMismatchError
from cvm.frames import Frame, like_rows, pandas_frame
from cvm.models.btyd import BTYD_COLUMNS, btyd_revenue
from cvm.models.btyd.clv import clv_per_horizon_revenue, discounted_days
from cvm.models.btyd.histories import check_histories
from cvm.models.bundle import Bundle
from cvm.models.churn_anchor import holds_subscription
from cvm.models.samples import is_judged
from cvm.scoring.churn import churn_probabilities
from cvm.scoring.reasons import reasons
from cvm.scoring.schema import SCORE_COLUMNS, SCORE_SCHEMA
from cvm.scoring.segmentation import apply_segments
from cvm.scoring.uplift import expected_uplift, uplift_columns
from cvm.segments import Segmentation
from cvm.segments.peers import historic_per_year

Floats = NDArray[np.float64]


def score(bundle: Bundle, features: Frame, *, as_of: date) -> Frame:
    """Churn, value, next order, segment and reasons of every customer.

    Parameters
    ----------
    bundle : Bundle
        Of ``read_bundle``.
    features : pandas or Polars frame, or Arrow table, of shape (n_customers, ...)
        ``customer_id``, the bundle's features (optional ones may be missing), and optionally ``previous_segment``.
    as_of : date
        Snapshot of the features.

    Returns
    -------
    frame of the same kind, of shape (n_customers, 30)
        ``SCORE_COLUMNS``, in the order of ``features``; a pandas frame has its index.

    Raises
    ------
    BundleError
        If ``bundle`` is none.
    SourceError
        If ``features`` is no frame.
    FeatureMismatchError
        If a required column is missing or is not a number, a number is infinite, an id is null or occurs twice, or
        ``as_of`` is no date.

    Examples
    --------
    After ``cvm run``:

    >>> bundle = cvm.read_bundle("models/champion")  # doctest: +SKIP
    >>> features = pd.read_parquet("outputs/features/as_of=1998-07-01/features.parquet")  # doctest: +SKIP
    >>> scores = cvm.score(bundle, features, as_of=date(1998, 7, 1))  # doctest: +SKIP
    >>> scores.nlargest(3, "clv")[["customer_id", "p_churn", "clv", "segment"]]  # doctest: +SKIP
    """
    if not isinstance(bundle, Bundle):
        raise BundleError(f"The bundle is of type {type(bundle).__name__}; read it first, with cvm.read_bundle(folder).")
    return like_rows(features, score_table(bundle, pandas_frame("features", features), as_of=parse_as_of(as_of)))


def score_table(bundle: Bundle, features: pd.DataFrame, *, as_of: date) -> pa.Table:
    """``score`` of a pandas frame, as it is written to disk."""
    features = checked_features(bundle, features)
    _check_finite(bundle, features)
    scores = score_checked(bundle, features, expected_uplift(bundle, features, as_of=as_of), as_of=as_of)
    return with_reasons(scores, reasons(bundle, features, as_of=as_of))


def score_checked(
    bundle: Bundle,
    features: pd.DataFrame,
    uplift: Floats | None,
    *,
    as_of: date,
    segmentation: Segmentation | None = None,
) -> pa.Table:
    """``score`` of ``checked_columns``, given their ``expected_uplift``; segmented as the bundle says, or as given.

    ``reasons``, the dearest column, is null: ``with_reasons`` puts it in.
    """
    money = predict_money(bundle, features, as_of=as_of)
    scores = _assemble(bundle, features, money, as_of, uplift_columns(bundle, uplift))
    return apply_segments(bundle, features, scores, segmentation)


def with_reasons(scores: pa.Table, told: pa.Array) -> pa.Table:
    """``scores`` with these ``reasons``."""
    position = SCORE_SCHEMA.get_field_index("reasons")
    return scores.set_column(position, SCORE_SCHEMA.field(position), told)


def checked_features(bundle: Bundle, features: pd.DataFrame) -> pd.DataFrame:
    """``features`` with a plain index and numbers as float64, if the bundle can score them.

    Raises
    ------
    FeatureMismatchError
        Names the columns, what is wrong, and how many rows are concerned.
    """
    if "customer_id" in features:
        ids = features["customer_id"]
        n_faulty = int((ids.isna() | ids.astype(str).duplicated()).sum())
        if n_faulty:
            raise FeatureMismatchError(
                f"customer_id is null or occurs twice in {n_faulty:,} rows; send one row per customer."
            )
    return checked_columns(bundle, features)


def checked_columns(bundle: Bundle, features: pd.DataFrame) -> pd.DataFrame:
    """``checked_features`` of customers whose ids are known to differ."""
    required = ["customer_id", *(f.name for f in bundle.features if f.required)]
    missing = [name for name in required if name not in features]
    if missing:
        raise FeatureMismatchError(
            f"The features lack {missing}. Compute them with `cvm features`, or name them as it does."
        )
    numbers = [f.name for f in bundle.features if f.kind == "number" and f.name in features]
    text = [name for name in numbers if not pd.api.types.is_numeric_dtype(features[name]) and features[name].notna().any()]
    if text:
        raise FeatureMismatchError(
            f"The features {text} must be numbers; they came as {[str(features[n].dtype) for n in text]}."
        )
    features = features.reset_index(drop=True)
    others = [name for name in numbers if features[name].dtype != np.float64]
    features = features.assign(**{name: features[name].to_numpy(float) for name in others})
    check_histories(features)
    return features


def _check_finite(bundle: Bundle, features: pd.DataFrame) -> None:
    """Refuse infinite numbers, which no sentence can tell; those of ingested tables are null by then."""
    numbers = [f.name for f in bundle.features if f.kind == "number" and f.name in features]
    infinite = np.isinf(features[numbers].to_numpy(float))
    if infinite.any():
        names = [name for name, is_so in zip(numbers, infinite.any(axis=0), strict=True) if is_so]
        raise FeatureMismatchError(
            f"The features {names} are infinite in {int(infinite.any(axis=1).sum()):,} rows; send null where there is no "
            "number."
        )


def predict_money(bundle: Bundle, features: pd.DataFrame, *, as_of: date) -> pd.DataFrame:
    """Predictions of each customer: the judged model's where it may judge, else BTYD's or the prospects' mean.

    Returns
    -------
    DataFrame of shape (n_customers, 8)
        ``p_churn``, ``p_alive``, ``expected_orders``, ``expected_order_value``, ``clv``, ``clv_lower``, ``clv_upper``,
        ``wait_days``.
    """
    rate = bundle.prospects
    result = pd.DataFrame(
        {
            "p_churn": np.nan,
            "p_alive": np.nan,
            "expected_orders": rate.expected_orders,
            "expected_order_value": rate.expected_order_value,
            "clv": bundle.margin_rate
            * rate.expected_orders
            * rate.expected_order_value
            * discounted_days(bundle.clv_days, discount_rate_per_year=bundle.discount_rate_per_year)
            / bundle.horizon_days,
            "clv_lower": np.nan,
            "clv_upper": np.nan,
            "wait_days": np.inf,
        },
        index=features.index,
    )
    is_buyer = (features["n_orders"] > 0).to_numpy()
    if is_buyer.any():
        bought = _predict_buyers(bundle, features[is_buyer], as_of)
        result.loc[is_buyer, bought.columns] = bought
    if bundle.churn_anchor.definition.is_contractual:
        subscribed = holds_subscription(features) & ~is_buyer
        if subscribed.any():
            nothing = pd.DataFrame(np.nan, index=features.index[subscribed], columns=list(BTYD_COLUMNS))
            known = pd.concat([features[subscribed], nothing], axis=1)
            result.loc[subscribed, "p_churn"] = churn_probabilities(bundle, known, as_of=as_of)
    return result


def _predict_buyers(bundle: Bundle, buyers: pd.DataFrame, as_of: date) -> pd.DataFrame:
    btyd = bundle.btyd
    expected = btyd.predict(buyers, horizon_days=bundle.horizon_days, lead_days=bundle.lead_days, as_of=as_of)
    revenue = btyd_revenue(expected).copy()
    judged = is_judged(buyers, bundle.eligible_days)
    known = pd.concat([buyers, expected], axis=1)
    if judged.any():
        revenue[judged] = bundle.value.expected_revenue(known[judged])
    order_value = expected["btyd_expected_order_value"].to_numpy(float)
    beyond = clv_per_horizon_revenue(
        btyd,
        buyers,
        horizon_days=bundle.horizon_days,
        lead_days=bundle.lead_days,
        clv_days=bundle.clv_days,
        discount_rate_per_year=bundle.discount_rate_per_year,
        as_of=as_of,
    )
    lower, upper = bundle.bands.interval(revenue)
    return pd.DataFrame(
        {
            "p_churn": churn_probabilities(bundle, known, as_of=as_of),
            "p_alive": btyd.corrected_p_alive(expected["btyd_p_alive"].to_numpy(float)),
            "expected_orders": revenue / order_value,
            "expected_order_value": order_value,
            "clv": bundle.margin_rate * revenue * beyond,
            "clv_lower": bundle.margin_rate * lower * beyond,
            "clv_upper": bundle.margin_rate * upper * beyond,
            "wait_days": btyd.median_wait_days(buyers, as_of=as_of),
        },
        index=buyers.index,
    )


def _assemble(
    bundle: Bundle, features: pd.DataFrame, money: pd.DataFrame, as_of: date, actions: Mapping[str, pa.Array]
) -> pa.Table:
    n = len(features)
    past = features["historic_value"].fillna(0.0).to_numpy(float)
    per_year = bundle.margin_rate * money["expected_orders"] * money["expected_order_value"] * (365 / bundle.horizon_days)
    known: dict[str, pa.Array] = {
        "customer_id": pa.array(features["customer_id"].astype(str)),
        "horizon_days": pa.repeat(bundle.horizon_days, n),
        "clv_days": pa.repeat(bundle.clv_days, n),
        "currency": pa.repeat(bundle.currency, n),
        "model_version": pa.repeat(bundle.model_version, n),
        "sufficient_data": pa.array(is_judged(features, bundle.eligible_days)),
        "historic_value": pa.array(past),
        "expected_next_order_date": _next_order_date(money["wait_days"].to_numpy(float), as_of, bundle.clv_days),
        "loss_making": pa.array(past < 0),
        "growth_potential": pa.array(per_year.to_numpy(float) - historic_per_year(features)),
        "previous_segment": _previous(features),
        **actions,
    }
    for name in ("p_churn", "p_alive", "expected_orders", "expected_order_value", "clv", "clv_lower", "clv_upper"):
        known[name] = pa.array(money[name].to_numpy(float), from_pandas=True)
    columns = [known.get(column.name, pa.nulls(n, column.kind)) for column in SCORE_COLUMNS]
    return pa.table([c.cast(s.kind) for c, s in zip(columns, SCORE_COLUMNS, strict=True)], schema=SCORE_SCHEMA)


def _next_order_date(wait_days: Floats, as_of: date, clv_days: int) -> pa.Array:
    within = wait_days <= clv_days
    days = np.where(within, np.floor(wait_days, where=within, out=np.zeros_like(wait_days)), 0).astype(np.int32)
    start = (as_of - date(1970, 1, 1)) // timedelta(days=1)
    return pa.array(days + np.int32(start), type=pa.int32(), mask=~within).cast(pa.date32())


def _previous(features: pd.DataFrame) -> pa.Array:
    if "previous_segment" not in features:
        return pa.nulls(len(features), pa.string())
    names = features["previous_segment"].astype(object)
    return pa.array(names.where(names.isna(), names.astype(str)), pa.string(), from_pandas=True)


def parse_as_of(value: object) -> date:
    """``as_of`` of served features, an ISO date.

    Raises
    ------
    FeatureMismatchError
        If it is anything else.
    """
    text = str(value)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text[:10]):
        try:
            return datetime.fromisoformat(text).date()
        except ValueError:
            pass
    raise FeatureMismatchError(f"as_of == {text!r} is no ISO date; send for example 2026-01-31.")
