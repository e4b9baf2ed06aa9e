"""The page: every section in every language, the figures' library, style and behaviour, all in one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import files
from types import ModuleType
from typing import Any

import cvm
from cvm.reports.base import Base
from cvm.reports.html.markup import Markup, tag
from cvm.reports.html.parts import Section
from cvm.reports.html.sections import (
    actions,
    campaigns,
    card,
    churn,
    cohorts,
    data_quality,
    monitoring,
    segments,
    summary,
    value,
    value_map,
)
from cvm.reports.words import LANGUAGES, Words, words

_SECTIONS: tuple[ModuleType, ...] = (
    summary,
    value_map,
    segments,
    cohorts,
    churn,
    value,
    campaigns,
    actions,
    data_quality,
    monitoring,
    card,
)


def report_html(base: Base, *, language: str) -> str:
    """The whole report.

    Parameters
    ----------
    base : Base
    language : str
        One of ``LANGUAGES``, to open with; the others are a click away.

    Returns
    -------
    str
        A document that needs nothing beside itself.

    Raises
    ------
    MissingOutputError
        If there are no scores, or a file of another stage is damaged.
    """
    read: Sequence[tuple[Callable[[Any, Words], Section], Any]] = [(part.section, part.read(base)) for part in _SECTIONS]

    def body(spoken: Words) -> Markup:
        return _body([say(content, spoken) for say, content in read], spoken, base)

    opened = words(language)
    templates = [
        tag("template", body(words(other)), data_language=other, data_title=_title(base, words(other)))
        for other in LANGUAGES
    ]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"cvm {cvm.__version__}"),
        tag("link", rel="icon", href="data:,"),
        tag("title", _title(base, opened)),
        tag("style", Markup(_asset("report.css"))),
    )
    page = tag(
        "body",
        tag("div", body(opened), id="page"),
        templates,
        tag("script", Markup(_library())),
        tag("script", Markup(_asset("report.js"))),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, page, lang=language)}\n"


def _body(sections: Sequence[Section], words: Words, base: Base) -> Markup:
    about = words("page.about", day=words.day(base.as_of), model=base.bundle.model_version, version=cvm.__version__)
    hidden = tag("p", words("page.hashed"), class_="remark") if base.hash_salt else None
    return Markup(
        tag("a", words("page.skip"), href="#main", class_="skip")
        + _header(words, base)
        + tag(
            "div",
            _navigation(sections, words),
            tag("main", [one.html(words) for one in sections], id="main", tabindex="-1"),
            class_="columns",
        )
        + tag("footer", tag("p", about), hidden)
    )


def _header(words: Words, base: Base) -> Markup:
    languages = [
        tag("button", name, type="button", data_language=code, lang=code, aria_pressed=str(code == words.language).lower())
        for code, name in (("en", "English"), ("uk", "Українська"), ("ru", "Русский"))
    ]
    return tag(
        "header",
        tag("div", tag("h1", words("page.title")), tag("p", words("page.as_of", day=words.day(base.as_of))), class_="title"),
        tag(
            "div",
            tag("div", languages, role="group", aria_label=words("page.language"), class_="switch"),
            tag("button", words("page.theme"), type="button", id="theme", aria_pressed="false"),
            class_="tools",
        ),
    )


def _navigation(sections: Sequence[Section], words: Words) -> Markup:
    links = [
        tag("li", tag("a", words(f"titles.{one.key}"), href=f"#{one.key}", class_=None if one.body else "empty"))
        for one in sections
    ]
    return tag(
        "nav",
        tag("button", words("page.menu"), type="button", class_="menu", aria_expanded="false", aria_controls="sections"),
        tag("ul", links, id="sections"),
        aria_label=words("page.sections"),
    )


def _title(base: Base, words: Words) -> str:
    return f"{words('page.title')}, {words.day(base.as_of)}"


def _library() -> str:
    from plotly.offline import get_plotlyjs  # only who writes a report waits for its import

    return str(get_plotlyjs())


def _asset(name: str) -> str:
    return files("cvm.reports.html").joinpath("assets", name).read_text(encoding="utf-8")
