from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
from rich.console import Console

from cvm.ingest.assessment import Assessment
from cvm.ingest.quality import Finding
from cvm.ingest.verdict import Verdict
from cvm.reports.terminal import quality_tables, total_line
from simulated import bundle

GRAVE = Finding("transactions", "exact copy", "warning", 1234, "rows", 0.1, "kept", "Rows [twice].", "Look.", ("id-1",))
SLIGHT = replace(GRAVE, check="no clock", severity="info", share=0.00001)
VERDICTS = [Verdict("churn", True, ("500 orders",)), Verdict("uplift", False, ("no [assignments]",))]


def shown(findings: list[Finding], *, with_info: bool) -> str:
    out = StringIO()
    tables = quality_tables(Assessment(findings, VERDICTS), where=Path("/x/quality.parquet"), with_info=with_info)
    Console(file=out, width=200, highlight=False).print(*tables, sep="\n")
    return out.getvalue()


def test_findings_and_verdicts_are_shown_without_ids() -> None:
    text = shown([GRAVE, SLIGHT], with_info=True)
    for expected in ("exact copy", "1,234 rows", "10.00%", "kept", "Rows [twice]. Look.", "no clock", "< 0.01%"):
        assert expected in text
    assert "2 findings, 1 of them to look at; all with examples in /x/quality.parquet" in text
    assert "Enough for churn: 500 orders\n" in text
    assert "Not enough for uplift: no [assignments]\n" in text
    assert "id-1" not in text


def test_information_can_be_left_out() -> None:
    text = shown([GRAVE, SLIGHT], with_info=False)
    assert "exact copy" in text
    assert "no clock" not in text
    assert "2 findings, 1 of them" in text


def test_without_anything_grave_there_is_no_table() -> None:
    text = shown([SLIGHT], with_info=False)
    assert "Quality of the data" not in text
    assert "1 finding, 0 of them to look at" in text


def test_the_total_is_one_line_with_its_bounds() -> None:
    scores = pd.DataFrame({"clv": [1e6, 234_000.0], "expected_orders": [2.0, 0.5], "expected_order_value": [300.0, 100.0]})
    interval = {"clv": {"lower": 0.9, "upper": 1.1}, "revenue": {"lower": 0.8, "upper": 1.25}, "level": 0.9}
    (line,) = total_line(scores, bundle(evidence={"portfolio": interval}))
    assert line.plain == (
        "CLV of all customers 1.23 M EUR (1.11 M to 1.36 M); revenue of the next 90 days 650 EUR (520 to 812): 90% intervals"
    )
    assert total_line(scores, bundle(evidence={})) == []
