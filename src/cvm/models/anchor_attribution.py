"""What an order history alone contributes to churn: the offset of the anchored booster, and BTYD's own answer, taken apart.

BTYD's P(no order) depends on a history in two ways: how often the customer has bought so far, and how long the silence has
lasted *against that rhythm*. 94 days are nothing to who buys once a year and the end to who bought every week, so rhythm is
told first and silence is told of a known rhythm:

    rhythm  = f(own rhythm, on time) - its mean over customers who are about on time
    silence = f(own rhythm, as long as it lasted) - f(own rhythm, on time)

``f`` is the logit, and on time is who has been silent for one usual gap. Silence raises churn exactly where it lasts longer
than is usual for the customer, equal rhythms get equal shares, and no history that cannot be is ever judged.

Source: asymmetric Shapley values (Frye, Rowat and Feige 2020, "Asymmetric Shapley values", NeurIPS 33), for two players with
rhythm before silence; the choice of players is our own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.btyd import Btyd
from cvm.models.btyd.distinct import distinct
from cvm.models.churn_anchor import ANCHOR, CONTRACT_COLUMNS, ChurnAnchor, anchor_p_churn, holds_subscription
from cvm.models.logits import finite_logit

Floats = NDArray[np.float64]

# The fields that stand for silence and for rhythm.
HISTORY_FIELDS = ("recency_days", "n_orders")


@dataclass(frozen=True)
class Outlook:
    """The outcome window as seen from ``as_of``, and what is said of churn in it before any outcome is learned from."""

    btyd: Btyd
    horizon_days: int
    lead_days: int = 0
    as_of: date = date(1970, 1, 1)
    anchor: ChurnAnchor = field(default_factory=ChurnAnchor)

    def predict(self, buyers: pd.DataFrame) -> pd.DataFrame:
        """``buyers`` with what BTYD expects of them, and the anchor of churn where it is another."""
        window: dict[str, Any] = {"horizon_days": self.horizon_days, "lead_days": self.lead_days, "as_of": self.as_of}
        known = pd.concat([buyers, self.btyd.predict(buyers, **window)], axis=1)
        return self.anchor.with_anchor(known, btyd=self.btyd, **window)

    def churn_logit(self, x: Floats, t_x: Floats, T: Floats) -> Floats:
        """Logit of P(no order in the window) of any histories on the clock of BTYD."""
        process, clock = self.btyd.process, self.btyd.clock
        start, end = (clock.ahead(self.as_of, days) for days in (self.lead_days, self.lead_days + self.horizon_days))
        silent = process.p_no_order_if_alive(x, T, days=end - start, lead_days=start)
        p_no_order = 1 - process.p_alive(x, t_x, T) * (1 - silent)
        return finite_logit(self.btyd.hindsight.p_no_order(p_no_order))


@dataclass(frozen=True)
class Usual:
    """What is usual in the base.

    Attributes
    ----------
    gap_days : float, > 0
        Median over customers with two orders of their mean gap, on the clock of BTYD; a day where it is less.
    on_time : float
        BTYD's churn logit of customers who are on time, on average.
    """

    gap_days: float
    on_time: float = 0.0

    def gaps(self, x: Floats, t_x: Floats) -> Floats:
        """Days between orders usual for these histories; the usual gap of the base counts as one more of theirs."""
        return (t_x + self.gap_days) / (x + 1)

    def lateness(self, buyers: pd.DataFrame, outlook: Outlook) -> Floats:
        """Silence of customers with at least one order, in gaps usual for them: array of shape (n_customers,)."""
        x, t_x, T = outlook.btyd.histories(buyers, as_of=outlook.as_of)
        return (T - t_x) / self.gaps(x, t_x)


def usual_gap_days(buyers: pd.DataFrame, outlook: Outlook) -> float:
    """See ``Usual.gap_days``."""
    x, t_x, _ = outlook.btyd.histories(buyers, as_of=outlook.as_of)
    repeats = x > 0
    return max(float(np.median(t_x[repeats] / x[repeats])), 1.0) if repeats.any() else 1.0


def attribute_anchor(known: pd.DataFrame, outlook: Outlook, usual: Usual) -> tuple[tuple[str, ...], Floats]:
    """What the anchor of churn is made of.

    Returns
    -------
    fields, added
        Names, and an array of shape (n_customers, n_fields); with ``usual.on_time`` rows add up to the anchor's logit. Where
        that is BTYD's of no order it is told as by ``attribute_history``; else it is all put down to how long the
        subscription has lasted, or to silence.
    """
    if ANCHOR not in known:
        return HISTORY_FIELDS, attribute_history(known, outlook, usual)
    added = finite_logit(anchor_p_churn(known)) - usual.on_time
    contractual = outlook.anchor.definition.is_contractual
    holds = holds_subscription(known) if contractual else np.zeros(len(known), dtype=bool)
    return (HISTORY_FIELDS[0], CONTRACT_COLUMNS[1]), np.column_stack(
        [np.where(holds, 0.0, added), np.where(holds, added, 0.0)]
    )


def attribute_history(known: pd.DataFrame, outlook: Outlook, usual: Usual) -> Floats:
    """What silence and rhythm contribute to BTYD's churn logit.

    Parameters
    ----------
    known : DataFrame of shape (n_customers, ...)
        Customers with at least one order, with ``BTYD_COLUMNS``.
    outlook : Outlook
        That gave these columns.
    usual : Usual

    Returns
    -------
    array of shape (n_customers, 2)
        By ``HISTORY_FIELDS``; with ``usual.on_time`` rows add up to the logit of ``btyd_p_no_order``.
    """
    x, t_x, _ = outlook.btyd.histories(known, as_of=outlook.as_of)
    rhythms = distinct(x, t_x)
    orders, until_last = rhythms.columns
    on_time = outlook.churn_logit(orders, until_last, until_last + usual.gaps(orders, until_last))[rhythms.index]
    own = finite_logit(known["btyd_p_no_order"].to_numpy(float))
    return np.column_stack([own - on_time, on_time - usual.on_time])
