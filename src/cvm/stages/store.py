"""Which MLflow store params name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cvm.params import Params

if TYPE_CHECKING:
    from cvm.tracking.store import Store

_SQLITE = "sqlite:///"


def store_of(params: Params) -> Store:
    """The MLflow store that params name."""
    from cvm.tracking.store import Store  # MLflow takes seconds to import; only stages that track pay for it

    database, names = database_of(params), (params.tracking.experiment, params.tracking.model)
    if database is None:
        return Store(params.tracking.uri, None, *names)
    return Store(f"{_SQLITE}{database}", database.parent / "artifacts", *names)


def database_of(params: Params) -> Path | None:
    """File of the MLflow store, where it is one."""
    uri = params.tracking.uri
    return params.resolve(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None
