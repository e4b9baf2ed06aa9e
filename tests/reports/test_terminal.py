from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
from rich.console import Console, RenderableType

from cvm.ingest.assessment import Assessment
from cvm.ingest.quality import Finding
from cvm.ingest.sufficiency_verdict import SufficiencyVerdict
from cvm.models.training import CHURN_METRICS, VALUE_METRICS
from cvm.reports.terminal import contact_line, judgement_tables, quality_tables, segment_table, total_line
from simulated import bundle

GRAVE = Finding("transactions", "exact copy", "warning", 1234, "rows", 0.1, "kept", "Rows [twice].", "Look.", ("id-1",))
SLIGHT = replace(GRAVE, check="no clock", severity="info", share=0.00001)
DECISION = {
    "terms": {"cost": 1.5, "save_rate": 0.1},
    "n_customers": 200,
    "threshold": 0.625,
    "by_threshold": {"n_contacted": 50, "profit": 1234.4},
    "by_customer": {"n_contacted": 60, "profit": 1300.2},
    "everybody": {"n_contacted": 200, "profit": -80.0},
}
VERDICTS = [SufficiencyVerdict("churn", True, ("500 orders",)), SufficiencyVerdict("uplift", False, ("no [assignments]",))]


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


def test_the_contact_line_names_the_threshold_and_what_it_is_compared_with() -> None:
    text = contact_line(DECISION, currency="EUR").plain
    for expected in ("1.50 EUR", "keeps 10%", "62.5%", "1,234 EUR for 25%", "1,300 for 30%", "everybody: -80", "nobody: 0"):
        assert expected in text
    assert "Risk is not uplift" in text


def test_the_contact_line_says_how_to_be_told_and_where_no_contact_pays() -> None:
    assert "set retention.contact_cost in params.yaml" in contact_line(None, currency="EUR").plain
    assert "it pays for nobody" in contact_line({**DECISION, "threshold": None}, currency="EUR").plain


def test_candidates_for_churn_are_named_for_what_they_say() -> None:
    churn = {
        name: dict.fromkeys(CHURN_METRICS, 0.5) for name in ("BTYD", "churn factor", "recency rule", "blended LightGBM")
    }
    judgement = {
        "churn": churn,
        "value": {"BTYD": dict.fromkeys(VALUE_METRICS, 0.5)},
        "churn_winner": "BTYD",
        "value_winner": "BTYD",
    }
    evidence = {"judgement": judgement, "test": "2024-03-01", "judged_days": 90, "contact": DECISION, "churn_drivers": {}}
    text = printed(*judgement_tables(bundle(evidence=evidence)))
    for expected in ("BTYD: P(no order) (champion)", "churn factor: recency / own mean gap", "Retention: at 1.50 EUR"):
        assert expected in text


def printed(*tables: RenderableType) -> str:
    out = StringIO()
    Console(file=out, width=200, highlight=False).print(*tables, sep="\n")
    return out.getvalue()


def judged(drivers: dict[str, float]) -> str:
    evidence = {
        "judgement": {"churn": {}, "value": {}, "churn_winner": "BTYD", "value_winner": "BTYD"},
        "test": "2024-01-01",
        "judged_days": 90,
        "churn_drivers": drivers,
    }
    out = StringIO()
    Console(file=out, width=200, highlight=False).print(*judgement_tables(bundle(evidence=evidence)), sep="\n")
    return out.getvalue()


def test_one_line_says_what_drives_churn() -> None:
    assert "What drives churn: recent orders 75%, buying rhythm 25%.\n" in judged(
        {"recent orders": 1.5, "buying rhythm": 0.5}
    )


def test_where_nothing_drives_churn_nothing_is_said_of_it() -> None:
    assert "What drives churn" not in judged({})


def test_the_total_is_one_line_with_its_bounds() -> None:
    scores = pd.DataFrame({"clv": [1e6, 234_000.0], "expected_orders": [2.0, 0.5], "expected_order_value": [300.0, 100.0]})
    interval = {"clv": {"lower": 0.9, "upper": 1.1}, "revenue": {"lower": 0.8, "upper": 1.25}, "level": 0.9}
    (line,) = total_line(scores, bundle(evidence={"portfolio": interval}))
    assert line.plain == (
        "CLV of all customers 1.23 M EUR (1.11 M to 1.36 M); revenue of the next 90 days 650 EUR (520 to 812): 90% intervals"
    )
    assert total_line(scores, bundle(evidence={})) == []


def test_intervals_are_told_with_what_they_held() -> None:
    found = {"level": 0.9, "coverage": 0.912, "coverage_by_tier": {"low": 0.9, "top": 0.93}}
    evidence = {
        "judgement": {"churn": {}, "value": {}, "churn_winner": "BTYD", "value_winner": "BTYD"},
        "test": "2024-01-01",
        "judged_days": 90,
        "churn_drivers": {},
        "intervals": found,
    }
    text = printed(*judgement_tables(bundle(evidence=evidence)))
    assert "90% intervals of revenue held 91.2% of customers (top 93.0%, low 90.0%).\n" in text


def test_no_figure_is_cut_short_in_a_narrow_terminal() -> None:
    scores = pd.DataFrame({"segment": ["promising", "vip"], "clv": [1_234_567.0, 7_654_321.0], "p_churn": [0.123, 0.456]})
    judgement = {
        "churn": {"blended LightGBM": dict.fromkeys(CHURN_METRICS, 0.123)},
        "value": {"blended LightGBM": dict.fromkeys(VALUE_METRICS, 0.789) | {"tweedie_deviance": 123.456}},
        **dict.fromkeys(("churn_winner", "value_winner"), "blended LightGBM"),
    }
    evidence = {"judgement": judgement, "test": "2024-03-01", "judged_days": 90, "contact": None, "churn_drivers": {}}
    tables = [
        segment_table(scores, currency="EUR", goals={"promising": "a goal of many words"}),
        *judgement_tables(bundle(evidence=evidence)),
    ]
    out = StringIO()
    Console(file=out, width=80, highlight=False).print(*tables, sep="\n")
    text = out.getvalue()
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    for expected in ("8,888,888", "7,654,321.00", "123.456", "0.789", "(champion)", "promising"):
        assert expected in text
