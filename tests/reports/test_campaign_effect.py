import re
from datetime import timedelta
from io import StringIO

from rich.console import Console

import shop
from campaign_ledger import STARTS, campaign, drawn, judged, line
from cvm.campaigns.effect_cells import evaluate_together
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.reports.campaign_cells import cells_tables
from cvm.reports.campaign_effect import effect_tables


def shown(found, **options) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(*effect_tables(found, **options), sep="\n")
    return console.file.getvalue()


def test_checks_come_first_then_the_verdict_then_the_figures():
    text = shown(judged(campaign(n=800), segment_by="city"))
    order = [
        text.index(part) for part in ("sample ratio", "After its cost", "Effect per customer", "What it earned", "by city")
    ]
    assert order == sorted(order)
    assert "Cumulative effect on margin" in text


def test_in_short_only_what_must_not_be_overlooked():
    tables = campaign(n=800)
    assert "sample ratio" not in shown(judged(tables), in_short=True)
    tables["assignments"] = tables["assignments"][:200] + [r for r in tables["assignments"][200:] if r["arm"] == "mail"]
    text = shown(judged(tables), in_short=True)
    assert "SAMPLE RATIO MISMATCH" in text
    assert "no ground for a decision" in text
    assert "Effect per customer" not in text


def test_harm_looks_and_the_total_are_shown():
    tables = campaign(n=1_200, arms=("control", "mail", "call"))
    tables["events"] = [
        {"customer_id": row["customer_id"], "occurred_at": STARTS + timedelta(days=2), "event_type": "unsubscribe"}
        for number, row in enumerate(tables["assignments"])
        if number % (5 if row["arm"] == "mail" else 25) == 0
    ]
    text = shown(judged(tables, sequential=True))
    assert "What it may have harmed" in text
    assert "harmed" in next(row for row in text.splitlines() if "mail  unsubscribe" in row)
    assert "at any look" in text
    assert "holds however often you look while outcomes come in (100% of the outcome days are over)" in text
    assert "all together" in text
    assert "at any look" not in shown(judged(tables))


def test_at_100_columns_no_interval_is_broken_or_cut():
    found = judged(campaign(n=1_200, lift=1_000.0, arms=("control", "mail", "a longer name")), sequential=True)
    for each in (found, judged(campaign(n=1_200))):
        console = Console(file=StringIO(), width=100)
        console.print(effect_tables(each)[len(each.gates) + len(each.verdicts)])
        text = console.file.getvalue()
        assert all(len(line) <= 100 for line in text.splitlines())
        assert text.count("(") == text.count("…") == len(re.findall(r"\([^\s()]+…[^\s()]+\)", text)) > 20


def test_a_window_that_was_cut_is_told_in_days_with_a_decimal():
    text = shown(judged(campaign(), outcome_days=90, allow_partial=True))
    assert "outcomes of 70.6 days from the assignment, partly cut" in text


def test_cells_are_shown_in_short_with_their_total():
    tables = campaign(n=1_000)
    for number, row in enumerate(tables["assignments"]):
        row["campaign_id"] = f"spring.{'letter' if number % 2 else 'call'}"
    found = evaluate_together(shop.warehouse(**tables), "spring", EvaluationSettings(outcome_days=30))
    console = Console(file=StringIO(), width=200)
    console.print(*cells_tables(found), sep="\n")
    text = console.file.getvalue()
    parts = ("spring.call", "spring.letter", "What it earned in all", "call: mail", "letter: mail", "all together")
    order = [text.index(part) for part in parts]
    assert order == sorted(order)


def test_what_is_not_identified_is_said_in_words():
    ledger = [drawn(name, arm) for name, arm in (("a", "mail"), ("b", "mail"), ("x", "control"), ("y", "control"))]
    text = shown(judged({"assignments": ledger, "transactions": [line("z", days=90, amount=1.0)]}))
    assert "not identified" in text
    assert "no cost known" in text
    assert "nan" not in text.lower().replace("finance", "")
