"""The command that serves a model."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from cvm.completion import ALIASES, one_of
from cvm.terminal import DEFAULT_PARAMS, ParamsOption, Printer, QuietOption, SetOption, load_params


def serve(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    alias: Annotated[
        str | None,
        typer.Option(
            "--alias",
            help="Of the MLflow registry; else the champion in models/champion.",
            autocompletion=one_of(ALIASES),
        ),
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Requests hold raw histories, not features.")] = False,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen at.")] = 5001,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes; each holds the model.")] = 1,
) -> None:
    """Answer requests for scores over HTTP, until Ctrl+C."""
    from cvm.stages.serve import Served
    from cvm.stages.serve import serve as serve_bundle

    checked, printer, started = load_params(params, overrides=set_ or ()), Printer(quiet=quiet), time.perf_counter()

    def ready(served: Served) -> None:
        takes = "raw histories" if history else "features"
        message = f"model {served.model_version}, which takes {takes}, at {served.url}; Ctrl+C stops it"
        printer.outcome("serve", message, served.notes, time.perf_counter() - started)
        if not quiet:
            printer.console.print(f"Try it:\n{served.curl}", markup=False, soft_wrap=True)

    with printer.stage("serve") as progress:
        serve_bundle(
            checked,
            alias=alias,
            takes_histories=history,
            host=host,
            port=port,
            workers=workers,
            ready=ready,
            progress=progress,
        )
    if not quiet:
        printer.console.print("serve     stopped", markup=False)
