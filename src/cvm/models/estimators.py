"""What our estimators share: scikit-learn's conventions for input, refused in words of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from cvm.errors import CvmError, FeatureMismatchError, ParamsError

# scikit-learn shows the array that it refuses for its shape.
_SHOWN_ARRAY = re.compile(r"\narray=.*(?=\nReshape)", re.DOTALL)


class NotFittedError(CvmError, SklearnNotFittedError):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator was asked before it was fitted; scikit-learn knows it as its own."""


def check_fitted(estimator: BaseEstimator, attribute: str) -> None:
    """Refuse an estimator that lacks what ``fit`` leaves behind.

    Raises
    ------
    NotFittedError
        If it has no ``attribute``.
    """
    if not hasattr(estimator, attribute):
        raise NotFittedError(f"This {type(estimator).__name__} is not fitted yet. Call fit first.")


def check_number(name: str, value: object, *, above: float = -inf, at_least: float = -inf) -> None:
    """Refuse a parameter that is no finite number, or out of range.

    Raises
    ------
    ParamsError
        If it is not above ``above``, or below ``at_least``.
    """
    if not (isinstance(value, (int, float, np.integer, np.floating)) and above < value < inf and value >= at_least):
        bound = f" > {above:g}" if above > -inf else f" >= {at_least:g}" if at_least > -inf else ""
        raise ParamsError(f"{name} == {value!r}, must be a number{bound}.")


def is_frame(X: object) -> bool:
    """Whether columns of ``X`` have names and types; else it is an array."""
    return hasattr(X, "__arrow_c_stream__")


@contextmanager
def refused_by_scikit_learn() -> Iterator[None]:
    """What scikit-learn finds wrong with an input, in its words and as an error of ours; without a value of the data.

    Raises
    ------
    FeatureMismatchError
    """
    try:
        yield
    except CvmError:
        raise
    except ValueError as error:
        if "could not convert" in str(error):
            raise FeatureMismatchError("X is an array that holds text. Pass a frame, whose columns have types.") from None
        raise FeatureMismatchError(_SHOWN_ARRAY.sub("", str(error))) from None
