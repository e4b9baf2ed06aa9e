"""How well churn can be told from a labelled flat table: every customer is judged by models that never saw them.

There is no time in such a table, so nothing can be judged out of time; folds by customer are the honest second best. They
are drawn several times, so that the figures do not hang on one draw. Nothing is resampled: the probabilities mean what they
say about the base as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import cvm
from cvm.errors import CvmError, WorkspaceError
from cvm.evaluation import Estimate, Reliability, area_difference, area_estimate, reliability
from cvm.models.boosting import Encoder
from cvm.models.labelled import LabelledTable, labelled_table
from cvm.models.labelled_churn import LabelledChurn, fit_labelled_churn
from cvm.models.training import Metrics, churn_metrics
from cvm.workspace import replaced_directory

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

BOOSTED = "LightGBM"
LOGISTIC = "logistic regression"
BASE_RATE = "base rate"

_REPORT = "crossvalidation.json"
# As ``train.seed`` of params.yaml, which LightGBM takes.
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class CrossValidation:
    """What came of it.

    Attributes
    ----------
    table : LabelledTable
        The customers judged.
    folds, repeats, seed : int
    p_churn : dict of str to array of shape (n_repeats, n_customers)
        Out-of-fold probabilities of each model, ours and yours, one row per draw of the folds.
    metrics : dict of str to dict
        Of each model, each the mean over the draws.
    area, area_over_logistic : Estimate
        AUC of LightGBM, and how much it has over the logistic regression, with 95 % intervals.
    reliability : Reliability
        Of LightGBM, by tenths of its probability, the mean over the draws.
    model : LabelledChurn
        Fitted to all customers.
    """

    table: LabelledTable
    folds: int
    repeats: int
    seed: int
    p_churn: dict[str, Floats]
    metrics: dict[str, Metrics]
    area: Estimate
    area_over_logistic: Estimate
    reliability: Reliability
    model: LabelledChurn

    def __repr__(self) -> str:
        found, plain = self.area, self.metrics[LOGISTIC]["auc"]
        return (
            f"<CrossValidation of {len(self.table.churned):,} customers, {self.table.label} = {self.table.positive}: "
            f"AUC {found.value:.3f} ({found.lower:.3f} to {found.upper:.3f}), logistic regression {plain:.3f}>"
        )

    @property
    def predictions(self) -> pd.DataFrame:
        """``customer_id``, ``churned`` and ``p_churn``: out of fold, the mean over the draws."""
        return pd.DataFrame(
            {
                "customer_id": self.table.features["customer_id"],
                "churned": self.table.churned,
                "p_churn": self.p_churn[BOOSTED].mean(axis=0),
            }
        )

    @property
    def report(self) -> dict[str, Any]:
        """All figures as JSON values, without a customer."""
        return {
            "label": self.table.label,
            "positive": self.table.positive,
            "n_rows": len(self.table.churned),
            "share_left": float(self.table.churned.mean()),
            "columns": {name: role.value for name, role in self.table.roles.items()},
            "folds": self.folds,
            "repeats": self.repeats,
            "seed": self.seed,
            "metrics": self.metrics,
            "auc": asdict(self.area),
            "auc_over_logistic_regression": asdict(self.area_over_logistic),
            "reliability": {name: values.tolist() for name, values in asdict(self.reliability).items()},
            "importance": self.model.boosted.importance(),
            "notes": list(self.table.notes),
            "versions": {"cvm": cvm.__version__, **{name: version(name) for name in ("lightgbm", "scikit-learn")}},
        }

    def write(self, folder: Path) -> None:
        """Write the figures, ``predictions.parquet`` and the model (``read_labelled_churn``) in the place of ``folder``.

        Raises
        ------
        WorkspaceError
            If it holds anything else than an earlier cross-validation, or the file system refuses.
        """
        folder = folder.resolve()
        is_ours = folder.is_dir() and ((folder / _REPORT).is_file() or not any(folder.iterdir()))
        if folder.exists() and not is_ours:
            raise WorkspaceError(f"{folder} holds something else, which would be replaced. Name a new folder.")
        with replaced_directory(folder) as target:
            self.predictions.to_parquet(target / "predictions.parquet", index=False)
            self.model.write(target)
            text = json.dumps(self.report, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
            (target / _REPORT).write_text(text, encoding="utf-8")


def cross_validate_churn(
    frame: object,
    *,
    label: str,
    positive: str | None = None,
    customer_id: str | None = None,
    ignore: Sequence[str] = (),
    estimators: Mapping[str, Any] = MappingProxyType({}),
    folds: int = 5,
    repeats: int = 2,
    seed: int = 7,
    progress: Callable[[str], None] = lambda _: None,
) -> CrossValidation:
    """Train churn on a labelled flat table and judge it by stratified cross-validation.

    Parameters
    ----------
    frame : pandas or Polars frame, Arrow table, or anything else with ``__arrow_c_stream__``
        One row per customer; numbers, dates and categories are told by their values.
    label, positive, customer_id, ignore
        See ``labelled_table``.
    estimators : mapping of str to classifier, optional
        Classifiers of scikit-learn with ``predict_proba``, by the name that figures shall call them; judged on the same
        folds. They are given a frame of the usable columns (dates as days since 1970, categories as text, nulls as they
        are, so most need an imputer) and 1 for who left. Copies are fitted.
    folds : int, 2 to 20
    repeats : int, 1 to 20
        Draws of the folds.
    seed : int, 0 to 2**31 - 1
        The same seed gives the same figures.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    SourceError, MissingColumnsError, InsufficientDataError, CvmError
        If the table cannot be learned from, see ``labelled_table``; if ``folds``, ``repeats`` or ``seed`` is no whole number
        or out of range; if an estimator is no classifier with ``predict_proba``, cannot be copied, or bears the name of one
        of ours; or if it fails on this table or gives something else than probabilities.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> import cvm
    >>> rng = np.random.default_rng(7)
    >>> customers = pd.DataFrame({"plan": rng.choice(["basic", "plus"], 500), "visits": rng.poisson(4, 500)})
    >>> p_left = np.where(customers["plan"] == "basic", 0.6, 0.1)
    >>> customers["left"] = np.where(rng.random(500) < p_left, "yes", "no")
    >>> found = cvm.cross_validate_churn(customers, label="left", folds=3, repeats=1)
    >>> round(found.area.value, 1)
    0.7
    >>> found.predictions.columns.tolist()
    ['customer_id', 'churned', 'p_churn']
    """
    for name, value, least, most in (("folds", folds, 2, 20), ("repeats", repeats, 1, 20), ("seed", seed, 0, _MAX_SEED)):
        if not (isinstance(value, Integral) and least <= value <= most):
            raise CvmError(f"{name} == {value!r}, must be a whole number, {least} to {most}.")
    own = _copies(estimators)
    table = labelled_table(frame, label=label, positive=positive, customer_id=customer_id, ignore=ignore)
    churned, customer = table.churned, pd.factorize(table.features["customer_id"])[0]
    n, columns = len(churned), list(table.roles)
    p_churn = {name: np.full((repeats, n), churned.mean()) for name in (BOOSTED, LOGISTIC, *own, BASE_RATE)}
    draws = [_stratified_folds(churned, customer, n_folds=folds, seed=seed + repeat) for repeat in range(repeats)]
    for done, (repeat, train, test) in enumerate((r, *pair) for r, draw in enumerate(draws) for pair in draw):
        progress(f"fold {done + 1} of {folds * repeats}")
        known, asked = table.features.iloc[train], table.features.iloc[test]
        for name, estimator in own.items():  # first, for they may fail
            p_churn[name][repeat, test] = _of_own(name, estimator, known[columns], churned[train], asked[columns])
        p_churn[BOOSTED][repeat, test] = _fit(table, train, seed).p_churn_of(asked)
        p_churn[LOGISTIC][repeat, test] = _logistic(known, churned[train], asked, columns)
    progress("fitting all customers")
    return CrossValidation(
        table=table,
        folds=folds,
        repeats=repeats,
        seed=seed,
        p_churn=p_churn,
        metrics={name: _mean_metrics(churned, found) for name, found in p_churn.items()},
        area=area_estimate(churned, p_churn[BOOSTED], customer=customer),
        area_over_logistic=area_difference(churned, p_churn[BOOSTED], p_churn[LOGISTIC], customer=customer),
        reliability=_mean_reliability(churned, p_churn[BOOSTED]),
        model=_fit(table, np.arange(n), seed),
    )


def _copies(estimators: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of classifiers of the user's, unfitted; whatever is none is refused before anything is fitted."""
    if not isinstance(estimators, Mapping):
        raise CvmError(f"estimators is of type {type(estimators).__name__}; pass a mapping such as {{'mine': classifier}}.")
    copies = {}
    for name, estimator in estimators.items():
        if not isinstance(name, str):
            raise CvmError(f"estimators has the key {name!r}; call each by a name, which is text.")
        if name in (BOOSTED, LOGISTIC, BASE_RATE):
            raise CvmError(f"estimators has one named {name!r}, which is the name of one of ours; call it by another.")
        if isinstance(estimator, type) or not hasattr(estimator, "predict_proba"):
            found = (
                f"the class {estimator.__name__}" if isinstance(estimator, type) else f"of type {type(estimator).__name__}"
            )
            raise CvmError(f"estimators[{name!r}] is {found}; pass a classifier of scikit-learn that has predict_proba.")
        try:
            copies[name] = clone(estimator)
        except Exception as error:  # code of the user's may raise anything
            raise CvmError(f"estimators[{name!r}] cannot be copied: {error}") from error
    return copies


