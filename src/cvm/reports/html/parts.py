"""What sections are made of: cards, figures with a summary and a table of their data, tables that sort and filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import inf
from typing import Any, Literal

from cvm.reports.html.markup import Child, Markup, script_json, tag
from cvm.reports.words import Words
from cvm.reports.words.language import NOTHING, is_number

Kind = Literal["text", "count", "money", "percent", "change", "decimal", "date", "english"]

IntervalKind = Literal["money", "percent", "decimal", "rate"]

# More rows than this in a table call for a filter.
_MANY_ROWS = 8
MOST_ROWS = 200


@dataclass(frozen=True)
class Column:
    """Header of a column and how its values are written; one that only explains is left out where it has nothing to say."""

    header: str
    kind: Kind = "text"
    only_explains: bool = False


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes
    ----------
    key : str
        Its anchor, and of its title among the words.
    lead : str
        First sentence, for a reader who knows no statistics.
    body : tuple of children
        None of them where there is nothing to show; ``lead`` then says why.
    """

    key: str
    lead: str
    body: tuple[Child, ...] = ()

    def html(self, words: Words) -> Markup:
        """As an element."""
        head = [tag("h2", words(f"titles.{self.key}"), id=f"{self.key}-title")]
        lead = tag("p", self.lead, class_="lead" if self.body else "lead empty")
        return tag("section", head, lead, self.body, id=self.key, aria_labelledby=f"{self.key}-title")


def cards(*items: Markup) -> Markup:
    """Headline figures side by side."""
    return tag("ul", items, class_="cards")


def card(label: str, value: str, *notes: Child, title: str | None = None, tone: str | None = None) -> Markup:
    """A headline figure: what it is, its value, and what to compare it with."""
    return tag(
        "li",
        tag("p", label, class_="label"),
        tag("p", value, class_="value", title=title),
        [tag("p", note, class_="note") for note in notes if note],
        class_=f"card {tone}" if tone else "card",
    )


def subtitle(text: str) -> Markup:
    """Heading within a section."""
    return tag("h3", text)


def note(text: str) -> Markup:
    """A remark in small print."""
    return tag("p", text, class_="remark")


def months_missing(latest: date, as_of: date, words: Words) -> Markup | None:
    """That a file of months ends before the last month that was over at ``as_of``, if so."""
    if (as_of.year - latest.year) * 12 + as_of.month - latest.month <= 1:
        return None
    return note(words("page.other_month", month=words.month(latest), day=words.day(as_of)))


def english(text: str, words: Words) -> Markup:
    """Text that there is in English only."""
    return tag("span", text, lang=None if words.language == "en" else "en")


def definitions(pairs: Sequence[tuple[str, Child]]) -> Markup:
    """Terms and what is to be said of each."""
    return tag("dl", [[tag("dt", term), tag("dd", meaning)] for term, meaning in pairs])


def figure(
    words: Words,
    key: str,
    *,
    takeaway: str,
    plot: Mapping[str, Any],
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    definition: str | None = None,
    currency: str = "",
) -> Markup:
    """A plot under its title, with what it says in one sentence, how it is made, and its data.

    Parameters
    ----------
    words : Words
    key : str
        Of its title among the words.
    takeaway : str
        Out of the data.
    plot : mapping
        As ``plots.plot`` makes it; colours such as ``@accent`` are those of the theme.
    columns, rows
        The same as a table.
    definition : str, optional
        For whoever wants to know exactly.
    currency : str
        Of columns of money.
    """
    name = key.replace(".", "-").replace("_", "-")
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("h3", words(key), id=f"{name}-title"),
            tag("p", takeaway, class_="takeaway", id=f"{name}-takeaway"),
        ),
        tag(
            "div",
            class_="plot",
            style=f"height:{plot['height']}px",
            role="img",
            aria_labelledby=f"{name}-title",
            aria_describedby=f"{name}-takeaway",
        ),
        tag("script", script_json({"data": plot["data"], "layout": plot["layout"]}), type="application/json"),
        tag(
            "details",
            tag("summary", words("page.data_of_figure")),
            note(definition) if definition else None,
            table(words, words(key), columns, rows, currency=currency),
            class_="data",
        ),
    )


