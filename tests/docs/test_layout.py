"""Pages look alike in the repository and on the site."""

from __future__ import annotations

import re

import pytest

from pages import PAGES, name_of, prose


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_list_or_table_begins_after_a_blank_line_or_a_heading(page) -> None:
    """Otherwise the site shows it as a paragraph."""
    lines = prose(page).splitlines()
    opened = [
        below
        for above, below in zip(["", *lines], lines, strict=False)
        if re.match(r"- |\|", below) and above.strip() and not re.match(r"#|- |\||  ", above)
    ]
    assert opened == []


def test_a_page_has_its_blocks_apart_from_its_lists() -> None:
    wrong = [name_of(page) for page in PAGES if re.search(r"^```\n(- |\|)", page.read_text(encoding="utf-8"), re.MULTILINE)]
    assert wrong == []