def _of_own(name: str, estimator: Any, known: pd.DataFrame, churned: Floats, asked: pd.DataFrame) -> Floats:
    """What a fresh copy of the user's estimator, fitted to ``known``, says of ``asked``."""
    try:
        fitted = clone(estimator).fit(known, churned.astype(int))
        given = np.asarray(fitted.predict_proba(asked), dtype=np.float64)
    except Exception as error:  # code of the user's may raise anything
        raise CvmError(
            f"estimators[{name!r}] fails on this table: {type(error).__name__}: {error}\nIt is given categories as text and "
            "nulls as they are: put an encoder for categories and an imputer for nulls before it (see make_pipeline)."
        ) from error
    if given.shape != (len(asked), 2):
        raise CvmError(f"estimators[{name!r}] gives probabilities of shape {given.shape}, must be {(len(asked), 2)}.")
    if not ((given[:, 1] >= 0) & (given[:, 1] <= 1)).all():  # nor is any NaN
        raise CvmError(f"estimators[{name!r}] gives something else than probabilities from 0 to 1.")
    return given[:, 1]


def _fit(table: LabelledTable, rows: Rows, seed: int) -> LabelledChurn:
    return fit_labelled_churn(
        table.features.iloc[rows].reset_index(drop=True),
        table.churned[rows],
        roles=table.roles,
        label=table.label,
        positive=table.positive,
        seed=seed,
    )


