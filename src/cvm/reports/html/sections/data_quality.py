"""The data: what is wrong with them, and what they are enough for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cvm.ingest.assessment import read_assessment
from cvm.ingest.quality.finding import Finding, by_gravity
from cvm.ingest.sufficiency_verdict import SufficiencyVerdict
from cvm.reports.base import Base
from cvm.reports.html.markup import Child, tag
from cvm.reports.html.parts import Column, Section, card, cards, english, note, subtitle, table
from cvm.reports.words import Words

# Checks whose number is an age in days, which is no share of anything.
_LAGS = ("stale source", "ends early")
_TONES = {"serious": "bad", "warning": "warn"}


@dataclass(frozen=True)
class Content:
    """Findings without their examples, which may name people, and verdicts; None where ingest left none."""

    findings: Sequence[Finding] | None
    verdicts: Sequence[SufficiencyVerdict]
    file: str


def read(base: Base) -> Content:
    """What ingest wrote."""
    workspace = base.workspace
    if not workspace.quality.is_file() or not workspace.sufficiency.is_file():
        return Content(None, (), base.shown(workspace.quality))
    found = read_assessment(workspace)
    return Content(by_gravity(found.findings), found.verdicts, base.shown(workspace.quality))


def section(content: Content, words: Words) -> Section:
    """Verdicts first, then findings, the gravest on top."""
    if content.findings is None:
        return Section("data", words("data.empty"))
    counts = {level: sum(finding.severity == level for finding in content.findings) for level in ("serious", "warning")}
    lead = words(
        "data.lead" if any(counts.values()) else "data.lead_clean",
        serious=words.number(counts["serious"]),
        warning=words.number(counts["warning"]),
    )
    return Section("data", lead, (_verdicts(content, words), _findings(content, words)))


def _verdicts(content: Content, words: Words) -> list[Child]:
    items = [
        card(
            words.known("purposes", verdict.purpose),
            words("data.enough" if verdict.is_enough else "data.not_enough"),
            [english(text, words) for text in verdict.because][:1],
            tone="good" if verdict.is_enough else "warn",
        )
        for verdict in content.verdicts
    ]
    return [subtitle(words("data.sufficiency")), cards(*items)]


def _findings(content: Content, words: Words) -> list[Child]:
    caption = words("data.findings")
    if not content.findings:
        return [subtitle(caption), note(words("data.nothing"))]
    columns = [
        Column(words("data.severity")),
        Column(words("data.table")),
        Column(words("data.check")),
        Column(words("data.n"), "count"),
        Column(words("data.share"), "percent"),
        Column(words("data.done")),
        Column(words("data.meaning"), "english"),
        Column(words("data.advice"), "english"),
    ]
    rows = [
        [
            tag("span", words.known("severity", one.severity), class_=f"badge {_TONES.get(one.severity, 'plain')}"),
            one.table,
            one.check.replace("_", " "),
            tag("span", words.count(one.n, "days"), data_v=str(one.n)) if one.unit == "days" else one.n,
            None if one.check in _LAGS else one.share,
            words.known("done", one.action),
            one.meaning,
            one.advice,
        ]
        for one in content.findings
    ]
    return [subtitle(caption), table(words, caption, columns, rows, more=words("page.all_rows", file=content.file))]
