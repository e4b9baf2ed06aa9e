"""What acting on churn probabilities is worth: whom a retention offer pays for, and what that brings.

A customer who would leave is kept by the offer with probability ``save_rate`` and is then worth ``value``; whoever is
contacted costs ``cost``. So contacting a customer is expected to bring

    save_rate * p_churn * value - cost

and pays wherever that is above 0: the threshold on ``p_churn`` is each customer's own, ``cost / (save_rate * value)``.

Source
------
The profit of a retention campaign as in Neslin, Gupta, Kamakura, Lu and Mason (2006), Defection Detection, JMR 43, per
customer instead of per base, with the cost of the incentive counted in ``cost``; a threshold chosen for profit instead of
accuracy as in Verbeke, Dejaeger, Martens, Hur and Baesens (2012), New insights into churn prediction, EJOR 218.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ContactTerms:
    """``cost`` of contacting one customer, and the share ``save_rate`` of those about to leave whom it keeps."""

    cost: float
    save_rate: float


@dataclass(frozen=True)
class Reach:
    """A way to choose whom to contact: how many it contacts, and the profit of that."""

    n_contacted: int
    profit: float


@dataclass(frozen=True)
class ContactDecision:
    """Ways to choose whom to contact, on one snapshot whose outcome is known.

    Attributes
    ----------
    terms : ContactTerms
    n_customers : int
    threshold : float or None
        Contact from this churn probability on: of all thresholds the one with the highest profit; ``None`` where nobody is
        worth a contact.
    by_threshold, by_customer, everybody : Reach
        Above the threshold; where the own expected profit is above 0; all. To contact nobody brings 0.
    share, profit_by_risk, profit_by_gain : arrays of shape (n_points,)
        Profit of contacting this share of the base, by falling churn probability and by falling expected profit.
    """

    terms: ContactTerms
    n_customers: int
    threshold: float | None
    by_threshold: Reach
    by_customer: Reach
    everybody: Reach
    share: Floats
    profit_by_risk: Floats
    profit_by_gain: Floats


def expected_profit(p_churn: Floats, value: Floats, terms: ContactTerms) -> Floats:
    """Expected profit of contacting each customer: array of shape (n_customers,).

    Parameters
    ----------
    p_churn : array of shape (n_customers,)
    value : array of shape (n_customers,), >= 0
        Margin at stake: what the customer brings in the outcome window if kept.
    terms : ContactTerms
    """
    return terms.save_rate * p_churn * value - terms.cost


def contact_decision(
    churned: Floats, p_churn: Floats, value: Floats, terms: ContactTerms, *, n_points: int = 101
) -> ContactDecision:
    """Compare ways to choose whom to contact by the profit they would have made.

    The threshold is chosen on the same customers it is judged on; with few of them its profit is a little flattered. The
    rule by customer chooses nothing on them.

    Parameters
    ----------
    churned : array of shape (n_customers,)
        1 or 0, of customers who were not contacted for it.
    p_churn : array of shape (n_customers,)
    value : array of shape (n_customers,), >= 0
        Margin at stake. Of a customer who left it is never observed, so it is an expectation here, too.
    terms : ContactTerms
    n_points : int
        Of the curves.
    """
    n = len(churned)
    realised = expected_profit(churned, value, terms)
    foreseen = expected_profit(p_churn, value, terms)
    n_by_risk, by_risk, level = _cumulated(realised, p_churn)
    n_by_gain, by_gain, _ = _cumulated(realised, foreseen)
    best = int(np.argmax(by_risk))
    chosen = foreseen > 0
    share = np.linspace(0, 1, n_points)
    return ContactDecision(
        terms=terms,
        n_customers=n,
        threshold=float(level[best]) if best else None,
        by_threshold=Reach(int(n_by_risk[best]), float(by_risk[best])),
        by_customer=Reach(int(chosen.sum()), float(realised[chosen].sum())),
        everybody=Reach(n, float(realised.sum())),
        share=share,
        profit_by_risk=np.interp(share * n, n_by_risk, by_risk),
        profit_by_gain=np.interp(share * n, n_by_gain, by_gain),
    )


def _cumulated(profit: Floats, score: Floats) -> tuple[Floats, Floats, Floats]:
    """Number and profit of those contacted down to each distinct score, and that score; begins with nobody."""
    levels, tie = np.unique(-score, return_inverse=True)
    n = np.cumsum(np.bincount(tie, minlength=len(levels)))
    total = np.cumsum(np.bincount(tie, weights=profit, minlength=len(levels)))
    return np.append(0.0, n), np.append(0.0, total), np.append(np.inf, -levels)
