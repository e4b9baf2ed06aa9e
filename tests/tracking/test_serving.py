"""Both models behind real scoring servers on loopback, registered with a real MLflow server, asked over HTTP."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from cvm.features.files import read_features
from ports import free_port
from serving import histories
from serving_client import ask, assert_same_scores, predictions, running

pytestmark = pytest.mark.slow

N_CUSTOMERS = 60
LOAD_S = 20
N_CLIENTS = 8


@pytest.fixture(scope="module")
def customer_ids(served_shop) -> list[str]:
    """Buyers of all kinds, and who only registered."""
    features = read_features(served_shop.workspace.features, served_shop.as_of)
    prospects = features.loc[features["n_orders"] == 0, "customer_id"].head(5)
    return [*features["customer_id"].sample(N_CUSTOMERS, random_state=1), *prospects][:N_CUSTOMERS]


@pytest.fixture(scope="module")
def rows(served_shop, customer_ids) -> list[dict[str, Any]]:
    features = read_features(served_shop.workspace.features, served_shop.as_of).set_index("customer_id", drop=False)
    return json.loads(features.loc[customer_ids].to_json(orient="records", double_precision=15))


@pytest.fixture(scope="module")
def raw_rows(served_shop, customer_ids) -> list[dict[str, Any]]:
    with served_shop.warehouse() as engine:
        return histories(engine, customer_ids, as_of=served_shop.as_of)


def error_of(answer: tuple[int, bytes]) -> str:
    status, body = answer
    found = json.loads(body)
    assert status == 400, body[:300]
    assert "stack_trace" not in found
    assert "Traceback" not in found["message"]
    return str(found["message"])


def test_features_posted_to_mlflow_get_the_batch_scores(served_shop, features_port, customer_ids, rows):
    assert_same_scores(predictions(ask(features_port, rows)), served_shop.batch(customer_ids))
    alone = predictions(ask(features_port, rows[:1]))
    assert_same_scores(alone, served_shop.batch(customer_ids[:1]))


def test_features_posted_to_cvm_serve_get_the_batch_scores(served_shop, cvm_port, customer_ids, rows):
    assert_same_scores(predictions(ask(cvm_port, rows)), served_shop.batch(customer_ids))


def test_raw_histories_get_the_batch_scores(served_shop, history_port, customer_ids, raw_rows):
    assert_same_scores(predictions(ask(history_port, raw_rows)), served_shop.batch(customer_ids))
    assert_same_scores(predictions(ask(history_port, raw_rows[:1])), served_shop.batch(customer_ids[:1]))


def test_what_happened_later_is_not_looked_at(history_port, served_shop, customer_ids, raw_rows):
    later = {"occurred_at": f"{served_shop.as_of}T12:00:00Z", "amount": 999.0}
    told = [{**row, "transactions": [*row["transactions"], later]} for row in raw_rows[:3]]
    assert_same_scores(predictions(ask(history_port, told)), served_shop.batch(customer_ids[:3]))


def test_what_is_optional_may_be_left_out(features_port, history_port, rows, raw_rows):
    short = [{name: value for name, value in row.items() if name != "share_weekend_orders"} for row in rows]
    assert len(predictions(ask(features_port, short))) == len(rows)
    bare = [{name: row[name] for name in ("customer_id", "as_of", "transactions")} for row in raw_rows]
    assert len(predictions(ask(history_port, bare))) == len(rows)
    assert len(predictions(ask(history_port, [bare[0], raw_rows[1]]))) == 2


@pytest.mark.parametrize("port_of", ["features_port", "cvm_port"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_orders": "many"}, "n_orders"),
        ({"n_orders": [1]}, "n_orders"),
        ({"n_orders": None}, "n_orders"),
        ({"n_orders": 1e300}, "n_orders"),
        ({"recency_days": -5.0}, "recency_days"),
        ({"spend": float("inf")}, "spend"),
        ({"attribute_city": {"a": 1}}, "attribute_city"),
        ({"customer_id": None}, "customer_id"),
        ({"customer_id": ["x"]}, "customer_id"),
        ({"customer_id": 1.5}, "customer_id"),
        ({"as_of": "soon"}, "as_of"),
        ({"as_of": "0001-01-01"}, "as_of"),
        ({"as_of": None}, "as_of"),
        ({"previous_segment": 5}, "previous_segment"),
    ],
)
def test_a_broken_row_of_features_gets_a_reason(request, rows, port_of, change, message):
    port = request.getfixturevalue(port_of)
    assert message in error_of(ask(port, [{**rows[0], **change}, rows[1]]))


@pytest.mark.parametrize("port_of", ["features_port", "cvm_port"])
def test_a_row_twice_or_without_a_required_feature_gets_a_reason(request, rows, port_of):
    port = request.getfixturevalue(port_of)
    assert "occurs twice in 1 rows" in error_of(ask(port, [rows[0], rows[0]]))
    assert "n_orders" in error_of(ask(port, [{name: value for name, value in rows[0].items() if name != "n_orders"}]))
    assert "customer_id" in error_of(ask(port, [{"x": 1}]))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"occurred_at": "soon", "amount": 5}, r"Row 1: transactions\[0\].occurred_at is no date"),
        ({"occurred_at": "2024-02-03", "amount": "five"}, r"transactions\[0\].amount is no amount of money"),
        ({"occurred_at": "2024-02-03"}, r"transactions\[0\].amount is missing"),
        ({"occurred_at": "2024-02-03", "amount": 1e30}, r"transactions\[0\].amount is no amount of money"),
        ({"occurred_at": "2024-02-03", "amount": [1]}, r"transactions\[0\].amount is neither text nor a number"),
        ({"occurred_at": "2024-02-03", "amount": 5, "chanel": "web"}, "did you mean .'channel'"),
        ({"occurred_at": "2024-02-03", "amount": 5, "currency": "EUR"}, r"currency is not UAH"),
        ("2024-02-03", r"transactions\[0\] must be an object"),
    ],
)
def test_a_broken_history_gets_row_and_column(history_port, raw_rows, line, message):
    answer = ask(history_port, [raw_rows[0], {**raw_rows[1], "transactions": [line]}])
    assert re.search(message, error_of(answer))


HOSTILE = {
    "nothing": b"",
    "no JSON": b"<?xml version='1.0'?>",
    "bytes": b"\xff\xfe\x00",
    "nested": b'{"dataframe_records":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 5000 digits": b'{"dataframe_records":[{"n_orders":' + b"9" * 5000 + b"}]}",
    "half a surrogate": b'{"dataframe_records":[{"customer_id":"\\ud800","as_of":"2024-01-01"}]}',
    "no rows": b'{"dataframe_records":{"a":1}}',
    "wrong field": b'{"rows":[]}',
}


@pytest.mark.parametrize("port_of", ["cvm_port", "history_port"])
@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_gets_a_short_reason(request, port_of, body):
    message = error_of(ask(request.getfixturevalue(port_of), body))
    assert len(message) < 2100


def test_a_body_that_is_too_large_or_of_no_known_type_is_refused(cvm_port):
    status, body = ask(cvm_port, b'{"dataframe_records":["' + b"x" * 100_000_000 + b'"]}')
    assert (status, json.loads(body)["message"]) == (413, "The request is larger than 32 MiB; send fewer rows at once.")
    status, body = ask(cvm_port, b"a;b", content_type="text/plain")
    assert status == 415
    assert "application/json" in json.loads(body)["message"]


@pytest.mark.parametrize("text", ["'; DROP TABLE transactions; --", "%s%n{0}{__class__}", "${jndi:ldap://x}", "\0\r\n\t"])
def test_strings_that_are_code_elsewhere_are_strings(cvm_port, history_port, rows, raw_rows, text):
    (served,) = predictions(ask(cvm_port, [{**rows[0], "customer_id": text, "attribute_city": text}]))
    assert served["customer_id"] == text
    lines = [{**line, "channel": text, "product_id": text} for line in raw_rows[0]["transactions"]]
    (served,) = predictions(ask(history_port, [{**raw_rows[0], "customer_id": text, "transactions": lines}]))
    assert served["customer_id"] == text


def test_eight_clients_for_twenty_seconds_get_nothing_but_answers(cvm_port, rows):
    body = json.dumps({"dataframe_records": rows[:1]}).encode()
    end = time.monotonic() + LOAD_S

    def client(_: int) -> list[int]:
        statuses = []
        while time.monotonic() < end:
            statuses.append(ask(cvm_port, body)[0])
        return statuses

    with ThreadPoolExecutor(N_CLIENTS) as pool:
        statuses = [status for of_client in pool.map(client, range(N_CLIENTS)) for status in of_client]
    assert set(statuses) == {200}
    assert len(statuses) > N_CLIENTS


def test_the_curl_lines_of_the_page_work_as_they_stand(cvm_port, history_port):
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
    commands = re.findall(r"```bash\n(curl .*?)```", page, re.DOTALL)
    assert len(commands) == 2
    for command in commands:
        port = history_port if '"transactions"' in command else cvm_port
        done = subprocess.run(
            ["bash", "-c", command.replace("127.0.0.1:5001", f"127.0.0.1:{port}")],
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert json.loads(done.stdout)["predictions"][0]["segment"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_well_when_it_is_told_to(served_shop, tmp_path, number):
    port, log = free_port(), tmp_path / "log"
    params = served_shop.params.root / "params.yaml"
    command = [sys.executable, "-m", "cvm", "serve", "--params", str(params), "--port", str(port)]
    with running(command, port=port, log=log, ping="/ping") as process:
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
    said = log.read_text()
    assert f"at http://127.0.0.1:{port}" in said
    assert said.rstrip().endswith("stopped")
    assert "Traceback" not in said


WITHOUT_CVM = """
import importlib.util, json, sys
sys.path.append(sys.argv[1])
assert importlib.util.find_spec("cvm") is None
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[2])
for name, rows in json.load(open(sys.argv[3])).items():
    print(json.dumps(mlflow.pyfunc.load_model(f"models:/{name}@champion").predict(pd.DataFrame(rows)).to_dict("records")))
"""


def test_both_models_score_where_the_package_is_not_installed(served_shop, tmp_path, customer_ids, rows, raw_rows):
    asked = tmp_path / "rows.json"
    asked.write_text(json.dumps({"cvm": rows[:3], "cvm-history": raw_rows[:3]}))
    # -S leaves out the files that make an editable installation importable.
    command = [sys.executable, "-S", "-c", WITHOUT_CVM, str(Path(pd.__file__).parents[1]), served_shop.uri, str(asked)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for line in done.stdout.splitlines():
        assert_same_scores(json.loads(line), served_shop.batch(customer_ids[:3]))
    assert len(done.stdout.splitlines()) == 2
