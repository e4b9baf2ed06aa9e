"""Customer Value Management: from raw purchases to churn probability, lifetime value and campaigns that pay.

The whole loop, driven by ``params.yaml``: ``load_params``, ``run``, ``summarise``.
Its parts, as functions: ``read_bundle`` and ``score``, ``plan_campaign`` and ``evaluate_campaign``.
Models alone, on frames of your own: ``order_histories``, ``BuyTillYouDie``, ``ChurnClassifier``, ``cross_validate_churn``.
Every refusal is a ``CvmError`` that says what was found and how to mend it.

Frames are pandas, Polars or Arrow, and results come back in kind; ``docs/api.md`` shows each name. Names are loaded on first
use, so importing ``cvm`` is quick and has no side effects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvm.late_names import getter_of

if TYPE_CHECKING:
    from cvm.errors import CvmError
    from cvm.features.order_histories import order_histories
    from cvm.models.btyd.estimator import BuyTillYouDie
    from cvm.models.bundle import read_bundle
    from cvm.models.churn_classifier import ChurnClassifier
    from cvm.models.crossvalidation import cross_validate_churn
    from cvm.params import load_params
    from cvm.pipeline import run, summarise
    from cvm.scoring.score import score
    from cvm.stages.campaigns import evaluate_campaign
    from cvm.stages.plans import plan_campaign

__version__ = "0.1.0"

_HOMES = {
    "BuyTillYouDie": "cvm.models.btyd.estimator",
    "ChurnClassifier": "cvm.models.churn_classifier",
    "CvmError": "cvm.errors",
    "cross_validate_churn": "cvm.models.crossvalidation",
    "evaluate_campaign": "cvm.stages.campaigns",
    "load_params": "cvm.params",
    "order_histories": "cvm.features.order_histories",
    "plan_campaign": "cvm.stages.plans",
    "read_bundle": "cvm.models.bundle",
    "run": "cvm.pipeline",
    "score": "cvm.scoring.score",
    "summarise": "cvm.pipeline",
}

__all__ = [
    "BuyTillYouDie",
    "ChurnClassifier",
    "CvmError",
    "cross_validate_churn",
    "evaluate_campaign",
    "load_params",
    "order_histories",
    "plan_campaign",
    "read_bundle",
    "run",
    "score",
    "summarise",
]

if not TYPE_CHECKING:  # whom a __getattr__ would tell that there is every name
    __getattr__ = getter_of(globals(), _HOMES)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