def table(
    words: Words,
    caption: str,
    columns: Sequence[Column],
    rows: Sequence[Sequence[Any]],
    *,
    currency: str = "",
    more: str | None = None,
) -> Markup:
    """A table whose headers sort it; with many rows, a field filters it.

    Parameters
    ----------
    words : Words
    caption : str
        Read to who does not see it.
    columns : sequence of Column
    rows : sequence of sequences
        Plain values, at most ``MOST_ROWS`` of them are shown; None is a dash.
    currency : str
        Of columns of money, named in their headers.
    more : str, optional
        Where all rows are.
    """
    said = [place for place, column in enumerate(columns) if not column.only_explains or any(row[place] for row in rows)]
    columns, rows = [columns[place] for place in said], [[row[place] for place in said] for row in rows[:MOST_ROWS]]
    shown = [
        replace(column, header=f"{column.header}, {currency}") if column.kind == "money" and currency else column
        for column in columns
    ]
    head = [
        tag("th", tag("button", column.header, type="button"), scope="col", aria_sort="none", class_=_side(column.kind))
        for column in shown
    ]
    body = [tag("tr", [cell(words, column.kind, value) for column, value in zip(shown, row, strict=True)]) for row in rows]
    grid = tag("table", tag("caption", caption), tag("thead", tag("tr", head)), tag("tbody", body))
    filter_ = tag(
        "label",
        tag("span", words("page.filter")),
        tag("input", type="search", autocomplete="off", spellcheck="false"),
        tag("output", "", aria_live="polite"),
        class_="filter",
    )
    return tag(
        "div",
        filter_ if len(rows) > _MANY_ROWS else None,
        tag("div", grid, class_="scroll", role="region", tabindex="0", aria_label=caption),
        note(more) if more else None,
        class_="table",
    )


def judged_models(
    words: Words,
    section: str,
    metrics: Mapping[str, Mapping[str, float | None]],
    names: Sequence[str],
    *,
    winner: str,
    by: str,
) -> list[Child]:
    """The table of all models that were judged, by the metric that decides: the lowest first, without one last."""
    caption = words(f"{section}.models")
    columns = [
        Column(words("columns.model"), "english"),
        *(Column(words(f"metrics.{name}"), "decimal") for name in names),
    ]

    def place(judged: tuple[str, Mapping[str, float | None]]) -> float:
        deciding = judged[1].get(by)
        return inf if deciding is None else deciding

    rows = [
        [f"{name} ★" if name == winner else name, *(values.get(metric) for metric in names)]
        for name, values in sorted(metrics.items(), key=place)
    ]
    return [subtitle(caption), table(words, caption, columns, rows, more=words(f"{section}.models_note"))]


def cell(words: Words, kind: Kind, value: Any) -> Markup:
    """One value, short, with the whole of it where the pointer rests and for sorting."""
    if isinstance(value, Markup):
        return tag("td", value, class_=_side(kind))
    if value is None or value == "" or (isinstance(value, float) and not is_number(value)):
        return tag("td", NOTHING, class_=_side(kind))
    if isinstance(value, date):
        return tag("td", words.day(value), data_v=value.isoformat(), class_="date")
    if kind == "english":
        return tag("td", english(str(value), words), class_=_side(kind))
    if not is_number(value) or kind == "text":
        return tag("td", str(value), class_=_side(kind))
    written, full = _written(words, kind, float(value))
    return tag("td", written, data_v=f"{value:.10g}", title=full if full != written else None, class_="number")


def interval(words: Words, found: Mapping[str, float | None] | None, *, kind: IntervalKind = "money") -> Markup | None:
    """The ``value`` of ``found``, and in small print under it ``lower`` and ``upper``; nothing where there is no value."""
    if not found or (value := found["value"]) is None:
        return None

    def written(number: float | None) -> str:
        if number is None:
            return NOTHING
        if kind == "money":
            return words.short(number)
        return words.percent(number, 0) if kind == "percent" else words.number(number, 4 if kind == "rate" else 2)

    bounds = words("page.from_to", lower=written(found["lower"]), upper=written(found["upper"]))
    return tag("span", tag("strong", written(value)), tag("small", bounds), data_v=f"{value:.10g}", class_="interval")


def interval_of_total(words: Words, total: float | None, portfolio: Mapping[str, Any] | None, name: str) -> str | None:
    """The interval of what all customers come to; nothing where there is no total, or no interval was learned.

    Parameters
    ----------
    words : Words
    total : float or None
    portfolio : mapping or None
        Of a bundle's evidence: ``level``, and factors ``lower`` and ``upper`` under each name.
    name : {"clv", "revenue"}
    """
    if not portfolio or not total:
        return None
    return words(
        "page.interval",
        level=words.percent(portfolio["level"], 0),
        lower=words.short(total * portfolio[name]["lower"]),
        upper=words.short(total * portfolio[name]["upper"]),
    )


def _written(words: Words, kind: Kind, value: float) -> tuple[str, str]:
    if kind == "percent":
        return words.percent(value), words.percent(value, 3)
    if kind == "change":
        return words.signed(words.percent(value), value), words.signed(words.percent(value, 3), value)
    if kind == "count":
        return words.number(value), words.number(value)
    if kind == "decimal":
        return words.number(value, 3), words.number(value, 6)
    return words.short(value), words.number(value, 2)


def _side(kind: Kind) -> str | None:
    return "number" if kind in ("count", "money", "percent", "change", "decimal") else "long" if kind == "english" else None
