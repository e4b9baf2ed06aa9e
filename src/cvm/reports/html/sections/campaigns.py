"""Campaigns: what each treatment changed against its holdout, what it earned, and whether to do it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cvm.reports.base import Base
from cvm.reports.evaluated import Arm, Whole, read_arms, read_wholes
from cvm.reports.html.markup import Child, Markup, tag
from cvm.reports.html.parts import Column, Section, figure, interval, note, subtitle, table
from cvm.reports.html.plots import axis, guide, intervals, plot, share_axis
from cvm.reports.words import NOTHING, Words

_TONES = {"works": "good", "does harm": "bad", "harmed": "bad", "serious": "bad", "warning": "warn"}


@dataclass(frozen=True)
class Content:
    """Every arm of every campaign evaluated, the newest first, and what campaigns drawn in cells earned as a whole."""

    currency: str
    arms: Sequence[Arm]
    wholes: Sequence[Whole] = ()


def read(base: Base) -> Content:
    """What ``cvm evaluate`` wrote."""
    effects, until = base.workspace.effects, base.until
    arms = read_arms(effects, until=until, timezone=base.timezone)
    return Content(base.currency, arms, read_wholes(effects, until=until))


def section(content: Content, words: Words) -> Section:
    """A verdict a row, then the figures."""
    if not content.arms:
        return Section("campaigns", words("campaigns.empty"))
    working = [arm for arm in content.arms if arm.word == "works"]
    summed = [arm for arm in content.arms if arm.is_identified and arm.currency == content.currency]
    lead = words(
        "campaigns.lead" if summed else "campaigns.lead_no_sum",
        n=words.count(len(content.arms), "treatments"),
        working=words.number(len(working)),
        net=words.money(sum(arm.net["value"] or 0.0 for arm in summed), content.currency),
    )
    n_apart = len(content.arms) - len(summed)
    apart = words("campaigns.apart", n=words.count(n_apart, "treatments"), currency=content.currency)
    return Section(
        "campaigns",
        lead,
        (
            note(apart) if n_apart else None,
            _forest(content, words),
            _table(content, words),
            _wholes(content, words),
            _guards(content, words),
            _gates(content, words),
        ),
    )


def _forest(content: Content, words: Words) -> Child:
    ends = ("value", "lower", "upper")
    told = [arm for arm in content.arms if arm.word != "not identified"]
    shown = [arm for arm in told if all(arm.relative[end] is not None for end in ends)][::-1]
    if not shown:
        return None
    hover = [
        words(
            "campaigns.hover",
            name=arm.name,
            effect=_percent(words, arm.relative["value"]),
            lower=_percent(words, arm.relative["lower"]),
            upper=_percent(words, arm.relative["upper"]),
            word=words.known("verdicts", arm.word),
        )
        for arm in shown
    ]
    points = intervals(
        [arm.relative["value"] for arm in shown],
        [arm.name for arm in shown],
        [arm.relative["lower"] for arm in shown],
        [arm.relative["upper"] for arm in shown],
        across=True,
        hover=hover,
        colour=[{"works": "@accent", "does harm": "@series1"}.get(arm.word, "@muted") for arm in shown],
    )
    best = max(shown, key=lambda arm: arm.relative["value"] or 0.0)
    takeaway = words(
        "campaigns.takeaway",
        name=best.name,
        metric=words.known("outcomes", best.metric),
        effect=_percent(words, best.relative["value"]),
        lower=_percent(words, best.relative["lower"]),
        upper=_percent(words, best.relative["upper"]),
    )
    layout = {
        "xaxis": share_axis(words("campaigns.relative"), zeroline=False),
        "yaxis": axis(type="category", showgrid=False),
        "shapes": [guide(x0=0, y0=0, x1=0, y1=1, yref="paper")],
        "showlegend": False,
        "height": 130 + 42 * len(shown),
    }
    columns = [
        Column(words("columns.campaign")),
        Column(words("campaigns.relative"), "percent"),
        Column(words("columns.lower"), "percent"),
        Column(words("columns.upper"), "percent"),
    ]
    rows = [[arm.name, arm.relative["value"], arm.relative["lower"], arm.relative["upper"]] for arm in reversed(shown)]
    definition = words("campaigns.definition", level=words.percent(shown[0].level, 0))
    return figure(
        words,
        "campaigns.figure",
        takeaway=takeaway,
        plot=plot([points], **layout),
        columns=columns,
        rows=rows,
        definition=definition,
    )


def _percent(words: Words, value: float | None) -> str:
    return NOTHING if value is None else words.signed(words.percent(value), value)


def _one_currency(of: Iterable[Arm | Whole]) -> str:
    """That of all, for the header; empty where they differ, so that each row has to name its own."""
    found = {one.currency for one in of}
    return found.pop() if len(found) == 1 else ""


def _table(content: Content, words: Words) -> list[Child]:
    currency = _one_currency(content.arms)
    columns = [
        Column(words("columns.campaign")),
        Column(words("campaigns.arm")),
        Column(words("campaigns.verdict")),
        Column(words("campaigns.currency"), only_explains=True),
        Column(words("campaigns.net"), "money"),
        Column(words("campaigns.roi"), "percent"),
        Column(words("campaigns.p_pays"), "percent"),
        Column(words("campaigns.effect"), "decimal"),
        Column(words("campaigns.margin"), "money"),
        Column(words("campaigns.cost"), "money"),
        Column(words("campaigns.treated"), "count"),
        Column(words("campaigns.started"), "date"),
    ]
    rows = [
        [
            arm.campaign,
            arm.arm,
            _badge(words.known("verdicts", arm.word), arm.word),
            None if currency else arm.currency,
            interval(words, arm.net),
            interval(words, arm.roi, kind="percent"),
            arm.p_pays,
            interval(words, arm.effect, kind="decimal"),
            interval(words, arm.margin),
            arm.cost,
            arm.n_treated,
            arm.started,
        ]
        for arm in content.arms
    ]
    caption = words("campaigns.table")
    partial = (
        [words("campaigns.partial", names=", ".join(sorted({arm.campaign for arm in content.arms if arm.is_partial})))]
        if any(arm.is_partial for arm in content.arms)
        else []
    )
    return [
        subtitle(caption),
        table(words, caption, columns, rows, currency=currency),
        [note(text) for text in (words("campaigns.table_note"), *partial)],
    ]


def _wholes(content: Content, words: Words) -> list[Child]:
    if not content.wholes:
        return []
    currency = _one_currency(content.wholes)
    columns = [
        Column(words("columns.campaign")),
        Column(words("campaigns.currency"), only_explains=True),
        Column(words("campaigns.net"), "money"),
        Column(words("campaigns.roi"), "percent"),
        Column(words("campaigns.cost"), "money"),
        Column(words("campaigns.treated"), "count"),
    ]
    rows = [
        [
            one.campaign,
            None if currency else one.currency,
            interval(words, one.net),
            interval(words, one.roi, kind="percent") if one.roi else None,
            one.cost,
            one.n_treated,
        ]
        for one in content.wholes
    ]
    caption = words("campaigns.wholes")
    return [subtitle(caption), table(words, caption, columns, rows, currency=currency)]


def _badge(text: str, word: str) -> Markup:
    return tag("span", text, class_=f"badge {_TONES.get(word, 'plain')}")


def _guards(content: Content, words: Words) -> list[Child]:
    guards = [(arm, guard) for arm in content.arms for guard in arm.guardrails]
    rows = [
        [
            arm.name,
            words.known("outcomes", guard["metric"]),
            guard["control"],
            interval(words, guard["effect"], kind="rate"),
            _badge(words.known("verdicts", guard["word"]), guard["word"]),
        ]
        for arm, guard in sorted(guards, key=lambda pair: pair[1]["word"] != "harmed")
    ]
    if not rows:
        return []
    columns = [
        Column(words("columns.campaign")),
        Column(words("campaigns.guardrail")),
        Column(words("campaigns.control"), "decimal"),
        Column(words("campaigns.change"), "decimal"),
        Column(words("campaigns.verdict")),
    ]
    caption = words("campaigns.guardrails")
    return [subtitle(caption), note(words("campaigns.guardrails_note")), table(words, caption, columns, rows)]


def _gates(content: Content, words: Words) -> list[Child]:
    seen = {(arm.campaign, gate["name"]): gate for arm in content.arms for gate in arm.gates if gate["severity"] != "ok"}
    if not seen:
        return [note(words("campaigns.gates_ok"))]
    columns = [
        Column(words("columns.campaign")),
        Column(words("campaigns.gate"), "english"),
        Column(words("data.severity")),
        Column(words("data.meaning"), "english"),
    ]
    rows = [
        [
            campaign,
            name.replace("_", " "),
            _badge(words.known("severity", gate["severity"]), gate["severity"]),
            gate["message"],
        ]
        for (campaign, name), gate in seen.items()
    ]
    caption = words("campaigns.gates")
    return [subtitle(caption), table(words, caption, columns, rows)]
