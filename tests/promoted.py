"""Bundles that differ in what promotion looks at, and how they get on file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvm.models.bundle import Bundle
from simulated import bundle

JUDGEMENT = {
    "churn": {
        "BTYD": {"brier": 0.16, "calibration_error": 0.03},
        "blended LightGBM": {"brier": 0.15, "calibration_error": 0.02},
    },
    "value": {"BTYD": {"tweedie_deviance": 12.0}, "blended LightGBM": {"tweedie_deviance": 11.0}},
    "churn_winner": "blended LightGBM",
    "value_winner": "blended LightGBM",
}
RECIPE = {"churn": "blended LightGBM", "columns": ["spend_90d"], "seed": 7}


def made(number: int = 1, *, evidence: dict[str, Any] | None = None, **changes: Any) -> Bundle:
    """A bundle of its own version; ``evidence`` is added to what a judged one holds."""
    found = {"number": number, "judgement": JUDGEMENT, "recipe": RECIPE, "test": "2024-03-03", "judged_days": 90}
    return bundle(evidence={**found, **(evidence or {})}, **changes)


def put(found: Bundle, folder: Path) -> str:
    """Write a bundle, and give its version."""
    folder.mkdir(parents=True)
    found.write(folder)
    return found.model_version
