from __future__ import annotations

from pathlib import Path

import pytest

from cvm.proposing.questions import NONE, Question, proposed
from cvm.proposing.samples import TableSample
from cvm.proposing.tables import asked_tables, candidates, why_none
from drawn import lines, sample_of

FILES = {
    "orders.csv": lines("client,order_date,total", "a,2024-01-01,5", "b,2024-01-02,5"),
    "order_items.csv": lines("user,day,line total eur", "a,2024-01-01,5", "a,2024-01-02,5"),
    "clients.csv": lines(
        "id,email,registered,region", "a,a@example.org,2024-01-01,north", "b,b@example.org,2024-01-01,south"
    ),
    "візити.csv": lines("user id,event time,event", "a,2024-01-01,visit", "a,2024-01-02,visit"),
    "contracts.csv": lines("client,start date,end date,mrr", "a,2024-01-01,,5", "b,2024-01-01,2024-02-01,5"),
    "sent.csv": lines("campaign,customer,sent at,group", "may,a,2024-01-01,control", "may,b,2024-01-01,letter"),
    "nbu.csv": lines("currency,date,rate", "USD,2024-01-01,41.5", "EUR,2024-01-01,43.2"),
    "shopify.csv": lines(
        "Name,Email,Created at,Total,Currency,Location,Source,Discount Amount,Payment Method,Phone",
        "#1,a@example.org,2024-01-01 10:00:00 +0200,5,UAH,,web,0,card,",
    ),
    "words.csv": lines("word,meaning", "a,b"),
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TableSample]:
    folder = tmp_path_factory.mktemp("tables")
    return {name: sample_of(folder, text, name=name) for name, text in FILES.items()}


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("orders.csv", "transactions"),
        ("clients.csv", "customers"),
        ("візити.csv", "events"),
        ("contracts.csv", "subscriptions"),
        ("sent.csv", "assignments"),
        ("nbu.csv", "exchange_rates"),
        ("shopify.csv", "transactions"),
        ("words.csv", None),
    ],
)
def test_a_file_is_the_table_whose_columns_it_has(samples: dict[str, TableSample], name: str, table: str | None) -> None:
    chosen = asked_tables([(samples[name], candidates(samples[name]))], proposed)
    assert [one.table for one in chosen] == ([table] if table else [])


def test_an_export_of_a_known_program_is_its_preset(samples: dict[str, TableSample]) -> None:
    found = candidates(samples["shopify.csv"])[0]
    assert (found.preset, found.lacks) == ("shopify-orders", [])
    assert found.reason == "its columns are those of the preset shopify-orders"


def test_a_table_is_one_file_the_one_that_fits_best(samples: dict[str, TableSample]) -> None:
    pairs = [(samples[name], candidates(samples[name])) for name in ("order_items.csv", "orders.csv")]
    asked: list[Question] = []

    def ask(question: Question) -> str:
        asked.append(question)
        return question.proposal

    assert [one.sample.files.shown for one in asked_tables(pairs, ask)] == ["orders.csv"]
    assert asked[0].reason == "it could be transactions, but orders.csv fits better, and a table has one layout"


def test_the_user_may_say_that_a_file_is_another_table_or_none(samples: dict[str, TableSample]) -> None:
    pairs = [(samples["orders.csv"], candidates(samples["orders.csv"]))]
    assert asked_tables(pairs, lambda _: NONE) == []
    [chosen] = asked_tables(pairs, lambda _: "subscriptions")
    assert (chosen.table, chosen.lacks) == ("subscriptions", ["started_at"])


def test_customers_are_known_once_each(tmp_path: Path) -> None:
    sample = sample_of(tmp_path, lines("client,page", "a,1", "a,2", "b,1"))
    assert [one.table for one in candidates(sample) if not one.lacks] == []


def test_what_a_file_lacks_is_told(samples: dict[str, TableSample], tmp_path: Path) -> None:
    wide = sample_of(tmp_path, lines(",".join(f"c{n}" for n in range(15)), ",".join("x" * 15)))
    assert why_none(candidates(wide), wide).endswith("c10, c11 and 3 more")
    told = why_none(candidates(samples["clients.csv"]), samples["clients.csv"])
    assert told.startswith("clients.csv has no amount among its columns id, email, registered, region")
