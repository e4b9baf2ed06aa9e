"""What drives each customer's churn probability: additive contributions of the fields to the model's logit.

Whatever the model, ``reference + sum of contributions`` is its logit. The anchored booster hides recency in its offset, so
its trees alone would say nothing of it: the offset is taken apart by ``attribute_history``, the trees by exact SHAP values,
and both are added field by field. Both are told against the same customers, those who have been silent for about one usual
gap: SHAP values are told against the mean of all rows, so what they give to customers on time is taken off everybody's and
is part of the reference. Where trees take back what the offset says, nothing is left of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.anchor_attribution import HISTORY_FIELDS, Outlook, Usual, attribute_anchor, usual_gap_days
from cvm.models.btyd import BTYD_COLUMNS
from cvm.models.churn import BaseRate, BtydChurn, ChurnModel, LogisticBaseline
from cvm.models.churn_anchor import ANCHOR
from cvm.models.churn_blend import BlendedChurn
from cvm.models.logits import finite_logit
from cvm.models.themes import theme_of

Floats = NDArray[np.float64]

_MAX_SURVEYED = 20_000
# On time is who has been silent for half a usual gap to two; where hardly anybody has, those nearest to it.
_ON_TIME = np.log(2.0)
_LEAST_SHARE_ON_TIME = 0.05


@dataclass(frozen=True)
class Contributions:
    """What each field adds to each customer's churn logit.

    Attributes
    ----------
    reference : float
        Logit of the customers compared with; with all contributions of a row it makes the model's logit of that customer.
    fields : tuple of str
    added : array of shape (n_customers, n_fields)
    """

    reference: float
    fields: tuple[str, ...]
    added: Floats


@dataclass(frozen=True)
class Reference:
    """The customers that reasons compare with: those of the base at training who are on time.

    Attributes
    ----------
    usual : Usual
    typical : dict of str to float
        Median of each number among the customers compared with, where there is one.
    trees : dict of str to float
        What each column adds to the logit through trees for them, on average; nothing for a model without trees.
    """

    usual: Usual
    typical: dict[str, float]
    trees: dict[str, float]

    @classmethod
    def fit(cls, features: pd.DataFrame, outlook: Outlook, churn: ChurnModel) -> Reference:
        """Freeze the base.

        Parameters
        ----------
        features : DataFrame of shape (n_customers, ...)
            Those without an order are left out; at least one must have one.
        outlook : Outlook
            From the snapshot of the features.
        churn : ChurnModel
            The one whose reasons are to be told.
        """
        buyers = features[features["n_orders"] > 0]
        usual = Usual(usual_gap_days(buyers, outlook))
        off = np.abs(np.log(np.maximum(usual.lateness(buyers, outlook), 1e-6)))
        on_time = buyers[off <= max(_ON_TIME, float(np.quantile(off, _LEAST_SHARE_ON_TIME)))]
        medians = on_time.select_dtypes("number").median()
        typical = {str(name): float(value) for name, value in medians.items() if np.isfinite(value)}
        known = outlook.predict(_surveyed(on_time))
        usual = replace(usual, on_time=_level_on_time(known, outlook, usual))
        added = _added_by_trees(churn, known) if isinstance(churn, BlendedChurn) else {}
        trees = {name: float(values.mean()) for name, values in added.items()}
        return cls(usual, typical, trees)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Reference:
        """The reference ``state`` was taken from."""
        return cls(Usual(**state["usual"]), dict(state["typical"]), dict(state["trees"]))


def attribute_churn(model: ChurnModel, known: pd.DataFrame, outlook: Outlook, reference: Reference) -> Contributions:
    """What each field contributes to the churn logit of ``model``, compared with customers who are on time.

    Parameters
    ----------
    model : ChurnModel
        BTYD, or the model that ``reference`` was fitted with.
    known : DataFrame of shape (n_customers, ...)
        Customers with at least one order: the model's features and ``BTYD_COLUMNS``.
    outlook : Outlook
        That gave these columns.
    reference : Reference
    """
    if isinstance(model, LogisticBaseline):
        return _of_rule(model, known, reference)
    fields, anchor = attribute_anchor(known, outlook, reference.usual)
    if isinstance(model, BlendedChurn):
        return _of_blended(model, known, dict(zip(fields, anchor.T, strict=True)), reference)
    if isinstance(model, BaseRate):
        return Contributions(float(finite_logit(np.array(model.rate))), fields, np.zeros_like(anchor))
    if isinstance(model, BtydChurn):
        return Contributions(reference.usual.on_time, fields, anchor)
    raise TypeError(f"It is not known what drives {model.name!r}: give its class a branch in {__name__}.attribute_churn.")


def _level_on_time(known: pd.DataFrame, outlook: Outlook, usual: Usual) -> float:
    """Logit of the anchor of customers on time: of BTYD's what their rhythm alone makes of it, of another all."""
    fields, added = attribute_anchor(known, outlook, usual)
    return float((added[:, 1] if fields == HISTORY_FIELDS else added.sum(axis=1)).mean())


