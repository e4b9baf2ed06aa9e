from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.engines import DuckDBEngine
from cvm.errors import MissingColumnsError, QualityError, SourceError
from cvm.ingest.clean import TableOutcome
from cvm.ingest.origins import FileSource, FrameSource
from cvm.ingest.reading import Reading
from cvm.ingest.stage import Rules, ingest
from cvm.workspace import Workspace

NOW = datetime(2024, 6, 1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(outputs=tmp_path / "outputs", champion=tmp_path / "models" / "champion")


def sales(*amounts: str, **columns: str) -> pa.Table:
    """Sales as a text file holds them, one per amount."""
    n = len(amounts)
    constant = {"customer_id": "c1", "occurred_at": "2024-05-01", **columns}
    return pa.table({"amount": list(amounts), **{name: [text] * n for name, text in constant.items()}})


def ingested(
    workspace: Workspace, *, max_rejected_share: float = 0.05, currency: str = "USD", **tables: pa.Table | FileSource
) -> list[TableOutcome]:
    sources = {
        name: table if isinstance(table, FileSource) else FrameSource(table, "given", Reading("UTC"))
        for name, table in tables.items()
    }
    return ingest(sources, workspace, Rules(currency, max_rejected_share), now=NOW).outcomes


def warehouse_rows(workspace: Workspace, table: str) -> list[dict[str, Any]]:
    with DuckDBEngine(workspace.warehouse, read_only=True) as engine:
        return engine.table(f"SELECT * FROM {table} ORDER BY ALL").to_pylist()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_warehouse_holds_the_clean_tables_and_nothing_else(workspace: Workspace) -> None:
    events = pa.table({"customer_id": ["c1"], "occurred_at": ["2024-05-01"], "event_type": ["visit"]})
    customers = pa.table({"customer_id": ["c1"], "age": ["30"]})
    outcomes = ingested(workspace, customers=customers, events=events, transactions=sales("1", "2"))
    assert [(outcome.table, outcome.n_kept) for outcome in outcomes] == [
        ("transactions", 2),
        ("events", 1),
        ("customers", 1),
    ]
    with DuckDBEngine(workspace.warehouse, read_only=True) as engine:
        assert engine.tables() == {"transactions", "events", "customers"}
    assert warehouse_rows(workspace, "customers") == [{"customer_id": "c1", "age": 30.0}]
    assert sorted(path.name for path in workspace.outputs.iterdir()) == [
        "ingested",
        "quality.parquet",
        "quarantine",
        "sufficiency.json",
        "warehouse.duckdb",
    ]


def test_files_and_frames_give_the_same_rows(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("amount,customer_id,occurred_at\n1.5,c1,2024-05-01\n", encoding="utf-8")
    ingested(workspace, transactions=FileSource(["t.csv"], tmp_path, Reading("UTC")))
    from_file = warehouse_rows(workspace, "transactions")
    ingested(workspace, transactions=sales("1.5"))
    assert warehouse_rows(workspace, "transactions") == from_file
    assert from_file == [{"customer_id": "c1", "occurred_at": datetime(2024, 5, 1), "amount": Decimal("1.5")}]


def test_the_quarantine_holds_the_rejected_rows_in_their_order(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("customer_id,occurred_at,amount\nc1,2024-05-01,$1\nc2,2024-05-01,2\n,x,3\n", encoding="utf-8")
    ingested(workspace, transactions=FileSource(["t.csv"], tmp_path, Reading("UTC")), max_rejected_share=1.0)
    found = pq.read_table(workspace.quarantine / "transactions.parquet").to_pylist()
    assert [(row["customer_id"], row["occurred_at"], row["amount"]) for row in found] == [
        ("c1", "2024-05-01", "$1"),
        (None, "x", "3"),
    ]
    assert [(row["source_file"], row["source_row"], row["reason"]) for row in found] == [
        (str(path), 1, "amount is no amount of money"),
        (str(path), 3, "customer_id is missing"),
    ]


def test_a_rerun_replaces_warehouse_and_quarantine(workspace: Workspace) -> None:
    ingested(workspace, transactions=sales("1", "x"), max_rejected_share=0.5)
    assert [path.name for path in workspace.quarantine.iterdir()] == ["transactions.parquet"]
    ingested(workspace, transactions=sales("2"))
    assert list(workspace.quarantine.iterdir()) == []
    assert [row["amount"] for row in warehouse_rows(workspace, "transactions")] == [Decimal(2)]


@pytest.mark.parametrize(
    ("n_rows", "n_faulty", "share"), [(100, 5, 0.05), (20, 1, 0.05), (10, 3, 0.3), (3, 0, 0.0), (3, 2, 1.0)]
)
def test_exactly_the_rejected_share_is_accepted(workspace: Workspace, n_rows: int, n_faulty: int, share: float) -> None:
    amounts = ["x"] * n_faulty + ["1"] * (n_rows - n_faulty)
    (outcome,) = ingested(workspace, transactions=sales(*amounts), max_rejected_share=share)
    assert (outcome.n_read, outcome.n_kept, outcome.n_rejected) == (n_rows, n_rows - n_faulty, n_faulty)


@pytest.mark.parametrize(("n_rows", "n_faulty", "share"), [(100, 6, 0.05), (19, 1, 0.05), (10, 4, 0.3), (1000, 1, 0.0)])
def test_one_row_more_than_the_rejected_share_is_refused(
    workspace: Workspace, n_rows: int, n_faulty: int, share: float
) -> None:
    amounts = ["x"] * n_faulty + ["1"] * (n_rows - n_faulty)
    with pytest.raises(
        QualityError, match=rf"{n_faulty} of {n_rows:,} rows .* more than data.max_rejected_share == {share:g} "
    ):
        ingested(workspace, transactions=sales(*amounts), max_rejected_share=share)


def test_the_share_is_of_each_table_alone(workspace: Workspace) -> None:
    events = pa.table({"customer_id": ["c1", ""], "occurred_at": ["2024-05-01"] * 2, "event_type": ["visit"] * 2})
    with pytest.raises(QualityError, match=r"Table 'events': 1 of 2 rows \(50.0%\) were rejected"):
        ingested(workspace, transactions=sales(*["1"] * 1000), events=events)


def test_test_orders_and_replaced_rows_do_not_count_against_the_share(workspace: Workspace) -> None:
    rows = pa.concat_tables([sales(*["1"] * 9, is_test="yes", order_id="1"), sales("1", "2", is_test="no", order_id="2")])
    source = FrameSource(rows, "given", Reading("UTC", key=["order_id"]))
    (outcome,) = ingest({"transactions": source}, workspace, Rules("USD", 0.0), now=NOW).outcomes
    assert (outcome.n_kept, outcome.n_rejected, sum(outcome.n_by_reason.values())) == (1, 0, 10)
    assert pq.read_table(workspace.quarantine / "transactions.parquet").num_rows == 10


@pytest.mark.parametrize(
    ("columns", "fix"),
    [
        ({"amount": ["$1", "$2"]}, "Export amounts as plain numbers such as 1234.56"),
        ({"amount": ["1,50", "1.234,56"]}, 'how they are written, for example data.transactions.decimal: ","'),
        ({"quantity": ["1,50", "2,5"]}, 'how they are written, for example data.transactions.decimal: ","'),
        ({"occurred_at": ["1.5.2024", "2.5.2024"]}, 'data.transactions.datetime_format: "%d.%m.%Y %H:%M"'),
        ({"occurred_at": ["1.5.2024", "2.5.2024"]}, "data.transactions.day_first: true"),
        ({"occurred_at": ["2030-01-01", "2030-01-02"]}, "Check the clock of this machine and data.transactions.timezone"),
        ({"customer_id": ["", " "]}, "Check which column is mapped under data.transactions.columns"),
        ({"is_test": ["yes", "yes"]}, "Mend the export"),
    ],
)
def test_a_table_without_a_sound_row_is_refused_with_the_way_out(
    workspace: Workspace, columns: dict[str, list[str]], fix: str
) -> None:
    table = pa.table({name: sales("1", "2")[name] for name in ("customer_id", "occurred_at", "amount")} | columns)
    with pytest.raises(QualityError, match="'transactions': all 2 rows were rejected") as caught:
        ingested(workspace, transactions=table, max_rejected_share=1.0)
    assert fix in str(caught.value)
    assert str(workspace.quarantine / "transactions.parquet") in str(caught.value)


def test_a_refusal_keeps_the_old_warehouse_and_writes_the_new_quarantine(workspace: Workspace) -> None:
    ingested(workspace, transactions=sales("1"))
    before = contents(workspace.outputs)
    with pytest.raises(QualityError, match="all 1 rows were rejected"):
        ingested(workspace, transactions=sales("x"))
    after = contents(workspace.outputs)
    assert set(after) - set(before) == {"quarantine/transactions.parquet"}
    assert after["warehouse.duckdb"] == before["warehouse.duckdb"]


def test_a_source_that_cannot_be_read_leaves_every_output_alone(workspace: Workspace, tmp_path: Path) -> None:
    ingested(workspace, transactions=sales("1", "x"), max_rejected_share=1.0)
    before = contents(workspace.outputs)
    nowhere = FileSource(["nowhere.csv"], tmp_path, Reading("UTC"))
    with pytest.raises(SourceError, match=r"no file matches 'nowhere.csv'"):
        ingested(workspace, transactions=sales("2"), customers=nowhere)
    with pytest.raises(MissingColumnsError, match="lacks columns"):
        ingested(workspace, transactions=sales("2"), customers=pa.table({"client": ["c1"]}))
    assert contents(workspace.outputs) == before


def test_amounts_in_another_currency_refuse_the_run(workspace: Workspace) -> None:
    rows = pa.concat_tables([sales("1", currency="EUR"), sales("2", "3", currency="uah"), sales("4", currency="USD")])
    expected = (
        r"amounts in \['UAH', 'EUR'\] \(3 rows\) beside business.currency == USD. Convert them .* or set business.currency"
    )
    with pytest.raises(QualityError, match=expected):
        ingested(workspace, transactions=rows)
    assert not workspace.warehouse.exists()


def test_amounts_in_the_currency_of_the_business_or_none_are_accepted(workspace: Workspace) -> None:
    rows = pa.concat_tables([sales("1", currency="eur"), sales("2", currency=" EUR "), sales("3", currency="")])
    (outcome,) = ingested(workspace, transactions=rows, currency="EUR")
    assert outcome.n_kept == 3


def test_attributes_with_the_declared_currency_sign_are_numbers(workspace: Workspace) -> None:
    customers = pa.table(
        {"customer_id": ["a", "b", "c"], "credit": ["$12.50", "-$3", "7 $"], "code": ["$007", "$1", "--$2"]}
    )
    source = FrameSource(customers, "given", Reading("UTC", currency_sign="$"))
    ingest(
        {"customers": source, "transactions": FrameSource(sales("1"), "given", Reading("UTC"))},
        workspace,
        Rules("USD", 0.05),
        now=NOW,
    )
    rows = warehouse_rows(workspace, "customers")
    assert [(row["credit"], row["code"]) for row in rows] == [(12.5, "$007"), (-3.0, "$1"), (7.0, "--$2")]


def test_a_rejected_row_may_be_in_any_currency(workspace: Workspace) -> None:
    rows = pa.concat_tables([sales("1", currency="EUR"), sales("x", currency="USD")])
    (outcome,) = ingested(workspace, transactions=rows, currency="EUR", max_rejected_share=0.5)
    assert outcome.n_kept == 1


def test_amounts_are_converted_at_the_exchange_rates_given(workspace: Workspace) -> None:
    rows = pa.concat_tables([sales("10", currency="EUR"), sales("2", currency="USD")])
    rates = pa.table({"currency": ["EUR", "EUR"], "valid_from": ["2024-01-01", "2024-05-02"], "rate": ["1.5", "9"]})
    ingested(workspace, transactions=rows, exchange_rates=rates)
    assert [(row["amount"], row["currency"]) for row in warehouse_rows(workspace, "transactions")] == [
        (Decimal(2), "USD"),
        (Decimal(15), "EUR"),
    ]
    assert len(warehouse_rows(workspace, "exchange_rates")) == 2


def test_rejected_rows_are_refused_before_missing_rates(workspace: Workspace) -> None:
    with pytest.raises(QualityError, match=r"1 of 2 rows \(50.0%\) were rejected"):
        ingested(workspace, transactions=pa.concat_tables([sales("1", currency="EUR"), sales("x", currency="EUR")]))
