"""Trainings without their record in MLflow: of a small shop it takes several times as long as all stages together.

A plugin of ``conftest.py``, for whole loops that look at something else. The record itself is looked at by
``tests/tracking``, ``tests/promotion``, ``test_pipeline.py`` and ``test_faults.py``, in real stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def without_store() -> Iterator[None]:
    """No stage in the block tells a store of anything."""
    from cvm.stages import promote, report, train

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "_log", lambda *_: "1")
        patch.setattr(promote, "_follow", lambda *_: ())
        patch.setattr(report, "_attached", lambda *_: [])
        yield


@contextmanager
def without_figures() -> Iterator[None]:
    """Trainings in the block are recorded without their ten figures, which take longer to draw than models to train."""
    from cvm.tracking import training_run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "_figures", lambda _: iter(()))
        yield


@pytest.fixture(scope="module")
def untracked() -> Iterator[None]:
    """``without_store`` for all of a module."""
    with without_store():
        yield


@pytest.fixture(scope="module")
def unpainted() -> Iterator[None]:
    """``without_figures`` for all of a module."""
    with without_figures():
        yield
