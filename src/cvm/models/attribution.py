"""What drove each customer's churn probability: additive contributions of the fields to the model's logit.

Whatever the model, ``reference + sum of contributions`` is its logit. The anchored booster hides recency in its offset, so
its trees alone would say nothing of it: the offset is taken apart by ``reference.attribute_history``, the trees by exact
SHAP values, and both are added field by field.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit

from cvm.models.btyd import BTYD_COLUMNS
from cvm.models.churn import AnchoredChurn, ChurnFactorRule, ChurnModel, LogisticRule
from cvm.models.reference import Contributions, Outlook, Reference, attribute_history
from cvm.models.themes import theme_of

Floats = NDArray[np.float64]

_MAX_SURVEYED = 20_000


def attribute_churn(model: ChurnModel, known: pd.DataFrame, outlook: Outlook, reference: Reference) -> Contributions:
    """What each field contributes to the churn logit of ``model``.

    Parameters
    ----------
    model : ChurnModel
        The anchored booster, a rule, or BTYD.
    known : DataFrame of shape (n_customers, ...)
        Customers with at least one order: the model's features and ``BTYD_COLUMNS``.
    outlook : Outlook
        That gave these columns.
    reference : Reference

    Returns
    -------
    Contributions of shape (n_customers, n_fields)
    """
    if isinstance(model, LogisticRule):
        return _attribute_rule(model, known, reference)
    history = attribute_history(known, outlook, reference)
    return _attribute_anchored(model, known, history) if isinstance(model, AnchoredChurn) else history


def churn_drivers(model: ChurnModel, features: pd.DataFrame, outlook: Outlook, reference: Reference) -> dict[str, float]:
    """Mean absolute contribution of each theme to the churn logit, largest first.

    Parameters
    ----------
    model, outlook, reference
        As in ``attribute_churn``.
    features : DataFrame of shape (n_customers, ...)
        Customers with at least one order; of more than 20,000 an evenly spaced part is asked.
    """
    if features.empty:
        return {}
    buyers = features.iloc[:: -(-len(features) // _MAX_SURVEYED)].drop(columns=list(BTYD_COLUMNS), errors="ignore")
    themes, values = by_theme(attribute_churn(model, outlook.predict(buyers), outlook, reference))
    means = dict(zip(themes, np.abs(values).mean(axis=0).tolist(), strict=True))
    return dict(sorted(((theme, mean) for theme, mean in means.items() if mean), key=lambda item: (-item[1], item[0])))


def by_theme(contributions: Contributions) -> tuple[list[str], Floats]:
    """Themes, and their contributions as an array of shape (n_customers, n_themes)."""
    theme_of_field = [theme_of(name) for name in contributions.fields]
    themes = list(dict.fromkeys(theme_of_field))
    total = np.zeros((len(contributions.added), len(themes)))
    for position, theme in enumerate(theme_of_field):
        total[:, themes.index(theme)] += contributions.added[:, position]
    return themes, total


def _attribute_rule(model: LogisticRule, known: pd.DataFrame, reference: Reference) -> Contributions:
    """All to the one number, against a customer on rhythm; where it is null, because there was one order, to that."""
    usual = 1.0 if isinstance(model, ChurnFactorRule) else reference.usual_gap_days
    level = model.intercept + model.slope * np.log1p(usual)
    without = logit(np.clip(model.rate_without_score, 1e-6, 1 - 1e-6)) - level
    score = known[model.score].to_numpy(float)
    by_score = model.intercept + model.slope * np.log1p(np.nan_to_num(score)) - level
    missing = np.isnan(score)
    values = np.column_stack([np.where(missing, 0.0, by_score), np.where(missing, without, 0.0)])
    return Contributions(float(level), (model.score, "n_orders"), values)


def _attribute_anchored(model: AnchoredChurn, known: pd.DataFrame, history: Contributions) -> Contributions:
    """Offset and trees together.

    What trees see in BTYD's own quantities is the history again: it is split between silence and rhythm as they share in the
    offset. The expected order value is the customer's mean order value, shrunk.
    """
    trees = model.boosted.contributions(known)
    columns = dict(zip(history.fields, history.added.T.copy(), strict=True))
    sizes = np.abs(history.added) + 1e-12
    shares = (sizes / sizes.sum(axis=1, keepdims=True)).T
    for name, values in zip(model.boosted.encoder.columns, trees.T, strict=False):  # the last column is the expectation
        if name == "btyd_expected_order_value":
            parts = {"mean_order_value": values}
        elif name in BTYD_COLUMNS:
            parts = {field: share * values for field, share in zip(history.fields, shares, strict=True)}
        else:
            parts = {name: values}
        for field, part in parts.items():
            columns[field] = columns[field] + part if field in columns else part
    return Contributions(
        reference=model.slope * (history.reference + float(trees[:1, -1].sum())),
        fields=tuple(columns),
        added=model.slope * np.column_stack(list(columns.values())),
    )
