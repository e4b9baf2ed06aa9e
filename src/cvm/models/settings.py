"""What ``params.yaml`` says about training, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cvm.evaluation import ContactTerms
from cvm.models.choices import Backend, Decision, Family, Treated
from cvm.segments import Segmentation


@dataclass(frozen=True)
class TrainSettings:
    """What ``params.yaml`` says about training; keys of the same name have their comments there.

    Attributes
    ----------
    clv_days : int
    eligible_days : int or None
        Of ``windows``.
    active_days, currency, discount_rate_per_year
        Of ``business``.
    family, backend : str
        Of ``btyd``.
    allow_constant_amount : bool
        Of ``data``.
    trials, timeout_s, seed, treated
        Of ``train``.
    decisions : mapping of str to str
        ``train.features``: which features are left out, or kept although they look like leaks.
    tiers : mapping of str to float
        Share of customers in each value tier, the dearest first.
    segmentation : Segmentation
        What the bundle segments by where nobody says otherwise.
    contact : ContactTerms or None
        What a contact costs and saves; ``None`` where ``retention`` does not say.
    treatment_costs : mapping of str to float
        Of one contact, by arm.
    """

    clv_days: int
    eligible_days: int | None
    active_days: int
    currency: str
    discount_rate_per_year: float
    backend: Backend
    allow_constant_amount: bool
    trials: int
    timeout_s: int | None
    seed: int
    tiers: Mapping[str, float]
    family: Family | Literal["auto"] = "auto"
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    treated: Treated = "include"
    contact: ContactTerms | None = None
    treatment_costs: Mapping[str, float] = field(default_factory=dict)
    segmentation: Segmentation = field(default_factory=Segmentation)
