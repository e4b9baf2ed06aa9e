from io import StringIO

from rich.console import Console

from campaign_ledger import campaign, drawn, judged, line
from cvm.reports.campaign_effect import effect_tables


def shown(found, **options) -> str:
    console = Console(file=StringIO(), width=200)
    console.print(*effect_tables(found, **options), sep="\n")
    return console.file.getvalue()


def test_checks_come_first_then_the_verdict_then_the_figures():
    text = shown(judged(campaign(n=800), segment_by="city"))
    order = [
        text.index(part)
        for part in ("sample ratio", "After its cost", "Effect per customer", "What it earned", "by segment")
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


def test_what_is_not_identified_is_said_in_words():
    ledger = [drawn(name, arm) for name, arm in (("a", "mail"), ("b", "mail"), ("x", "control"), ("y", "control"))]
    text = shown(judged({"assignments": ledger, "transactions": [line("z", days=90, amount=1.0)]}))
    assert "not identified" in text
    assert "no cost known" in text
    assert "nan" not in text.lower().replace("finance", "")
