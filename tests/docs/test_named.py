"""What the texts name exists: words of the glossary, rooms, files, tests, keys of params, links."""

from __future__ import annotations

import re

import pytest

from cvm.features.transactions import ORDER_FEATURES
from cvm.params import Params
from cvm.scoring.schema import SCORE_COLUMNS
from cvm.segments import LIFECYCLE_STAGES, VALUE_TIERS
from cvm.segments.rules import DEFAULT_RULES
from pages import PAGES, ROOT, code_marks, name_of, prose
from reference.params import all_keys
from test_architecture import FLOW, LEAVES, RESTRICTED

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
KEYS = {".".join(path) for path in all_keys()}
each_page = pytest.mark.parametrize("page", PAGES, ids=name_of)


def named(kind: str, text: str) -> set[str]:
    """What stands in code marks behind a word: column `clv`."""
    return set(re.findall(rf"\b{kind} `([^`]+)`", text))


def values_of(word: str) -> set[str]:
    """Values that the glossary lists for a word."""
    (line,) = [line for line in GLOSSARY.splitlines() if line.startswith(f"| {word} |")]
    return set(re.findall("`([^`]+)`", line.split("|")[2]))


def test_columns_and_features_of_the_glossary_exist():
    assert named("column", GLOSSARY) <= {column.name for column in SCORE_COLUMNS}
    assert named("feature", GLOSSARY) <= {feature.name for feature in ORDER_FEATURES}


def test_values_of_the_glossary_are_all_there_are():
    assert values_of("lifecycle stage") == set(LIFECYCLE_STAGES)
    assert values_of("value tier") == set(VALUE_TIERS)
    assert values_of("segment") == set(DEFAULT_RULES.names)


def test_a_word_of_the_glossary_stands_once():
    words = [line.split("|")[1].strip() for line in GLOSSARY.splitlines() if line.startswith("| ")]
    terms = [word for word in words if word != "word"]
    assert len(terms) == len(set(terms))
    assert len(terms) > 50


def test_the_page_on_architecture_names_every_room():
    assert {*FLOW, *LEAVES, *RESTRICTED} <= set(code_marks(ROOT / "docs" / "architecture.md"))


@each_page
def test_keys_of_params_exist(page):
    roots = set(Params.model_fields) - {"root", "models", "outputs"}
    dotted = [text for text in code_marks(page) if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", text)]
    keys = [
        text for text in dotted if text.split(".")[0] in roots and not text.endswith((".parquet", ".csv", ".json", ".txt"))
    ]
    # Every table of data takes the keys of transactions, which alone are listed.
    assert [key for key in keys if key not in KEYS and re.sub(r"^data\.\w+\.", "data.transactions.", key) not in KEYS] == []


@each_page
def test_files_and_tests_that_are_named_exist(page):
    missing = []
    for text in code_marks(page):
        path, _, test = text.partition("::")
        if not re.fullmatch(r"[\w/]+\.(py|md|ipynb)", path) or "/" not in path or path.startswith("outputs/"):
            continue
        found = next((base / path for base in (ROOT, ROOT / "src" / "cvm") if (base / path).is_file()), None)
        if found is None or (test and f"def {test.split('::')[-1]}(" not in found.read_text(encoding="utf-8")):
            missing.append(text)
    assert missing == []


def test_links_lead_to_files_that_are_there():
    """Anchors are the affair of ``make docs``."""
    links = [
        (page, link.partition("#")[0])
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", prose(page)))
        if not link.startswith(("http", "#"))
    ]
    assert len(links) > 100
    assert [f"{name_of(page)}: {link}" for page, link in links if not (page.parent / link).is_file()] == []
