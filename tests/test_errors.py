from __future__ import annotations

import copy
import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from cvm import errors
from cvm.engines import QueryError
from cvm.errors import (
    CvmError,
    MissingColumnsError,
    MissingOutputError,
    ParamsError,
    SourceError,
    without_password,
)

FAMILY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, CvmError)]


def examples() -> list[Exception]:
    """One of every kind, by its constructor where it has one."""
    built = [
        ParamsError.from_problems("params.yaml", ["a: wrong", "b: missing"]),
        SourceError.from_missing_file("transactions", "x.csv"),
        SourceError.from_unreadable_file("transactions", "x.csv", "torn"),
        SourceError.from_empty_table("transactions", "x.csv"),
        MissingColumnsError.from_columns("transactions", required=["amount"], found=["total"]),
        MissingOutputError.from_stage(Path("plan.json"), command="cvm features"),
    ]
    return [*built, *(kind("what was found") for kind in (*FAMILY, QueryError))]


@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_back_from_a_worker(error: Exception) -> None:
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own bytes
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.args == error.args


def refuse(path: str) -> None:
    raise SourceError.from_missing_file("transactions", path)


def test_a_refusal_in_a_worker_process_reaches_the_caller_whole() -> None:
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
        pytest.raises(SourceError, match=r"Table 'transactions': no file matches 'x.csv'. Correct data.transactions.path"),
    ):
        pool.submit(refuse, "x.csv").result()


def test_every_refusal_is_caught_by_one_name() -> None:
    assert len(FAMILY) >= 12
    assert all(issubclass(kind, CvmError) for kind in FAMILY)
    assert issubclass(ParamsError, ValueError)


def test_no_error_has_a_signature_of_its_own() -> None:
    for kind in FAMILY:
        assert "__init__" not in vars(kind)
        assert kind.__doc__


def test_problems_are_counted_and_listed() -> None:
    assert str(ParamsError.from_problems("p.yaml", ["a"])) == "p.yaml has 1 problem:\n  - a"
    assert str(ParamsError.from_problems("p.yaml", ["a", "b"])) == "p.yaml has 2 problems:\n  - a\n  - b"


def test_missing_columns_are_shown_beside_what_is_there() -> None:
    error = MissingColumnsError.from_columns("events", required=["customer_id", "value"], found=["Customer", "x", "value"])
    assert str(error) == (
        "Table 'events' lacks columns ['customer_id']; it has ['Customer', 'value', 'x']. "
        "Map your column names in params.yaml, for example data.events.columns: {customer_id: Customer}."
    )


def test_a_missing_column_without_a_likely_match_asks_for_yours() -> None:
    error = MissingColumnsError.from_columns("events", required=["value"], found=["x"])
    assert "data.events.columns: {value: <your column>}" in str(error)


def test_a_missing_output_names_the_command_that_writes_it() -> None:
    error = MissingOutputError.from_stage(Path("outputs/plan.json"), command="cvm features")
    assert str(error) == "outputs/plan.json does not exist yet. Run `cvm features` first, or `cvm run` for the whole loop."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at postgresql://me:s3cret@host/db: no", "at postgresql://***@host/db: no"),
        ("postgresql://me:s3/cret@host/db", "postgresql://***@host/db"),
        ("http://me:s3@cret@host:5000", "http://***@host:5000"),
        ("http://host:5000 and me@example.org", "http://host:5000 and me@example.org"),
        ("sqlite:///mlruns/a@b.db", "sqlite:///mlruns/a@b.db"),
        (
            "postgresql://db/x?user=a&password=secret&sslmode=require",
            "postgresql://db/x?user=a&password=***&sslmode=require",
        ),
        ("'https://host/file.csv?sas_token=abc%2F1'", "'https://host/file.csv?sas_token=***'"),
        ("sqlite:///shop.db?mode=ro", "sqlite:///shop.db?mode=ro"),
    ],
)
def test_no_url_shows_its_password(text: str, shown: str) -> None:
    assert without_password(text) == shown
