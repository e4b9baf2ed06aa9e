from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from cvm.errors import QualityError
from cvm.ingest.assessment import read_assessment
from cvm.ingest.origins import FrameSource
from cvm.ingest.reading import Reading
from cvm.ingest.stage import Rules, ingest
from cvm.workspace import Workspace

NOW = datetime(2024, 1, 10)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(outputs=tmp_path / "outputs", champion=tmp_path / "models" / "champion")


def ingested(workspace: Workspace, *amounts: str, **columns: str) -> None:
    n = len(amounts)
    constant = {"customer_id": "c1", "occurred_at": "2024-01-05", **columns}
    rows = pa.table({"amount": list(amounts), **{name: [text] * n for name, text in constant.items()}})
    source = FrameSource(rows, "given", Reading("UTC"))
    ingest({"transactions": source}, workspace, Rules("USD", 0.05), now=NOW)


def test_ingest_leaves_findings_and_verdicts(workspace: Workspace) -> None:
    ingested(workspace, "1", "1", "2", is_test="no")
    assessment = read_assessment(workspace)
    assert [(finding.check, finding.n) for finding in assessment.findings] == [("exact copy", 1), ("no clock", 3)]
    assert [(verdict.purpose, verdict.is_enough) for verdict in assessment.verdicts] == [
        ("churn", False),
        ("CLV", False),
        ("uplift", False),
    ]


def test_a_refused_run_leaves_them_too_and_says_where(workspace: Workspace) -> None:
    with pytest.raises(QualityError, match=r"2 of 3 rows .* All findings are in .*quality\.parquet"):
        ingested(workspace, "1", "x", "y")
    (worst, *_) = read_assessment(workspace).findings
    assert (worst.check, worst.severity, worst.action) == ("amount is no amount of money", "serious", "quarantined")
    assert worst.examples == ("row 2", "row 3")
    assert not workspace.warehouse.exists()


def test_a_table_without_a_sound_row_can_be_assessed(workspace: Workspace) -> None:
    with pytest.raises(QualityError, match="all 2 rows were rejected"):
        ingested(workspace, "x", "y")
    assessment = read_assessment(workspace)
    assert [finding.share for finding in assessment.findings] == [1.0]
    assert assessment.verdicts[0].because == ("no order is left after cleaning",)


def test_another_currency_is_a_finding_before_it_is_a_refusal(workspace: Workspace) -> None:
    with pytest.raises(QualityError, match=r"holds amounts in \['EUR'\]"):
        ingested(workspace, "1", currency="EUR")
    found = {finding.check: finding.severity for finding in read_assessment(workspace).findings}
    assert found["another currency"] == "serious"


def test_marked_test_orders_are_told_as_dropped(workspace: Workspace) -> None:
    rows = pa.table(
        {
            "amount": ["1", "2"],
            "customer_id": ["a", "b"],
            "occurred_at": ["2024-01-05 09:30"] * 2,
            "is_test": ["no", "yes"],
        }
    )
    source = FrameSource(rows, "given", Reading("UTC"))
    ingest({"transactions": source}, workspace, Rules("USD", 0.05), now=NOW)
    (found,) = read_assessment(workspace).findings
    assert (found.check, found.action, found.n, found.share, found.examples) == ("test order", "dropped", 1, 0.5, ("row 2",))
