from __future__ import annotations

from pathlib import Path

import pytest

from cvm.errors import MissingOutputError
from cvm.ingest.sufficiency_verdict import SufficiencyVerdict, read_verdicts, write_verdicts

VERDICTS = [SufficiencyVerdict("churn", True, ("a", "b")), SufficiencyVerdict("uplift", False, ("c",))]


def test_verdicts_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    write_verdicts(VERDICTS, tmp_path / "sufficiency.json")
    assert read_verdicts(tmp_path / "sufficiency.json") == VERDICTS


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"purpose": "churn"}]', "{}x"])
def test_a_missing_or_damaged_file_names_the_command_that_writes_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sufficiency.json"
    with pytest.raises(MissingOutputError, match=r"does not exist yet\. Run `cvm ingest`"):
        read_verdicts(path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MissingOutputError, match=r"is damaged\. Run `cvm ingest`"):
        read_verdicts(path)


def test_a_verdict_is_one_plain_sentence() -> None:
    assert [verdict.sentence for verdict in VERDICTS] == ["enough for churn: a; b", "not enough for uplift: c"]
