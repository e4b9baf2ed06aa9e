from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cvm.models.bundle import Bundle
from cvm.workspace import Workspace
from promoted import made


@pytest.fixture(scope="session")
def bundles() -> Callable[[int], Bundle]:
    """Bundles by number, each made once."""
    known: dict[int, Bundle] = {}
    return lambda number: known.setdefault(number, made(number))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(outputs=tmp_path / "outputs", champion=tmp_path / "models" / "champion")
