"""The server of ``cvm serve``: MLflow's own, and in front of it what MLflow leaves open.

Bodies are bounded; what is no request gets a status of 400 and more and a short JSON message, never a stack trace and never
the request itself back.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cvm.errors import ServingError

MAX_BODY_BYTES = 32 * 2**20
TIMEOUT_S = 60
_MOST_HEARD_BYTES = 16 * MAX_BODY_BYTES
_MODEL = "CVM_SERVED_MODEL"
_LONGEST_MESSAGE = 2000
_ERROR_CODES = {413: "REQUEST_TOO_LARGE", 415: "UNSUPPORTED_MEDIA_TYPE", 504: "TIMEOUT"}
# MLflow puts the data and the whole schema before what is wrong, and a body that is no JSON behind it.
_BEFORE = re.compile(r"Failed to (predict data|enforce schema of data) '.*?'(\. \n| with schema '.*?'\. )Error: ", re.DOTALL)
_BEHIND = re.compile(r"\s*(Input: \n|IMPORTANT: ).*", re.DOTALL)
# Both quote the value; the second where MLflow does not say the column.
_NO_NUMBER = (
    (
        re.compile(r".*Failed to convert column (\S+) to type '(\w+)'\..*", re.DOTALL),
        r"The column \1 must hold numbers (\2) or null; in some row it does not.",
    ),
    (
        re.compile(r".*could not convert string to float: .*", re.DOTALL),
        "A column that must hold numbers (float64) or null holds text in some row.",
    ),
)
_NO_INPUTS = "Model is missing inputs"


def run_server(model: Path, *, host: str, port: int, workers: int, ready: Callable[[], None]) -> None:
    """Serve a saved model until the process is told to stop (SIGINT, SIGTERM).

    Parameters
    ----------
    model : Path
        Folder of an MLflow model.
    host : str
    port : int
    workers : int
        Processes; each holds the model.
    ready : callable
        Called once the server answers.

    Raises
    ------
    ServingError
        If the address cannot be had.
    """
    check_free(host, port)
    Thread(target=when_up, args=(host, port, ready), daemon=True).start()
    os.environ[_MODEL] = str(model)
    # The server raises the signal that ended it once more when it is done; by then it has done its work.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    uvicorn.run(
        "cvm.tracking.server:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )


def create_app() -> FastAPI:
    """MLflow's scoring server on the model of ``run_server``, called in every worker."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of types that MLflow declares of its own
        from mlflow import pyfunc
        from mlflow.pyfunc import scoring_server

    os.environ.setdefault("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", str(TIMEOUT_S))
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # warnings name what strangers send
    model = pyfunc.load_model(os.environ[_MODEL])
    if model.input_example is not None:
        model.predict(model.input_example)  # what is read and planned at the first request is then at hand
    app = scoring_server.init(model)
    app.add_exception_handler(RecursionError, _no_json)
    app.add_exception_handler(ValueError, _no_json)
    app.add_middleware(Guard)
    return app


class Guard:
    """Bounds the body of a request, and tidies the answer where it is an error."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            text = f"The request is larger than {MAX_BODY_BYTES / 2**20:.0f} MiB; send fewer rows at once."
            await _error(413, text)(scope, receive, send)
        elif b"content-type" not in dict(scope["headers"]):
            text = "The request names no Content-Type; send application/json."
            await _error(415, text)(scope, receive, send)
        else:
            await self._app(scope, _replayed(body, receive), _tidied(send, body))


def check_free(host: str, port: int) -> None:
    """Refuse an address that cannot be had.

    Raises
    ------
    ServingError
        Says why.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ServingError(
            f"{host}:{port} cannot be served on: {error.strerror or error}. Choose another with --port or --host."
        ) from None


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None if it is too large. What is too much is read too, since few clients hear an answer before."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            parts.clear()
        else:
            parts.append(part)
        if not message.get("more_body") or size > _MOST_HEARD_BYTES:
            return b"".join(parts) if size <= MAX_BODY_BYTES else None


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _tidied(send: Send, request: bytes) -> Send:
    """``send`` that holds an error back until it is whole, and sends it in short."""
    held: dict[str, Any] = {}

    async def tidy(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            held["status"], held["body"] = message["status"], b""
        elif not held:
            await send(message)
        else:
            held["body"] += message.get("body", b"")
            if not message.get("more_body"):
                answer = _error(held["status"], _message(held["body"], request))
                await send({"type": "http.response.start", "status": held["status"], "headers": answer.raw_headers})
                await send({"type": "http.response.body", "body": answer.body})

    return tidy


def _message(body: bytes, request: bytes) -> str:
    """What an error of MLflow says is wrong, without what was sent."""
    text = body.decode(errors="replace")
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    said = str(found.get("message") or found.get("detail") or text) if isinstance(found, dict) else str(found)
    said = _BEHIND.sub("", _BEFORE.sub("", said)).strip()
    for pattern, told in _NO_NUMBER:
        said = pattern.sub(told, said)
    if said.startswith(_NO_INPUTS) and _is_empty(request):
        said = "No rows were sent; send one row per customer."
    return said if len(said) <= _LONGEST_MESSAGE else f"{said[:_LONGEST_MESSAGE]} ..."


def _is_empty(request: bytes) -> bool:
    """Whether a request in JSON holds a list of rows, and nothing in it."""
    try:
        sent = json.loads(request)
    except (ValueError, RecursionError):
        return False
    if not isinstance(sent, dict):
        return False
    split = sent.get("dataframe_split")
    rows = [sent.get(name) for name in ("dataframe_records", "inputs", "instances")]
    return [] in [*rows, split.get("data") if isinstance(split, dict) else None]


def _error(status: int, message: str) -> JSONResponse:
    code = _ERROR_CODES.get(status, "BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
    return JSONResponse({"error_code": code, "message": message}, status)


def _no_json(request: Request, error: Exception) -> JSONResponse:  # noqa: ARG001 - the form of a handler
    kind = "nested too deeply" if isinstance(error, RecursionError) else "no JSON that can be read"
    return _error(400, f"The request is {kind}.")


def when_up(host: str, port: int, then: Callable[[], None], *, attempts: int = 600) -> None:
    """Call ``then`` once the port answers; nothing if it does not within a minute."""
    for _ in range(attempts):
        try:
            with socket.create_connection((host, port), timeout=1):
                then()
                return
        except OSError:
            time.sleep(0.1)
