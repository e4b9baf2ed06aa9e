"""The customers that reasons compare with, and what a history alone contributes to churn against them.

BTYD's P(no order) depends on a history in two ways: how often the customer has bought so far, and how long the silence has
lasted *against that rhythm*. 94 days are nothing to who buys once a year and the end to who bought every week, so rhythm is
told first and silence is told of a known rhythm:

    rhythm  = f(own rhythm, on time) - mean over rhythms b of the base of f(b, on time)
    silence = f(own rhythm, as long as it lasted) - f(own rhythm, on time)

``f`` is the logit, and on time is who has been silent for one usual gap. Silence raises churn exactly where it lasts longer
than is usual for the customer, equal rhythms get equal shares, and no history that cannot be is ever judged.

Source: asymmetric Shapley values (Frye, Rowat and Feige 2020, "Asymmetric Shapley values", NeurIPS 33), for two players with
rhythm before silence; the choice of players and of the reference is our own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.btyd import Btyd
from cvm.models.btyd.distinct import distinct
from cvm.models.churn import churn_logit

Floats = NDArray[np.float64]

_N_RHYTHMS = 20


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
    """The base at training, in a few numbers.

    Attributes
    ----------
    typical : dict of str to float
        Median of each number among customers with an order, where there is one.
    usual_gap_days : float, > 0
        Median over customers with two orders of their mean gap, on the clock of BTYD.
    rhythms : tuple of (float, float)
        Orders after the first and the clock days they took, of equally spaced customers when ordered by both.
    """

    typical: dict[str, float]
    usual_gap_days: float
    rhythms: tuple[tuple[float, float], ...]

    @classmethod
    def fit(cls, features: pd.DataFrame, btyd: Btyd, *, as_of: date | None = None) -> Reference:
        """Freeze the base.

        Parameters
        ----------
        features : DataFrame of shape (n_customers, ...)
            Those without an order are left out; at least one must have one.
        btyd : Btyd
            Its clock tells the histories.
        as_of : date, optional
            Snapshot of the features; needed where the clock knows a season.
        """
        buyers = features[features["n_orders"] > 0]
        x, t_x, _ = btyd.histories(buyers, as_of=as_of)
        repeats = x > 0
        gap = float(np.median(t_x[repeats] / x[repeats])) if repeats.any() else 0.0
        at = ((np.arange(_N_RHYTHMS) + 0.5) / _N_RHYTHMS * len(x)).astype(int)
        order = np.lexsort((t_x, x))[at]
        medians = buyers.select_dtypes("number").median()
        typical = {str(name): float(value) for name, value in medians.items() if np.isfinite(value)}
        return cls(typical, max(gap, 1.0), tuple(zip(x[order].tolist(), t_x[order].tolist(), strict=True)))

    def usual_gaps(self, x: Floats, t_x: Floats) -> Floats:
        """Days between orders usual for these histories; the base's usual gap counts as one more of theirs."""
        return (t_x + self.usual_gap_days) / (x + 1)

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "typical": self.typical,
            "usual_gap_days": self.usual_gap_days,
            "rhythms": [list(rhythm) for rhythm in self.rhythms],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Reference:
        """The reference ``state`` was taken from."""
        rhythms = tuple((float(x), float(t_x)) for x, t_x in state["rhythms"])
        return cls(dict(state["typical"]), float(state["usual_gap_days"]), rhythms)


@dataclass(frozen=True)
class Outlook:
    """The window in which BTYD expects no order."""

    btyd: Btyd
    horizon_days: float
    lead_days: float = 0.0
    as_of: date | None = None

    def predict(self, buyers: pd.DataFrame) -> pd.DataFrame:
        """``buyers`` with what BTYD expects of them."""
        expected = self.btyd.predict(buyers, horizon_days=self.horizon_days, lead_days=self.lead_days, as_of=self.as_of)
        return pd.concat([buyers, expected], axis=1)

    def churn_logit(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Logit of P(no order in the window) of any histories on the clock of BTYD."""
        process, clock = self.btyd.process, self.btyd.clock
        start, end = (clock.ahead(self.as_of, days) for days in (self.lead_days, self.lead_days + self.horizon_days))
        silent = process.p_no_order_if_alive(x, T, days=end - start, lead_days=start)
        p_no_order = 1 - process.p_alive(x, t_x, T) * (1 - silent)
        return churn_logit(self.btyd.hindsight.p_no_order(p_no_order))


def attribute_history(known: pd.DataFrame, outlook: Outlook, reference: Reference) -> Contributions:
    """What silence (``recency_days``) and rhythm (``n_orders``) contribute to BTYD's churn logit.

    Parameters
    ----------
    known : DataFrame of shape (n_customers, ...)
        Customers with at least one order, with ``BTYD_COLUMNS``.
    outlook : Outlook
        That gave these columns.
    reference : Reference

    Returns
    -------
    Contributions of shape (n_customers, 2)
        Rows add up to the logit of ``btyd_p_no_order``.
    """
    x, t_x, _ = outlook.btyd.histories(known, as_of=outlook.as_of)
    rhythms = distinct(x, t_x)
    own = churn_logit(known["btyd_p_no_order"].to_numpy(float))
    on_time = _on_time(rhythms.columns, outlook, reference)[rhythms.index]
    level = float(_on_time(np.array(reference.rhythms).T, outlook, reference).mean())
    return Contributions(level, ("recency_days", "n_orders"), np.column_stack([own - on_time, on_time - level]))


def _on_time(rhythms: Iterable[Floats], outlook: Outlook, reference: Reference) -> Floats:
    """Logits of customers with these rhythms who have been silent for one usual gap."""
    x, t_x = rhythms
    return outlook.churn_logit(x, t_x, t_x + reference.usual_gaps(x, t_x))
