"""Whatever stands in an export, ingest ends in a warehouse of the right types or in a refusal, never in a stack trace.

Hypothesis draws a pool of values; rows are put together of it and of plausible values, so that faults meet sound rows.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cvm.engines import DuckDBEngine, QueryError
from cvm.errors import CvmError
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.identity import IdentitySettings
from cvm.ingest.origins import FileSource
from cvm.ingest.reading import Reading
from cvm.ingest.stage import Ingested, Rules, ingest
from cvm.workspace import Workspace

NOW = datetime(2024, 6, 1)
RULES = Rules("USD", max_rejected_share=1.0, identity=IdentitySettings(country_code="380"))
TABLES = ("transactions", "events", "customers", "subscriptions", "assignments", "identities", "features", "exchange_rates")

SQL = [
    '"; DROP TABLE transactions; --',
    "' OR 1=1",
    "\\x00",
    "$$",
    "?",
    "{}",
    "%s",
    "NULL",
    "/* */",
    "=1+1",
    "\ufeff",
    "\u202e",
]
NUMBERS = ["1e400", "-0", "0x1F", "1_000", "١٢٣", "1,234.5", "1.234,5", "NaN", "inf", "9" * 40, "1e-400", ".", "+", "1.5.2"]
TIMES = [
    "0000-00-00",
    "2024-02-30",
    "9999-12-31",
    "2024-01-01T00:00:00+99:99",
    "24:00",
    "-44-03-15",
    "infinity",
    "1e12",
    "now",
]
SOUND: dict[str, list[Any]] = {
    "id": ["c1", "c2", "c3", " c4 "],
    "time": ["2024-01-01", "2024-05-31 23:59:59", "2023-02-28T12:00:00Z"],
    "number": ["1", "-2.50", "19.99", "0"],
    "text": ["visit", "control", "letter", "EUR", "ann@example.org", "+380501112233", "true"],
}

pools = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.floats(width=64).map(repr),
        st.integers(-(2**70), 2**70).map(str),
        st.datetimes().map(str),
        st.dates().map(str),
        st.binary(max_size=12).map(lambda raw: raw.decode("latin-1")),
        st.sampled_from(SQL + NUMBERS + TIMES),
        st.just(""),
    ),
    min_size=8,
    max_size=40,
)
seeds = st.integers(0, 2**32 - 1)
formats = st.sampled_from(["csv", "jsonl", "parquet", "bytes"])
readings = st.builds(
    Reading,
    timezone=st.sampled_from(["UTC", "Europe/Kyiv", None]),
    datetime_format=st.sampled_from([None, None, "%d.%m.%Y", "epoch_ms", "%Q"]),
    decimal=st.just("."),
    thousands=st.sampled_from([None, ",", " "]),
    day_first=st.just(False),
)


def kind_of(name: str) -> str:
    if name.endswith(("_at", "_from", "as_of")):
        return "time"
    if name in ("amount", "margin", "quantity", "value", "rate", "cost", "propensity", "discount", "price_per_month"):
        return "number"
    return "id" if name.endswith("_id") else "text"


def columns_of(table: str, rng: np.random.Generator, pool: list[str]) -> list[str]:
    """The required columns and some of the others; tables that take any column get one of a strange name."""
    contract = CONTRACTS[table]
    names = [column.name for column in contract.columns if column.required or rng.random() < 0.5]
    strange = [name for name in pool if name.strip() and not name.lower().startswith("cvm:")]
    if contract.open_ended and strange:
        names.append(str(rng.choice(strange)))
    return list(dict.fromkeys(names))


def cells(names: list[str], n: int, pool: list[str], rng: np.random.Generator) -> dict[str, list[Any]]:
    """Columns of sound values, of which some cells, or nearly all, are taken from the pool."""
    dirt = rng.choice([0.02, 0.2, 0.9])
    found = {}
    for name in names:
        sound = SOUND[kind_of(name)]
        takes = rng.random(n) < dirt
        found[name] = [pool[rng.integers(len(pool))] if take else sound[rng.integers(len(sound))] for take in takes]
    return found


def as_csv(columns: dict[str, list[Any]], path: Path, rng: np.random.Generator) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=str(rng.choice([",", ";", "\t"])))
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))


def as_bytes(columns: dict[str, list[Any]], path: Path, rng: np.random.Generator) -> None:
    """A CSV file with bytes changed, doubled or lost."""
    as_csv(columns, path, rng)
    content = bytearray(path.read_bytes())
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(len(content)))
        content[place : place + 1] = bytes(rng.integers(0, 256, int(rng.integers(0, 4)), dtype=np.uint8))
    path.write_bytes(content)


def as_jsonl(columns: dict[str, list[Any]], path: Path, rng: np.random.Generator) -> None:
    odd = [None, True, 1, 2.5, [1], {"a": {"b": [None]}}, "", -(2**63)]
    lines = []
    for row in zip(*columns.values(), strict=True):
        values = [odd[rng.integers(len(odd))] if rng.random() < 0.03 else value for value in row]
        lines.append(json.dumps({name: value for name, value in zip(columns, values, strict=True) if rng.random() > 0.02}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def as_parquet(columns: dict[str, list[Any]], path: Path, rng: np.random.Generator) -> None:
    """Columns of any Arrow type, whatever the contract wants of them."""
    n = len(next(iter(columns.values())))
    makers: list[Callable[[list[Any]], pa.Array]] = [
        lambda values: pa.array(values, pa.string()),
        lambda values: pa.array([value.encode("utf-8", "surrogatepass") for value in values], pa.binary()),
        lambda _: pa.array(rng.choice([0.0, -1.5, np.nan, np.inf, 1e308], n)),
        lambda _: pa.array(rng.integers(-(2**62), 2**62, n)),
        lambda _: pa.array(rng.integers(0, 2, n).astype(bool)),
        lambda _: pa.array([date(2024, 1, 1)] * n),
        lambda _: pa.array(rng.integers(-(2**40), 2**50, n), pa.timestamp("us")),
        lambda _: pa.array(rng.integers(0, 2**58, n), pa.timestamp("ns", "UTC")),
        lambda _: pa.nulls(n),
        lambda values: pa.array([[value] for value in values]),
        lambda values: pa.array([{"a": value} for value in values]),
        lambda values: pa.array(values, pa.string()).dictionary_encode(),
        lambda _: pa.array(rng.integers(0, 86_400_000_000, n), pa.time64("us")),
        lambda _: pa.array([10**30] * n, pa.decimal128(38, 4)),
    ]
    weights = np.array([12.0] + [1.0] * (len(makers) - 1))
    chosen = [makers[rng.choice(len(makers), p=weights / weights.sum())](values) for values in columns.values()]
    pq.write_table(pa.table(chosen, names=list(columns)), path)


WRITERS = {"csv": as_csv, "bytes": as_bytes, "jsonl": as_jsonl, "parquet": as_parquet}


def encodable(pool: list[str]) -> list[str]:
    """Without lone surrogates, which no file in UTF-8 can hold; ``bytes`` makes broken text."""
    return [text.encode("utf-8", "replace").decode("utf-8") for text in pool]


def fuzzed_ingest(folder: Path, pool: list[str], seed: int, form: str, reading: Reading, *, n_rows: int) -> Ingested | None:
    """One ingest of fuzzed tables; None where it refuses. Checks the types of what is written."""
    rng, pool = np.random.default_rng(seed), encodable(pool)
    chosen = ["transactions", str(rng.choice(TABLES[1:]))]
    sources = {}
    for table in chosen:
        path = folder / f"{table}.{'csv' if form == 'bytes' else form}"
        WRITERS[form](cells(columns_of(table, rng, pool), n_rows, pool, rng), path, rng)
        sources[table] = FileSource([path.name], folder, reading)
    workspace = Workspace(folder / "outputs", folder / "models" / "champion")
    try:
        done = ingest({table: sources[table] for table in CONTRACTS if table in sources}, workspace, RULES, now=NOW)
    except QueryError as error:
        raise AssertionError(f"a query that no data should make fail: {error}") from error
    except CvmError:
        return None
    check_types(workspace, done)
    return done


def check_types(workspace: Workspace, done: Ingested) -> None:
    with DuckDBEngine(workspace.warehouse, read_only=True) as engine:
        for outcome in done.outcomes:
            contract, columns = CONTRACTS[outcome.table], engine.columns(outcome.table)
            known = {column.name: str(column.kind) for column in contract.columns if column.name in columns}
            assert {name: columns[name] for name in known} == known
            missing = " OR ".join(f"{name} IS NULL" for name in contract.required)
            assert engine.row(f"SELECT count(*) AS n FROM {outcome.table} WHERE {missing}")["n"] == 0
            assert outcome.n_kept + sum(outcome.n_by_reason.values()) == outcome.n_read


@settings(derandomize=True, deadline=None, database=None, max_examples=5)
@given(pool=pools, seed=seeds, form=formats, reading=readings)
def test_no_export_makes_ingest_fail(pool, seed, form, reading):
    with TemporaryDirectory() as folder:
        fuzzed_ingest(Path(folder), pool, seed, form, reading, n_rows=60)


@pytest.mark.slow
def test_sixty_thousand_fuzzed_rows_go_through_ingest():
    n_rows, outcomes = 0, []

    @settings(derandomize=True, deadline=None, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(pool=pools, seed=seeds, form=formats, reading=readings)
    def fuzz(pool, seed, form, reading):
        nonlocal n_rows
        with TemporaryDirectory() as folder:
            outcomes.append(fuzzed_ingest(Path(folder), pool, seed, form, reading, n_rows=600))
        n_rows += 2 * 600

    fuzz()
    assert n_rows >= 60_000
    accepted = [outcome for outcome in outcomes if outcome is not None]
    assert len(accepted) >= len(outcomes) // 10  # neither everything is refused nor nothing
