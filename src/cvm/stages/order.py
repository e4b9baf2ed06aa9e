"""The stages of the loop in their order, each imported when it is run: one command does not wait for what others need."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvm.params import Params
    from cvm.stages.context import StageOutcome


def _stage(name: str, module: str) -> Callable[..., StageOutcome]:
    """``run_<name>`` of a module."""

    def stage(params: Params, **options: Any) -> StageOutcome:
        run: Callable[..., StageOutcome] = getattr(import_module(module), f"run_{name}")
        return run(params, **options)

    stage.__module__, stage.__name__ = module, f"run_{name}"
    return stage


STAGES = {
    name: _stage(name, f"cvm.stages.{module}")
    for name, module in {
        "ingest": "data",
        "features": "data",
        "train": "train",
        "promote": "promote",
        "score": "score",
        "segment": "segment",
        "actions": "actions",
        "kpis": "kpis",
        "report": "report",
    }.items()
}
