"""The model card, with the errors of every group as a figure and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cvm.models.bundle import Bundle
from cvm.reports.base import Base
from cvm.reports.html.markup import Child, Markup, tag
from cvm.reports.html.parts import Column, Section, definitions, english, figure, note, subtitle, table
from cvm.reports.html.plots import axis, guide, intervals, plot, share_axis
from cvm.reports.model_card import Facts, Grid, Part, Points, error_table, figure_text, group_name, group_rows, model_card
from cvm.reports.words import Words

# A figure of more groups is a wall; the table has all of them.
_MOST_GROUPS = 40
# More notes of training than this are a click away.
_MANY_SENTENCES = 6


def read(base: Base) -> Bundle:
    """The model says everything itself."""
    return base.bundle


def section(content: Bundle, words: Words) -> Section:
    """Facts, metrics, who is served worse, limits."""
    errors = group_rows(content)
    n_off = sum(bool(error["is_off"]) for error in errors)
    key = "card.lead_unjudged" if not errors else "card.lead_fair" if not n_off else "card.lead"
    lead = words(key, n=words.count(n_off, "groups"), version=content.model_version)
    shown = {"groups": (_figure(errors, words), _errors(errors, words))}
    body = [(_part(part, words), shown.get(part.key)) for part in model_card(content, words)]
    return Section("card", lead, tuple(body))


def _part(part: Part, words: Words) -> list[Child]:
    return [subtitle(part.title), [_block(block, part.title, words) for block in part.blocks]]


def _block(block: Facts | Points | Grid, title: str, words: Words) -> Markup:
    if isinstance(block, Facts):
        return definitions(block.pairs)
    if isinstance(block, Points):
        points = tag(
            "ul", [tag("li", english(one, words) if block.in_english else one) for one in block.sentences], class_="points"
        )
        if len(block.sentences) <= _MANY_SENTENCES or not block.in_english:
            return points
        return tag(
            "details", tag("summary", words("card.notes", n=words.number(len(block.sentences)))), points, class_="notes"
        )
    first, *rest = block.headers
    columns = [Column(first), *(Column(header, "decimal") for header in rest)]
    return table(words, f"{title}: {first}", columns, block.rows)


def _figure(errors: Sequence[Mapping[str, Any]], words: Words) -> Child:
    shown = [error for error in errors if error["calibration_error"]][:_MOST_GROUPS][::-1]
    if len(shown) < 2:
        return None
    names = [group_name(error, words) for error in shown]
    gaps = [error["calibration_error"] for error in shown]
    hover = [f"{name}: {figure_text(gap, words, share=True)}" for name, gap in zip(names, gaps, strict=True)]
    points = intervals(
        [gap["value"] for gap in gaps],
        names,
        [gap["lower"] for gap in gaps],
        [gap["upper"] for gap in gaps],
        across=True,
        hover=hover,
        colour=["@series1" if gap["is_off"] else "@accent" for gap in gaps],
    )
    worst = max(errors[1:], key=lambda error: abs((error["calibration_error"] or {"value": 0.0})["value"]))
    takeaway = words(
        "card.figure_takeaway",
        group=group_name(worst, words),
        gap=figure_text({**worst["calibration_error"], "is_off": False}, words, share=True),
    )
    layout = {
        "xaxis": share_axis(words("card.column_calibration_error"), zeroline=False),
        "yaxis": axis(type="category", showgrid=False),
        "shapes": [guide(x0=0, y0=0, x1=0, y1=1, yref="paper")],
        "showlegend": False,
        "height": 110 + 24 * len(shown),
    }
    headers, rows = error_table(shown[::-1], words)
    columns = [Column(headers[0]), Column(headers[4])]
    return figure(
        words,
        "card.figure",
        takeaway=takeaway,
        plot=plot([points], **layout),
        columns=columns,
        rows=[[row[0], row[4]] for row in rows],
        definition=words("card.figure_definition"),
    )


def _errors(errors: Sequence[Mapping[str, Any]], words: Words) -> list[Child]:
    if not errors:
        return []
    headers, _ = error_table([], words)
    rows: list[list[Any]] = [
        [
            group_name(error, words),
            max(error["n_customers"], error["n_valued"]),
            error["predicted_churn"],
            *(
                _figure_cell(error[name], words, share=name in ("observed_churn", "calibration_error"))
                for name in ("observed_churn", "calibration_error", "auc", "revenue_ratio")
            ),
            tag("span", words("card.differs"), class_="badge warn") if error["is_off"] else None,
        ]
        for error in errors
    ]
    kinds = ("text", "count", "percent", "percent", "percent", "decimal", "decimal")
    columns = [Column(header, kind) for header, kind in zip(headers, kinds, strict=True)]  # type: ignore[arg-type]  # names of kinds
    caption = words("card.errors")
    return [
        subtitle(caption),
        note(words("card.errors_note")),
        table(words, caption, [*columns, Column(words("card.flag"))], rows),
    ]


def _figure_cell(found: Mapping[str, Any] | None, words: Words, *, share: bool) -> Markup | None:
    if found is None or found["value"] is None:
        return None
    value, _, bounds = figure_text({**found, "is_off": False}, words, share=share).partition(" ")
    return tag("span", tag("strong", value), tag("small", bounds), data_v=f"{found['value']:.10g}", class_="interval")
