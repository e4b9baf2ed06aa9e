"""Forty kinds of damaged input, each ending in a message that names cause and remedy, or in quarantine."""

from __future__ import annotations

import gzip
import re
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import shop
from cvm.engines import DuckDBEngine

N = 200
HEADER = "customer_id,occurred_at,amount,order_id"
ROWS = [f"c{n % 40:03d},2024-0{1 + n % 6}-{1 + n % 28:02d} 10:00:00,{10 + n}.50,o{n}" for n in range(N)]


def lines(*rows: str, header: str = HEADER) -> bytes:
    return ("\n".join([header, *ROWS, *rows]) + "\n").encode()


def write(content: bytes, name: str = "sales.csv") -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def source(**settings: object) -> Callable[[Path], None]:
    """Settings of ``data.transactions`` beside its path."""
    return lambda folder: set_data(folder, transactions={"path": "sales.csv", **settings})


def set_data(folder: Path, **data: object) -> None:
    sections = {"data": data, "business": {"currency": "USD", "timezone": "UTC"}}
    (folder / "params.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")


def both(*damages: Callable[[Path], None]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for one in damages:
            one(folder)

    return damage


def second_table(table: str, content: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / f"{table}.csv").write_text(content, encoding="utf-8")
        set_data(folder, transactions={"path": "sales.csv"}, **{table: {"path": f"{table}.csv"}})

    return damage


def parquet(**columns: object) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        frame = pd.DataFrame([row.split(",") for row in ROWS], columns=HEADER.split(","))
        frame["occurred_at"] = pd.to_datetime(frame["occurred_at"])
        frame["amount"] = frame["amount"].astype(float)
        pq.write_table(pa.Table.from_pandas(frame.assign(**columns), preserve_index=False), folder / "sales.parquet")
        set_data(folder, transactions={"path": "sales.parquet"})

    return damage


def torn(name: str, content: bytes) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content[: len(content) // 2])
        set_data(folder, transactions={"path": name})

    return damage


def sqlite_without_table(folder: Path) -> None:
    with sqlite3.connect(folder / "shop.sqlite") as connection:
        connection.execute("CREATE TABLE orders (customer_id)")
    connection.close()
    set_data(folder, transactions={"path": "shop.sqlite", "table": "sales"})


def mixed_formats(folder: Path) -> None:
    (folder / "sales.jsonl").write_text('{"customer_id": "c1"}\n', encoding="utf-8")
    set_data(folder, transactions={"path": ["sales.csv", "sales.jsonl"]})


@dataclass(frozen=True)
class Damage:
    """What is done to a sound folder, and what must be said; ``quarantined`` rows are set aside and the run goes on."""

    name: str
    do: Callable[[Path], None]
    says: tuple[str, ...]
    quarantined: int = 0


DATABASE = {"transactions": {"url": "sqlite:///nowhere/shop.sqlite", "query": "SELECT 1"}}
FEW = "c1,2024-01-05 10:00:00,{},o1"
DAMAGES = (
    # --- files
    Damage(
        "no file",
        lambda folder: (folder / "sales.csv").unlink(),
        (r"no file matches 'sales\.csv'", r"data\.transactions\.path"),
    ),
    Damage("no bytes", write(b""), (r"'sales\.csv' has no rows", "Check the export")),
    Damage("a header alone", write(HEADER.encode()), (r"'sales\.csv' has no rows", "Check the export")),
    Damage(
        "ragged rows",
        write(lines("c1,2024-01-05,1,o1,more,and more")),
        (r"differ in their number of columns", "Export the file"),
    ),
    Damage("an open quote", write(lines('c1,2024-01-05,1,"o1')), (r"cannot be read", "Export the file again")),
    Damage(
        "not UTF-8",
        write(lines().replace(b"c001", b"\xff\xfe\xfa")),
        (r"'sales\.csv' cannot be read", "Export the file again"),
    ),
    Damage(
        "binary in the place of text", write(bytes(range(256)) * 20), (r"Table 'transactions'", r"sales\.csv|lacks columns")
    ),
    Damage(
        "torn gzip",
        torn("sales.csv.gz", gzip.compress(lines())),
        (r"'sales\.csv\.gz' cannot be read", "Export the file again"),
    ),
    Damage(
        "torn Parquet",
        torn("sales.parquet", b"PAR1" + bytes(400)),
        (r"'sales\.parquet' cannot be read", "Export the file again"),
    ),
    Damage(
        "broken JSON lines",
        both(write(b'{"customer_id": "c1"\n{]', "sales.jsonl"), source(path="sales.jsonl")),
        (r"'sales\.jsonl' cannot be read", "Export the file again"),
    ),
    Damage(
        "an unknown format",
        both(write(lines(), "sales.xlsx"), source(path="sales.xlsx")),
        (r"'sales\.xlsx' is of no known format", "name the file"),
    ),
    Damage("two formats in one table", mixed_formats, (r"mix \['csv', 'json'\] files", "one format per table")),
    Damage(
        "a folder in the place of a file",
        both(lambda folder: (folder / "exports").mkdir(), source(path="exports")),
        (r"no file matches 'exports'", r"data\.transactions\.path"),
    ),
    # --- databases
    Damage(
        "a database without the table",
        sqlite_without_table,
        (r"shop\.sqlite cannot be read: no such table", r"Correct data\.transactions"),
    ),
    Damage(
        "a database that is not there",
        lambda folder: set_data(folder, **DATABASE),
        (r"Table 'transactions'", r"data\.transactions"),
    ),
    Damage(
        "a file that is no database",
        both(write(b"not a database at all" * 50, "shop.sqlite"), source(path="shop.sqlite", table="sales")),
        (r"shop\.sqlite cannot be read", r"data\.transactions"),
    ),
    # --- columns and settings
    Damage(
        "a required column is missing",
        write(lines(header="customer_id,occurred_at,Total Amount,order_id")),
        (r"lacks columns \['amount'\]", r"columns: \{amount: Total Amount\}"),
    ),
    Damage(
        "a mapping to nowhere", source(columns={"amount": "brutto"}), (r"columns points at \['brutto'\]", "right-hand side")
    ),
    Damage("a mapping of an unknown column", source(columns={"amuont": "amount"}), (r"names \['amuont'\]", "Known:")),
    Damage("a key that is not there", source(key=["product_id"]), (r"key names \['product_id'\]", "It has")),
    Damage(
        "a format of times that is none",
        source(datetime_format="%Q"),
        (r"datetime_format == '%Q' is no format", r'for example "%d\.%m\.%Y %H:%M"'),
    ),
    Damage(
        "times without a declared zone",
        lambda folder: (folder / "params.yaml").write_text("data: {transactions: {path: sales.csv}}") and None,
        (r"column 'occurred_at' .* holds 200 times without a zone", r"data\.transactions\.timezone"),
    ),
    Damage(
        "a reserved column",
        write(lines().replace(b"order_id", b"cvm:part", 1)),
        (r"has columns \['cvm:part'\]", "rename them"),
    ),
    Damage(
        "amounts of the wrong type",
        parquet(amount=pd.Timestamp("2024-01-01")),
        (r"column 'amount'.*is no amount of money", r"data\.transactions"),
    ),
    Damage("times of the wrong type", parquet(occurred_at=1.5), (r"column 'occurred_at'.*is no date", r"datetime_format")),
    Damage(
        "events without a type",
        second_table("events", "customer_id,occurred_at\nc1,2024-01-01\n"),
        (r"'events' lacks columns \['event_type'\]", "columns: {event_type"),
    ),
    # --- rows: few are set aside
    Damage(
        "a blank id",
        write(lines(",2024-01-05 10:00:00,1,o1", "  ,2024-01-05 10:00:00,1,o1")),
        (r"customer_id is missing: 2",),
        2,
    ),
    Damage(
        "an id that says null",
        write(lines("NULL,2024-01-05 10:00:00,1,o1", "n/a,2024-01-05 10:00:00,1,o1")),
        (r"customer_id is missing: 2",),
        2,
    ),
    Damage("an amount in words", write(lines(FEW.format("ten"))), (r"amount is no amount of money: 1",), 1),
    Damage(
        "an amount that is not finite",
        write(lines(FEW.format("inf"), FEW.format("NaN"))),
        (r"amount is no amount of money|amount is missing",),
        2,
    ),
    Damage("an amount beyond all money", write(lines(FEW.format("1e30"))), (r"amount is no amount of money: 1",), 1),
    Damage(
        "a decimal comma nobody declared",
        write(lines('c1,2024-01-05 10:00:00,"1,50",o1')),
        (r"amount is no amount of money: 1",),
        1,
    ),
    Damage("a missing amount", write(lines(FEW.format(""))), (r"amount is missing: 1",), 1),
    Damage("a day that does not exist", write(lines("c1,2024-02-30 10:00:00,1,o1")), (r"occurred_at is no date: 1",), 1),
    Damage("a day that comes first", write(lines("c1,31.12.2024,1,o1")), (r"occurred_at is no date: 1",), 1),
    Damage("a time of the future", write(lines("c1,2999-01-01 10:00:00,1,o1")), (r"occurred_at lies in the future: 1",), 1),
    Damage("a placeholder of a date", write(lines("c1,0001-01-01 00:00:00,1,o1")), (r"occurred_at lies before 1901: 1",), 1),
    # --- rows: too many refuse
    Damage(
        "all dates of another habit",
        write(lines().replace(b"2024-", b"24/")),
        (r"all 200 rows were rejected \(occurred_at is no date: 200", r"datetime_format"),
    ),
    Damage(
        "a tenth without id",
        write(lines(*[",2024-01-05,1,o"] * 30)),
        (r"30 of 230 rows \(13\.0%\).*customer_id is missing: 30", r"max_rejected_share", "raise the share, if these rows"),
    ),
    Damage(
        "two currencies without rates",
        write(("\n".join([HEADER + ",currency", *(row + ",EUR" for row in ROWS)])).encode()),
        (r"amounts in \['EUR'\] \(200 rows\)", r"Convert them before the export, .* or set business\.currency"),
    ),
    Damage(
        "a subscription without a day",
        second_table("subscriptions", "customer_id,started_at\nc1,no day\n"),
        (r"'subscriptions': all 1 rows were rejected \(started_at is no date: 1", r"datetime_format"),
    ),
    Damage(
        "exchange rates without a currency",
        second_table("exchange_rates", "currency,valid_from,rate\nEUR,2020-01-01,0\n"),
        (r"no table says in which currency", r"Map the column"),
    ),
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that has been ingested soundly once; read only."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "sales.csv").write_bytes(lines())
    source()(folder)
    assert shop.cvm(folder, "ingest").code == 0
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of it to be damaged."""
    return shutil.copytree(sound, tmp_path, dirs_exist_ok=True)


def warehouse(folder: Path) -> list[dict[str, object]]:
    with DuckDBEngine(folder / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        rows: list[dict[str, object]] = engine.table("SELECT * FROM transactions ORDER BY ALL").to_pylist()
    return rows


def test_there_are_forty_kinds() -> None:
    assert len({damage.name for damage in DAMAGES}) == len(DAMAGES) >= 40


@pytest.mark.parametrize("damage", DAMAGES, ids=[damage.name for damage in DAMAGES])
def test_damaged_input_is_refused_or_set_aside_and_nothing_is_lost(folder: Path, damage: Damage) -> None:
    before = warehouse(folder)
    damage.do(folder)
    done = shop.cvm(folder, "ingest")
    said = done.out + done.err
    assert "Traceback" not in said
    for pattern in damage.says:
        assert re.search(pattern, said, re.DOTALL), f"{pattern!r} is not in {said!r}"
    if damage.quarantined:
        assert done.code == 0, said
        quarantine = pd.read_parquet(folder / "outputs" / "quarantine" / "transactions.parquet")
        assert len(quarantine) == damage.quarantined
        assert quarantine["source_row"].tolist() == list(range(N + 1, N + 1 + damage.quarantined))
        assert "sales.csv" in quarantine["source_file"].iloc[0]
    else:
        assert done.code == 1, said
        assert done.err.startswith("cvm: ")
    assert warehouse(folder) == before
    assert not [path for path in folder.rglob("*") if re.search(r"\.(tmp|old|wal)$", path.name)]