def churn_drivers(model: ChurnModel, features: pd.DataFrame, outlook: Outlook, reference: Reference) -> dict[str, float]:
    """Mean absolute contribution of each theme to the churn logit, largest first; without those that contribute nothing.

    Parameters
    ----------
    model, outlook, reference
        As in ``attribute_churn``.
    features : DataFrame of shape (n_customers, ...)
        Customers with at least one order; of many an evenly spaced part is asked.
    """
    if features.empty:
        return {}
    buyers = _surveyed(features).drop(columns=[*BTYD_COLUMNS, ANCHOR], errors="ignore")
    themes, added = by_theme(attribute_churn(model, outlook.predict(buyers), outlook, reference))
    means = zip(themes, np.abs(added).mean(axis=0).tolist(), strict=True)
    return dict(sorted(((theme, mean) for theme, mean in means if mean), key=lambda item: (-item[1], item[0])))


def by_theme(contributions: Contributions) -> tuple[list[str], Floats]:
    """Themes, and their contributions as an array of shape (n_customers, n_themes)."""
    theme_of_field = [theme_of(name) for name in contributions.fields]
    themes = list(dict.fromkeys(theme_of_field))
    total = np.zeros((len(contributions.added), len(themes)))
    for position, theme in enumerate(theme_of_field):
        total[:, themes.index(theme)] += contributions.added[:, position]
    return themes, total


def _surveyed(customers: pd.DataFrame) -> pd.DataFrame:
    return customers.iloc[:: max(1, -(-len(customers) // _MAX_SURVEYED))].reset_index(drop=True)


def _of_rule(model: LogisticBaseline, known: pd.DataFrame, reference: Reference) -> Contributions:
    """All to the one number; where it is null, to what that means."""
    score = known[model.score].to_numpy(float)
    level = float(model.logits(np.array(reference.typical.get(model.score, np.nan))))
    added = model.logits(score) - level
    missing = np.isnan(score)
    columns = np.column_stack([np.where(missing, 0.0, added), np.where(missing, added, 0.0)])
    return Contributions(level, (model.score, model.null_means), columns)


def _of_blended(
    model: BlendedChurn, known: pd.DataFrame, anchor: Mapping[str, Floats], reference: Reference
) -> Contributions:
    """Offset and trees together.

    What trees see in BTYD's own quantities is the history again: it is split between silence and rhythm as they share in the
    offset. The expected order value is the customer's mean order value, shrunk.
    """
    offset = model.scales["anchored"]
    columns = {name: offset * added for name, added in anchor.items()}
    sizes = {name: np.abs(added) + 1e-12 for name, added in anchor.items()}
    total = sum(sizes.values())
    for name, by_trees in _added_by_trees(model, known).items():
        added = by_trees - reference.trees[name]
        if name == "btyd_expected_order_value":
            parts = {"mean_order_value": added}
        elif name in BTYD_COLUMNS:
            parts = {field: size / total * added for field, size in sizes.items()}
        else:
            parts = {name: added}
        for field, part in parts.items():
            columns[field] = columns[field] + part if field in columns else part
    expected = sum(model.scales[part] * boosted.expectation for part, boosted in model.boosters.items())
    level = offset * reference.usual.on_time + expected + model.shift + sum(reference.trees.values())
    return Contributions(level, tuple(columns), np.column_stack(list(columns.values())))


def _added_by_trees(model: BlendedChurn, known: pd.DataFrame) -> dict[str, Floats]:
    """What each column adds to the logit through the trees of both boosters, against their expectations."""
    added: dict[str, Floats] = {}
    for part, boosted in model.boosters.items():
        shap = model.scales[part] * boosted.contributions(known)
        for name, values in zip(boosted.encoder.columns, shap[:, :-1].T, strict=True):
            added[name] = added[name] + values if name in added else values
    return added
