from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from cvm.errors import ServingError
from cvm.tracking.server import MAX_BODY_BYTES, Guard, run_server


def answered(app, *parts: bytes, headers=((b"content-type", b"application/json"),), path_method="POST"):
    """Status and body of what comes through the guard."""
    waiting = [{"type": "http.request", "body": part, "more_body": n < len(parts) - 1} for n, part in enumerate(parts)]
    sent = []

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": path_method, "headers": list(headers), "path": "/invocations"}
    asyncio.run(Guard(app)(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def answering(status: int, body: bytes):
    async def app(scope, receive, send):
        app.heard = (await receive())["body"]
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:]})

    return app


def test_a_good_answer_passes_as_it_is_and_the_whole_request_is_heard():
    app = answering(200, b'{"predictions": []}')
    assert answered(app, b"ab", b"cd") == (200, b'{"predictions": []}')
    assert app.heard == b"abcd"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("Failed to predict data '  customer_id\n0 o@x.org'. \nError: n_orders is wrong.", "n_orders is wrong."),
        (
            "Failed to predict data 'x'. \nError: Failed to enforce schema of data 'x' with schema '[a]'. Error: no a",
            "no a",
        ),
        ("Invalid input. Error: 'y'\nInput: \nsecret\n", "Invalid input. Error: 'y'"),
        ("It must be a list. IMPORTANT: The protocol has changed", "It must be a list."),
        ("x" * 5000, "x" * 2000 + " ..."),
        (
            "Invalid input. Failed to convert column n to type 'float64'. Error: 'ValueError(\"... float: 'secret'\")'",
            "The column n must hold numbers (float64) or null; in some row it does not.",
        ),
        (
            "Invalid input. could not convert string to float: 'a\nsecret'",
            "A column that must hold numbers (float64) or null holds text in some row.",
        ),
        ("Model is missing inputs ['n'].", "Model is missing inputs ['n']."),
    ],
)
def test_an_error_is_told_in_short(said, message):
    body = json.dumps({"error_code": "BAD_REQUEST", "message": said, "stack_trace": "Traceback ..."}).encode()
    status, found = answered(answering(400, body), b"{}")
    assert (status, json.loads(found)) == (400, {"error_code": "BAD_REQUEST", "message": message})


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "BAD_REQUEST"), (413, "REQUEST_TOO_LARGE"), (415, "UNSUPPORTED_MEDIA_TYPE"),
        (422, "BAD_REQUEST"), (500, "INTERNAL_ERROR"), (504, "TIMEOUT"),
    ],
)  # fmt: skip
def test_the_code_of_an_error_says_what_its_status_says(status, code):
    found_status, found = answered(answering(status, b'{"error_code": "BAD_REQUEST", "message": "no"}'), b"{}")
    assert (found_status, json.loads(found)) == (status, {"error_code": code, "message": "no"})


@pytest.mark.parametrize("sent", ['{"dataframe_records": []}', '{"dataframe_split": {"columns": [], "data": []}}'])
def test_a_request_without_rows_is_told_so(sent):
    body = json.dumps({"message": "Model is missing inputs ['n']."}).encode()
    assert json.loads(answered(answering(400, body), sent.encode())[1])["message"].startswith("No rows were sent")


def test_an_error_that_is_no_json_becomes_json():
    status, found = answered(answering(415, b"only UTF-8"), b"{}")
    assert (status, json.loads(found)["message"]) == (415, "only UTF-8")


def test_a_body_that_is_too_large_is_not_handed_on():
    part = b"x" * (MAX_BODY_BYTES // 2 + 1)
    status, found = answered(answering(200, b"{}"), part, part)
    assert (status, json.loads(found)["message"]) == (413, "The request is larger than 32 MiB; send fewer rows at once.")


def test_a_request_without_a_type_is_refused():
    status, found = answered(answering(200, b"{}"), b"{}", headers=())
    assert (status, json.loads(found)["message"]) == (415, "The request names no Content-Type; send application/json.")


def test_a_port_that_is_taken_is_refused_with_the_fix_and_not_announced():
    def announced():
        raise AssertionError("announced")

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServingError, match=rf"127\.0\.0\.1:{port} cannot be served on: .*Choose another with --port"):
            run_server(Path("nowhere"), host="127.0.0.1", port=port, workers=1, ready=announced)
    with pytest.raises(ServingError, match=r"no\.such\.host\.invalid:5001 cannot be served on"):
        run_server(Path("nowhere"), host="no.such.host.invalid", port=5001, workers=1, ready=announced)
