from __future__ import annotations

from pathlib import Path

import pytest

from cvm.ingest.contracts import CONTRACTS
from cvm.proposing.columns import Match, asked_columns, lacking, proposed_columns, unused
from cvm.proposing.questions import NONE, Question, proposed
from cvm.proposing.samples import TableSample
from drawn import lines, sample_of

ORDERS = CONTRACTS["transactions"]


@pytest.fixture(scope="module")
def retail(tmp_path_factory: pytest.TempPathFactory) -> TableSample:
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    return sample_of(
        tmp_path_factory.mktemp("retail"),
        lines(header, "536365,85123A,HOLDER,6,2010-12-01 08:26,2.55,17850,France", times=4),
    )


def taken(matches: dict[str, Match]) -> dict[str, str]:
    return {ours: match.shown for ours, match in matches.items()}


def test_units_times_price_make_an_amount_where_there_is_none(retail: TableSample) -> None:
    matches = proposed_columns(retail, ORDERS)
    assert taken(matches) == {
        "customer_id": "CustomerID",
        "occurred_at": "InvoiceDate",
        "amount": "Quantity * UnitPrice",
        "order_id": "InvoiceNo",
        "product_id": "StockCode",
        "quantity": "Quantity",
    }
    assert matches["amount"].reason == "no column holds amounts: units times the price of one"
    assert matches["occurred_at"].reason == "all 4 values are dates"
    assert unused(retail, matches) == ["Description", "Country"]


def test_an_amount_comes_before_a_product_and_the_others_are_named(tmp_path: Path) -> None:
    sample = sample_of(tmp_path, lines("client,date,qty,price,subtotal,total", "a,2024-01-01,2,3,6,7"))
    match = proposed_columns(sample, ORDERS)["amount"]
    assert (match.shown, match.note) == ("total", "all 1 values are numbers; could also be subtotal")


def test_a_name_is_not_believed_against_the_values(tmp_path: Path) -> None:
    sample = sample_of(tmp_path, lines("customer,date,amount,sum,is_test", "a,soon,many,5,perhaps"))
    matches = proposed_columns(sample, ORDERS)
    assert taken(matches) == {"customer_id": "customer", "amount": "sum"}
    assert lacking(ORDERS, matches) == ["occurred_at"]


def test_the_only_column_of_dates_is_when_it_happened(tmp_path: Path) -> None:
    sample = sample_of(tmp_path, lines("client,fecha,total", "a,2024-01-01,2"))
    match = proposed_columns(sample, ORDERS)["occurred_at"]
    assert (match.shown, match.reason) == ("fecha", "the only column of dates; all 1 values are dates")


def test_nobody_takes_what_is_proposed(retail: TableSample) -> None:
    matches = proposed_columns(retail, ORDERS)
    assert asked_columns(retail, ORDERS, matches, proposed) == matches


def test_somebody_decides_otherwise(retail: TableSample) -> None:
    answers = {"amount": "UnitPrice*Quantity", "order_id": NONE, "product_id": "Description"}

    def ask(question: Question) -> str:
        answer = answers.get(question.text.split(":")[0].split(".")[1], question.proposal)
        assert question.problem(answer) is None
        return answer

    decided = asked_columns(retail, ORDERS, proposed_columns(retail, ORDERS), ask)
    assert decided["amount"] == Match(("UnitPrice", "Quantity"), "as you said")
    assert "order_id" not in decided
    assert decided["product_id"].shown == "Description"


@pytest.mark.parametrize(
    ("column", "answer", "problem"),
    [
        ("customer_id", NONE, "customer_id is required; name a column"),
        ("amount", "Total", "'Total' is no column; there are InvoiceNo, StockCode"),
        ("amount", "Description", "most values of 'Description' are no numbers"),
        ("occurred_at", "Country", "most values of 'Country' are no dates"),
        ("order_id", "InvoiceNo*Quantity", "order_id is no number, so it cannot be a product"),
    ],
)
def test_wrong_answers_are_told_in_words(retail: TableSample, column: str, answer: str, problem: str) -> None:
    questions: dict[str, Question] = {}

    def ask(question: Question) -> str:
        questions[question.text.split(":")[0].split(".")[1]] = question
        return question.proposal

    asked_columns(retail, ORDERS, proposed_columns(retail, ORDERS), ask)
    assert (questions[column].problem(answer) or "").startswith(problem)
