from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from cvm.datasets import cdnow, cdnow_transactions
from cvm.errors import SourceError

# Source of every figure: Fader and Hardie, "Forecasting repeat sales at CDNOW" (2001); the master file they publish.
N_ROWS, N_CUSTOMERS, TOTAL = 69_659, 23_570, Decimal("2500315.63")


@pytest.fixture(scope="module")
def transactions() -> pa.Table:
    return cdnow_transactions()


def test_all_purchases_of_all_customers_are_there(transactions: pa.Table) -> None:
    assert transactions.num_rows == N_ROWS
    assert pc.count_distinct(transactions["customer_id"]).as_py() == N_CUSTOMERS
    assert pc.sum(transactions["amount"]).as_py() == TOTAL
    assert pc.sum(pc.equal(transactions["amount"], Decimal(0))).as_py() == 80
    assert sum(column.null_count for column in transactions.columns) == 0


def test_duplicate_rows_are_left_in(transactions: pa.Table) -> None:
    distinct = transactions.group_by(transactions.column_names).aggregate([])
    assert transactions.num_rows - distinct.num_rows == 255


def test_purchases_span_eighteen_months_and_first_ones_the_first_quarter(transactions: pa.Table) -> None:
    span = pc.min_max(transactions["occurred_at"]).as_py()
    assert span == {"min": datetime(1997, 1, 1), "max": datetime(1998, 6, 30)}
    first = transactions.group_by("customer_id").aggregate([("occurred_at", "min")])["occurred_at_min"]
    assert pc.max(first).as_py() < datetime(1997, 4, 1)


def test_columns_are_the_canonical_ones_and_ids_keep_their_zeros(transactions: pa.Table) -> None:
    assert {field.name: str(field.type) for field in transactions.schema} == {
        "customer_id": "string",
        "occurred_at": "timestamp[s]",
        "quantity": "double",
        "amount": "decimal128(18, 4)",
    }
    assert set(pc.utf8_length(transactions["customer_id"]).to_pylist()) == {5}
    assert pc.min(transactions["customer_id"]).as_py() == "00001"


def test_lifetimes_is_not_imported_for_its_data() -> None:
    code = "import sys; from cvm.datasets import cdnow_transactions; cdnow_transactions(); print('lifetimes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_installation_without_the_file_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cdnow, "package_folders", lambda _: [])
    with pytest.raises(SourceError, match=r"ships inside the package lifetimes, which lacks it. Install lifetimes 0.11.3"):
        cdnow_transactions()
