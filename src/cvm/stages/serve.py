"""A bundle behind a scoring server: which one, as which model, and a request that shows how to ask it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cvm.errors import TrackingError
from cvm.models.bundle import Bundle, read_bundle
from cvm.params import Params
from cvm.stages.context import Progress, silent, workspace_of
from cvm.stages.store import store_of


@dataclass(frozen=True)
class Served:
    """What is served, and where.

    Attributes
    ----------
    model_version : str
        Of the bundle.
    url : str
    curl : str
        A command that asks it to score two invented customers.
    notes : tuple of str
        What to be warned of.
    """

    model_version: str
    url: str
    curl: str
    notes: tuple[str, ...]


def serve(
    params: Params,
    *,
    alias: str | None,
    takes_histories: bool,
    host: str,
    port: int,
    workers: int,
    ready: Callable[[Served], None],
    progress: Progress = silent,
) -> None:
    """Serve a bundle over HTTP until the process is told to stop.

    Parameters
    ----------
    params : Params
    alias : str or None
        Of the MLflow registry; ``None`` serves the champion exported to ``models/champion``, for which no store is needed.
    takes_histories : bool
        Whether requests hold raw histories instead of features.
    host, port, workers
        As ``run_server`` wants them.
    ready : callable
        Called once the server answers.
    progress : callable

    Raises
    ------
    BundleError
        If there is no bundle, or it does not know how to read raw histories.
    TrackingError
        If the store does not know the alias.
    ServingError
        If the address cannot be had.
    """
    from cvm.scoring.raw_history import HistoryModel
    from cvm.tracking.server import check_free, run_server

    progress(f"reading {alias or 'the exported champion'}")
    bundle = _registered(params, alias) if alias else read_bundle(workspace_of(params).champion)
    if takes_histories:
        HistoryModel(bundle)
    check_free(host, port)
    progress("starting the server")
    from cvm.tracking.served import save_scoring_model  # MLflow takes seconds to import: what can be refused is by now

    served = _served(bundle, takes_histories=takes_histories, host=host, port=port)
    with tempfile.TemporaryDirectory(prefix="cvm-serve-") as folder:
        model = Path(folder) / "model"
        save_scoring_model(bundle, model, takes_histories=takes_histories)
        run_server(model, host=host, port=port, workers=workers, ready=lambda: ready(served))


def _registered(params: Params, alias: str) -> Bundle:
    try:
        return store_of(params).bundle(alias)
    except TrackingError as error:
        raise TrackingError(f"{error} Without --alias the champion in models/champion is served, with no store.") from error


def _served(bundle: Bundle, *, takes_histories: bool, host: str, port: int) -> Served:
    from cvm.tracking.signature import example_histories, shortest_example

    as_of = bundle.trained_as_of
    example = example_histories(as_of=as_of) if takes_histories else shortest_example(bundle, as_of=as_of)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    body = json.dumps({"dataframe_records": example.to_dict("records")})
    curl = f"curl -s {url}/invocations -H 'Content-Type: application/json' -d '{body}'"
    note = (
        f"bound to {host}: whoever reaches this machine may ask, without a password and without TLS. Put a proxy with both "
        "in front, see docs/serving.md."
    )
    return Served(bundle.model_version, url, curl, () if _is_loopback(host) else (note,))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
