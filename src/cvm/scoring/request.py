"""Requests to a served model: anything may come, and only what can be scored goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import pandas as pd

from cvm.errors import FeatureMismatchError
from cvm.models.bundle import Bundle
from cvm.scoring.score import parse_as_of

# Every date of a request is scored by itself.
MAX_DATES = 100
# No feature of a customer is as large: amounts have 14 digits before the point.
_MOST = 1e15
_FIRST_DAY, _LAST_DAY = date(1901, 1, 1), date(2199, 12, 31)


def checked_request(bundle: Bundle, features: pd.DataFrame) -> pd.DataFrame:
    """A request for scores with a plain index and ids as text, if its values are of the kinds the bundle knows.

    Parameters
    ----------
    bundle : Bundle
    features : DataFrame of shape (n_customers, ...)
        Of any content.

    Raises
    ------
    FeatureMismatchError
        Names the columns, and how many rows are concerned.
    """
    features = checked_rows(features)
    texts = [f.name for f in bundle.features if f.kind == "category" and f.name in features]
    if "previous_segment" in features:
        texts.append("previous_segment")
    given = {name: features.loc[features[name].notna(), name].tolist() for name in texts}
    n_wrong = {name: sum(not _is_text(value) for value in values) for name, values in given.items()}
    _refuse("must be text or null", n_wrong)
    types = features.dtypes.to_dict()
    numbers = [
        f.name for f in bundle.features if f.kind == "number" and pd.api.types.is_numeric_dtype(types.get(f.name, str))
    ]
    if numbers and len(features):
        magnitudes = np.abs(features[numbers].to_numpy(float))
        too_large = (magnitudes > _MOST).sum(axis=0).tolist()
        _refuse(f"must lie between {-_MOST:.0e} and {_MOST:.0e}", dict(zip(numbers, too_large, strict=True)))
    return features


def checked_rows(request: pd.DataFrame) -> pd.DataFrame:
    """A request with a plain index, ``customer_id`` as text and ``as_of`` as dates.

    Raises
    ------
    FeatureMismatchError
        If a column is there twice, an id is no text, null, or twice at one date, or ``as_of`` is no date.
    """
    twice = sorted({str(name) for name in request.columns[request.columns.duplicated()]})
    if twice:
        raise FeatureMismatchError(f"The columns {twice} occur twice; send each once.")
    if "as_of" not in request:
        raise FeatureMismatchError("The features lack ['as_of'], the ISO date they were computed at.")
    if "customer_id" not in request:
        raise FeatureMismatchError("The features lack ['customer_id'], which names the customer of each row.")
    request = request.reset_index(drop=True)
    ids = [_id(value) for value in request["customer_id"].tolist()]
    n_wrong = sum(value is None for value in ids)
    if n_wrong:
        raise FeatureMismatchError(
            f"customer_id is null or neither text nor a whole number in {n_wrong:,} rows; send one row per customer."
        )
    request = request.assign(customer_id=pd.Series(ids, index=request.index, dtype=object), as_of=_dates(request["as_of"]))
    n_twice = int(request.duplicated(["customer_id", "as_of"]).sum())
    if n_twice:
        raise FeatureMismatchError(
            f"customer_id is null or occurs twice in {n_twice:,} rows; send one row per customer and as_of."
        )
    n_dates = request["as_of"].nunique()
    if n_dates > MAX_DATES:
        raise FeatureMismatchError(f"as_of holds {n_dates:,} dates; send at most {MAX_DATES} in one request.")
    return request


def rows_by_date(request: pd.DataFrame) -> Iterator[tuple[date, pd.DataFrame]]:
    """Rows of ``checked_rows`` by their ``as_of``, earliest asked first."""
    for as_of in dict.fromkeys(request["as_of"]):
        yield as_of, request[(request["as_of"] == as_of).to_numpy()]


def _dates(values: pd.Series[str]) -> pd.Series[str]:
    n_null = int(values.isna().sum())
    if n_null:
        raise FeatureMismatchError(
            f"as_of is null in some rows ({n_null:,}); send the ISO date the features were computed at."
        )
    known: dict[str, date] = {}
    days = []
    for value in values.tolist():
        text = str(value)[:40]
        if text not in known:
            day = parse_as_of(text)
            if not _FIRST_DAY <= day <= _LAST_DAY:
                raise FeatureMismatchError(f"as_of == {text!r} must lie between {_FIRST_DAY} and {_LAST_DAY}.")
            known[text] = day
        days.append(known[text])
    return pd.Series(days, index=values.index, dtype=object)


def _id(value: object) -> str | None:
    if isinstance(value, str):
        return value if value and _is_text(value) else None
    return str(value) if isinstance(value, (int, np.integer)) and not isinstance(value, bool) else None


def _is_text(value: object) -> bool:
    try:
        return isinstance(value, str) and value.encode() is not None
    except UnicodeEncodeError:  # half of a pair of surrogates is JSON, but no text
        return False


def _refuse(wanted: str, n_wrong: dict[str, int]) -> None:
    wrong = {name: n for name, n in n_wrong.items() if n}
    if wrong:
        raise FeatureMismatchError(
            f"The features {_shown(list(wrong))} {wanted}; in {max(wrong.values()):,} rows they are not."
        )


def _shown(names: Sequence[str], *, most: int = 10) -> str:
    return f"{list(names[:most])}" + (f" and {len(names) - most} more" if len(names) > most else "")
