import pytest

import report_files as files
from cvm.reports.model_card import group_rows, markdown, model_card
from cvm.reports.words import LANGUAGES, words


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_card_has_every_part_in_every_language(language):
    parts = model_card(files.bundle(), words(language))
    assert [part.key for part in parts] == ["about", "use", "data", "windows", "metrics", "groups", "limits", "versions"]
    assert all(part.blocks for part in parts)


def test_the_card_names_whom_the_model_serves_worse():
    text = markdown(files.bundle(), words("en"))
    assert "region: north: called likelier to leave than they are" in text
    assert "A note of training." in text
    assert "| region: north | 500 |" in text


def test_markdown_takes_nothing_for_markup():
    text = markdown(files.bundle(), words("en"))
    assert "<script>" not in text
    assert r"\<script\>" in text
    assert r"- \*all\* of them\*" in markdown(files.bundle({"notes": ["*all* of them*"]}), words("en"))


def test_a_model_that_was_not_judged_says_so():
    text = markdown(files.bundle({}), words("en"))
    assert "Nothing could be judged out of time" in text
    assert "No group of at least 100 customers could be judged." in text
    assert group_rows(files.bundle({})) == []
