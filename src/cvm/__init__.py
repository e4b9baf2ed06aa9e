"""Customer Value Management: from raw purchases to churn probability, CLV and segments.

The public names are loaded on first use, so importing ``cvm`` is quick and has no side effects.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvm.errors import CvmError
    from cvm.models.btyd import BgNbd, Btyd, GammaGamma
    from cvm.models.bundle import Bundle, read_bundle
    from cvm.models.crossvalidation import cross_validate_churn
    from cvm.params import Params, load_params
    from cvm.pipeline import run, summarise
    from cvm.scoring.score import score
    from cvm.stages.campaigns import evaluate_campaign, evaluate_cells
    from cvm.stages.plans import approve_plan, plan_campaign

__version__ = "0.1.0"

_HOMES = {
    "BgNbd": "cvm.models.btyd",
    "Btyd": "cvm.models.btyd",
    "Bundle": "cvm.models.bundle",
    "CvmError": "cvm.errors",
    "GammaGamma": "cvm.models.btyd",
    "Params": "cvm.params",
    "approve_plan": "cvm.stages.plans",
    "cross_validate_churn": "cvm.models.crossvalidation",
    "evaluate_campaign": "cvm.stages.campaigns",
    "evaluate_cells": "cvm.stages.campaigns",
    "load_params": "cvm.params",
    "plan_campaign": "cvm.stages.plans",
    "read_bundle": "cvm.models.bundle",
    "run": "cvm.pipeline",
    "score": "cvm.scoring.score",
    "summarise": "cvm.pipeline",
}

__all__ = [
    "BgNbd",
    "Btyd",
    "Bundle",
    "CvmError",
    "GammaGamma",
    "Params",
    "approve_plan",
    "cross_validate_churn",
    "evaluate_campaign",
    "evaluate_cells",
    "load_params",
    "plan_campaign",
    "read_bundle",
    "run",
    "score",
    "summarise",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cvm' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
