from __future__ import annotations

import pyarrow as pa
import pytest

from cvm.ingest.clean import REPLACED, SKIPPED, TEST_ORDER, TableOutcome
from cvm.ingest.protection import EXPIRED, FORGOTTEN
from cvm.ingest.quality.finding import Finding
from cvm.ingest.quality.outcomes import outcome_findings
from memory import Memory


def found(n_by_reason: dict[str, int], *, n_read: int = 1000, rejected: pa.Table | None = None) -> list[Finding]:
    with Memory() as engine:
        if rejected is not None:
            engine.register("given", rejected)
            engine.execute("CREATE TEMP TABLE rejected_transactions AS SELECT * FROM given")
        n_kept = n_read - sum(n_by_reason.values())
        return outcome_findings(engine, [TableOutcome("transactions", n_read, n_kept, n_by_reason, 0)])


def test_nothing_left_out_is_nothing_found() -> None:
    assert found({}) == []


@pytest.mark.parametrize(("reason", "told"), [(FORGOTTEN, "Nothing to do."), (EXPIRED, "raise it and run")])
def test_what_is_never_stored_is_dropped_and_in_no_quarantine(reason: str, told: str) -> None:
    (finding,) = found({reason: 100})
    assert (finding.action, finding.severity) == ("dropped", "info")
    assert told in finding.advice
    assert "quarantine" not in finding.meaning + finding.advice
    assert reason == FORGOTTEN or "privacy.keep_days.transactions" in finding.meaning


@pytest.mark.parametrize(("n", "severity"), [(1, "warning"), (49, "warning"), (50, "serious")])
def test_faulty_rows_are_told_by_reason(n: int, severity: str) -> None:
    (finding,) = found({"customer_id is missing": n})
    assert (finding.check, finding.severity, finding.action) == ("customer_id is missing", severity, "quarantined")
    assert (finding.n, finding.share) == (n, n / 1000)
    assert "quarantine/transactions" in finding.advice


def test_a_single_faulty_row_in_many_is_information() -> None:
    (finding,) = found({"amount is no amount of money": 1}, n_read=10_000)
    assert finding.severity == "info"


@pytest.mark.parametrize(("reason", "action"), [(TEST_ORDER, "dropped"), (REPLACED, "merged"), (SKIPPED, "quarantined")])
def test_rows_left_out_as_asked_are_information(reason: str, action: str) -> None:
    (finding,) = found({reason: 20})
    assert (finding.severity, finding.action) == ("info", action)


def test_more_test_orders_than_likely_are_a_warning() -> None:
    (finding,) = found({TEST_ORDER: 100})
    assert finding.severity == "warning"


def test_examples_are_the_first_rows_by_reason() -> None:
    rejected = pa.table({"reason": ["a", "b", "a", *["c"] * 9], "source_row": [3, 2, 1, *range(20, 29)]})
    findings = found({"a": 2, "b": 1, "c": 9}, rejected=rejected)
    assert [finding.examples for finding in findings] == [
        ("row 1", "row 3"),
        ("row 2",),
        ("row 20", "row 21", "row 22", "row 23", "row 24"),
    ]
