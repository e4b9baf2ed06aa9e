"""`cvm serve` where there is nothing to serve, and what it says of the rest; tests/tracking/test_serving.py starts it."""

from __future__ import annotations

import json
import socket
from dataclasses import replace

import pytest

import shop
import simulated
from cvm.features.economics import Economics
from cvm.features.query import Schema
from cvm.features.raw_tables import RawTables
from cvm.stages.serve import _served


@pytest.fixture
def folder(tmp_path):
    shop.write_params(tmp_path)
    return tmp_path


def test_without_a_champion_it_says_what_to_run(folder):
    done = shop.cvm(folder, "serve")
    assert done.code == 1
    assert "champion holds no complete bundle" in done.err
    assert "Run `cvm train` first" in done.err


def test_a_bundle_of_before_cannot_take_histories(folder):
    (folder / "models" / "champion").mkdir(parents=True)
    simulated.bundle().write(folder / "models" / "champion")
    done = shop.cvm(folder, "serve", "--history")
    assert done.code == 1
    assert "does not tell how its features are computed" in done.err
    assert "Run `cvm features` and `cvm train`" in done.err


def test_a_port_that_is_taken_is_refused_before_anything_is_announced(folder):
    (folder / "models" / "champion").mkdir(parents=True)
    simulated.bundle().write(folder / "models" / "champion")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = shop.cvm(folder, "serve", "--port", str(port))
    assert done.code == 1
    assert f"127.0.0.1:{port} cannot be served on" in done.err
    assert "http://" not in done.out
    assert "starting" not in done.out


@pytest.mark.slow
def test_an_alias_that_nobody_has_is_refused_with_the_way_out(folder):
    done = shop.cvm(folder, "serve", "--alias", "nobody")
    assert done.code == 1
    assert "Without --alias the champion in models/champion is served" in done.err


@pytest.mark.parametrize("options", [("--port", "0"), ("--port", "70000"), ("--workers", "0")])
def test_impossible_options_are_wrong_usage(folder, options):
    assert shop.cvm(folder, "serve", *options).code == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_there_is_nothing_to_warn_of(host):
    assert _served(simulated.bundle(), takes_histories=False, host=host, port=5001).notes == ()


def test_elsewhere_it_warns_that_anybody_may_ask():
    (note,) = _served(simulated.bundle(), takes_histories=False, host="0.0.0.0", port=5001).notes  # noqa: S104 - the case
    assert "without a password and without TLS" in note


@pytest.mark.parametrize("takes_histories", [False, True])
def test_the_line_to_try_holds_a_short_request_in_json(takes_histories):
    raw = RawTables.of(Schema({"transactions": {"amount": "DOUBLE"}}), timezone="UTC", economics=Economics())
    found = _served(replace(simulated.bundle(), raw=raw), takes_histories=takes_histories, host="::1", port=7)
    assert found.curl.startswith("curl -s http://[::1]:7/invocations")
    rows = json.loads(found.curl.partition("-d '")[2].rstrip("'"))["dataframe_records"]
    assert [row["customer_id"] for row in rows] == ["example-1", "example-2"]
    assert ("transactions" in rows[0]) == takes_histories
