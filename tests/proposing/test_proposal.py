from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
import yaml

import shop
from cvm.errors import SourceError
from cvm.params import load_params
from cvm.proposing.annotated import params_text
from cvm.proposing.business import currency_question, margin_question, zone_question
from cvm.proposing.proposal import Proposal, propose
from cvm.proposing.questions import Question, proposed
from cvm.reports.proposal import next_step, summary_lines
from drawn import lines

NOW = datetime(2026, 1, 1)


def proposal(folder: Path, *, ask: object = proposed) -> Proposal:
    return propose([folder], folder=folder, ask=ask, now=NOW)  # type: ignore[arg-type]  # tests give any function


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Orders of the invented shop as a Ukrainian export: semicolons, commas, days first, some lines without a customer."""
    folder = tmp_path_factory.mktemp("orders")
    rows = shop.purchases(n_customers=120)
    nobody = rows.index % 10 == 0
    frame = {
        "Код клієнта": rows["customer_id"].mask(nobody),
        "Дата замовлення": [f"{day:%d.%m.%Y}" for day in rows["occurred_at"]],
        "Сума, грн": [f"{amount:.2f}".replace(".", ",") for amount in rows["amount"]],
        "Коментар": [f"note {number}" for number in rows.index],
    }
    rows.assign(**frame)[list(frame)].to_csv(folder / "замовлення.csv", sep=";", index=False)
    first = rows.groupby("customer_id")["occurred_at"].min().reset_index()
    first.columns = ["ID", "Дата реєстрації"]
    people = first.assign(Прізвище="Коваль", Місто=["Київ", "Львів"] * (len(first) // 2) + ["Київ"] * (len(first) % 2))
    people.to_csv(folder / "клієнти.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def found(orders: Path) -> Proposal:
    return proposal(orders)


def test_a_proposal_says_all_that_a_run_needs(found: Proposal, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(params_text(found), encoding="utf-8")
    params = load_params(tmp_path / "params.yaml")
    assert params.data.transactions is not None
    assert params.data.transactions.columns == {
        "customer_id": "Код клієнта",
        "occurred_at": "Дата замовлення",
        "amount": "Сума, грн",
    }
    assert (params.data.transactions.day_first, params.data.transactions.decimal) == (True, ",")
    assert params.data.transactions.skip_without == ["customer_id"]
    assert params.data.customers is not None
    assert params.data.customers.columns == {"customer_id": "ID", "signed_up_at": "Дата реєстрації"}
    assert params.data.customers.ignore == ["Прізвище"]
    assert (params.business.currency, params.business.timezone, params.windows.horizon_days) == ("UAH", "UTC", 60)
    assert params.churn.definition == "no_order"


def test_every_value_has_its_reason(found: Proposal) -> None:
    text = params_text(found)
    assert "# 90% of " in text
    assert "# the name of column Сума, грн" in text
    assert "# 10% of the lines name no customer: nobody's history" in text
    assert "# not used: Коментар" in text
    assert "# attributes: Місто" in text
    assert "# !!! FILL THIS IN" in text
    assert "# times of transactions, customers tell none; only you know it" in text


def test_the_files_are_judged_as_ingest_will(found: Proposal, orders: Path) -> None:
    assert [(one.table, one.n_rejected) for one in found.rehearsal.outcomes] == [("transactions", 0), ("customers", 0)]
    assert [verdict.purpose for verdict in found.rehearsal.verdicts] == ["churn", "CLV", "uplift"]
    assert sorted(path.name for path in orders.iterdir()) == ["замовлення.csv", "клієнти.csv"]  # nothing is left behind
    assert summary_lines(found) == [
        "business.margin_rate is 1.0, as if all revenue were profit: write your own into params.yaml before you trust CLV"
    ]


def test_answers_stand_before_proposals(orders: Path) -> None:
    def ask(question: Question) -> str:
        answers = {
            "клієнти.csv": "-",
            "currency": "eur",
            "time zone": "Europe/Kyiv",
            "horizon_days": "30",
            "margin_rate": ".35",
        }
        key = next((key for key in answers if question.subject == key or question.text.startswith(key)), "")
        answer = answers.get(key, question.proposal)
        assert question.problem(answer) is None
        return answer

    found = proposal(orders, ask=ask)
    assert found.left_out == ("клієнти.csv",)
    assert (found.currency, found.timezone) == (("EUR", "as you said"), ("Europe/Kyiv", "as you said"))
    assert (found.rehearsal.horizon_days, found.horizon_reason) == (30, "as you said")
    assert "30 days" in found.rehearsal.verdicts[0].sentence
    assert yaml.safe_load(params_text(found))["business"]["margin_rate"] == 0.35
    assert summary_lines(found) == ["left out: клієнти.csv"]


@pytest.mark.parametrize("answer", ["30", "0", "-0.3", "0,3", "0.0", "30%"])
def test_a_margin_that_is_no_share_is_asked_for_again(answer: str) -> None:
    assert "is no number above 0 and up to 1" in str(margin_question().problem(answer))
    assert margin_question().problem("1") is margin_question().problem("0.3") is None


def test_what_ingest_would_refuse_is_told_before(tmp_path: Path) -> None:
    rows = [f"c{n},2024-01-{n:02d},5,{code}" for n, code in ((1, "UAH"), (2, "EUR"))]
    (tmp_path / "orders.csv").write_text(lines("client,date,total,currency", *rows, times=3), encoding="utf-8")
    found = proposal(tmp_path)
    assert found.currency[0] == "EUR"
    assert "data.exchange_rates has to tell their worth" in found.currency[1]
    assert found.rehearsal.trouble is not None
    assert str(tmp_path) not in found.rehearsal.trouble
    assert summary_lines(found)[0].startswith("cvm run would refuse these files: ")
    assert next_step(found, "cvm run") == "mend what is said below, then cvm run"
    assert yaml.safe_load(params_text(found))["windows"]["horizon_days"] == 181


def test_of_too_little_more_is_asked_for_before_a_run(tmp_path: Path, found: Proposal) -> None:
    (tmp_path / "orders.csv").write_text(lines("client,date,total", "a,2024-01-01,5", "b,2024-01-02,5"), encoding="utf-8")
    assert next_step(proposal(tmp_path), "cvm run").startswith("cvm run; it may refuse so little data: then export more")
    assert next_step(found, "cvm run") == "cvm run"


def test_faulty_rows_and_returns_are_told(tmp_path: Path) -> None:
    header, rows = "client,date,total,status", ["a,2024-01-01,5,paid", "b,2024-01-02,5,refund"]
    (tmp_path / "orders.csv").write_text(lines(header, *rows, times=20) + "c,soon,1,paid\n", encoding="utf-8")
    notes = summary_lines(proposal(tmp_path))
    assert notes[0].startswith("status says 'refund', and no amount is negative: such lines would count as purchases")
    assert notes[1] == "transactions: 1 of 41 rows are faulty (2.4%): occurred_at is no date: 1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,tenure,Churn\na,1,Yes\n", "It tells who left: cvm crossvalidate .*file.csv --label Churn learns from it"),
        ("00001,1997-01-01,11.77\n00002,1997-01-12,12\n", "Its first line looks like values: add a line with the names"),
        ("person;value\na;{1: 2}\n", "value holds values within values: export one value a column"),
        ("names\na\n", "file.csv has no customer_id and no occurred_at and no amount among its columns names"),
    ],
)
def test_without_purchases_there_is_nothing_to_run(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "file.csv").write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match=f"(?s)No file is a table of purchases: who bought, when, for how much.*{told}"):
        proposal(tmp_path)


def test_a_spreadsheet_beside_other_files_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    (tmp_path / "orders.xlsx").touch()
    (tmp_path / "people.csv").write_text("client,town\na,Kyiv\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"orders.xlsx \(a spreadsheet: save it as CSV UTF-8\) was not looked at"):
        proposal(tmp_path)


@pytest.mark.slow
def test_a_business_is_contractual_where_most_buyers_hold_subscriptions(tmp_path: Path) -> None:
    rows = [f"c{n},2024-01-{n:02d},5" for n in range(1, 9)]
    (tmp_path / "orders.csv").write_text(lines("client,date,total", *rows), encoding="utf-8")
    held = [f"c{n},2024-01-01,2024-02-01" for n in range(1, 7)]
    (tmp_path / "contracts.csv").write_text(lines("client,start date,end date", *held), encoding="utf-8")
    assert proposal(tmp_path).churn_definition == ("subscription", "75% of the buyers ever held a subscription")


@pytest.mark.parametrize(
    ("answer", "zones"),
    [
        ("London", "Europe/London"),
        ("europe/london", "Europe/London"),
        ("new york", "America/New_York"),
        ("Nowhere", "Europe/Kyiv"),
    ],
)
def test_a_time_zone_is_told_by_its_city(answer: str, zones: str) -> None:
    problem = zone_question(["transactions"]).problem
    assert problem("Europe/London") is None
    assert problem(answer) == f"{answer!r} is not an IANA time zone; write for example {zones}"


def test_a_currency_is_told_by_its_code() -> None:
    problem = currency_question([]).problem
    assert (problem("GBP"), problem("gbp")) == (None, None)
    assert problem("pounds") == "'pounds' is no code of three letters, such as EUR, GBP, USD or UAH"


def test_a_customer_column_with_blanks_says_what_becomes_of_them(found: Proposal) -> None:
    reason = found.tables[0].candidate.matches["customer_id"].note
    assert reason.endswith(" blank: rows without a customer are left out")
