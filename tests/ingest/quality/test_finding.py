from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.errors import MissingOutputError
from cvm.ingest.quality.finding import Finding, by_gravity, read_findings, severity_of, write_findings

FINDING = Finding("transactions", "exact copy", "info", 3, "rows", 0.1, "kept", "Copies.", "Look.", ("a", "b"))


@pytest.mark.parametrize("findings", [[], [FINDING], [FINDING, replace(FINDING, severity="serious", examples=())]])
def test_findings_come_back_from_their_file_as_they_were(tmp_path: Path, findings: list[Finding]) -> None:
    write_findings(findings, tmp_path / "quality.parquet")
    assert read_findings(tmp_path / "quality.parquet") == findings


def test_a_missing_or_damaged_file_names_the_command_that_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "quality.parquet"
    with pytest.raises(MissingOutputError, match=r"does not exist yet\. Run `cvm ingest`"):
        read_findings(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(MissingOutputError, match=r"is damaged\. Run `cvm ingest`"):
        read_findings(path)


@pytest.mark.parametrize("columns", [{"spend": [1.0]}, {"table": ["events"], "examples": [["a"]]}, {"examples": [None]}])
def test_a_table_of_something_else_is_damage(tmp_path: Path, columns: dict[str, list[object]]) -> None:
    path = tmp_path / "quality.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(MissingOutputError, match=r"is damaged\. Run `cvm ingest`"):
        read_findings(path)


def test_the_gravest_comes_first_and_of_these_the_commonest() -> None:
    serious, warning = replace(FINDING, severity="serious"), replace(FINDING, severity="warning", share=0.2)
    rarer = replace(warning, share=0.1)
    assert by_gravity([FINDING, rarer, serious, warning]) == [serious, warning, rarer, FINDING]


@pytest.mark.parametrize(("share", "severity"), [(0.009, "info"), (0.01, "warning"), (0.099, "warning"), (0.1, "serious")])
def test_severity_goes_by_share(share: float, severity: str) -> None:
    assert severity_of(share, warning_from=0.01, serious_from=0.1) == severity
    assert severity_of(share, warning_from=None, serious_from=None) == "info"