def _logistic(known: pd.DataFrame, churned: Floats, asked: pd.DataFrame, columns: Sequence[str]) -> Floats:
    """The plain competitor: medians for missing numbers and a flag for them, a flag for each category."""
    encoder = Encoder.fit(known, columns)
    places = list(range(len(encoder.columns)))
    numbers, codes = places[: len(encoder.numbers)], places[len(encoder.numbers) :]
    impute = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    prepare = ColumnTransformer([("numbers", impute, numbers), ("codes", OneHotEncoder(handle_unknown="ignore"), codes)])
    model = make_pipeline(prepare, LogisticRegression(max_iter=2000))
    return model.fit(encoder.matrix(known), churned).predict_proba(encoder.matrix(asked))[:, 1]


def _stratified_folds(churned: Floats, customer: Rows, *, n_folds: int, seed: int) -> Iterator[tuple[Rows, Rows]]:
    """Row numbers of (training, test): all rows of a customer in one test fold, and as many who left in each."""
    rng = np.random.default_rng(seed)
    left = np.bincount(customer, weights=churned) > 0
    fold = np.empty(len(left), dtype=np.intp)
    for kind in (np.flatnonzero(left), np.flatnonzero(~left)):
        fold[rng.permutation(kind)] = np.arange(len(kind)) % n_folds
    for k in range(n_folds):
        yield np.flatnonzero(fold[customer] != k), np.flatnonzero(fold[customer] == k)


def _mean_metrics(churned: Floats, p_churn: Floats) -> Metrics:
    each = [churn_metrics(churned, p) for p in p_churn]
    return {name: float(np.mean([metrics[name] for metrics in each])) for name in each[0]}


def _mean_reliability(churned: Floats, p_churn: Floats) -> Reliability:
    each = [reliability(churned, p) for p in p_churn]
    return Reliability(
        np.mean([groups.predicted for groups in each], axis=0),
        np.mean([groups.happened for groups in each], axis=0),
        each[0].n_customers,
    )
