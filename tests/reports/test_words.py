from datetime import date
from string import Formatter

import pytest

from cvm.reports.words import LANGUAGES, words

NBSP = "\N{NO-BREAK SPACE}"


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_every_language_says_all_that_english_says_with_the_same_values(language):
    english, other = words("en").texts, words(language).texts
    assert {key for key in other if not key.endswith(".few")} == set(english)
    wrong = [key for key in english if placeholders(english[key]) != placeholders(other[key])]
    assert not wrong


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_empty(language):
    assert [key for key, text in words(language).texts.items() if not text or text == "None"] == []


@pytest.mark.parametrize(
    ("value", "en", "uk"),
    [
        (0.0, "0", "0"),
        (7.256, "7.26", "7,26"),
        (12_345.0, f"12.3{NBSP}k", f"12,3{NBSP}тис."),
        (999.96, f"1.00{NBSP}k", f"1,00{NBSP}тис."),
        (-2_500_000.0, f"\N{MINUS SIGN}2.50{NBSP}M", f"\N{MINUS SIGN}2,50{NBSP}млн"),
        (3e9, f"3{NBSP}bn", f"3{NBSP}млрд"),
    ],
)
def test_a_number_in_short_has_three_digits_and_its_size(value, en, uk):
    assert words("en").short(value) == en
    assert words("uk").short(value) == uk


def test_a_number_in_full_is_grouped_as_the_language_does():
    assert words("en").number(1_234_567.891, 2) == "1,234,567.89"
    assert words("ru").number(1_234_567.891, 2) == f"1{NBSP}234{NBSP}567,89"
    assert words("en").number(-0.001, 1) == "0.0"


def test_shares_and_their_changes():
    assert words("en").percent(0.125) == "12.5%"
    assert words("uk").percent(0.125) == f"12,5{NBSP}%"
    assert words("en").signed(words("en").percent(0.02), 0.02) == "+2.0%"


@pytest.mark.parametrize(
    ("n", "uk"),
    [(1, "клієнт"), (2, "клієнти"), (5, "клієнтів"), (11, "клієнтів"), (21, "клієнт"), (112, "клієнтів"), (0, "клієнтів")],
)
def test_nouns_follow_their_number(n, uk):
    assert words("uk").count(n, "customers") == f"{n}{NBSP}{uk}"
    assert words("en").count(n, "customers").endswith("customer" if n == 1 else "customers")


def test_dates():
    assert words("en").day(date(2026, 3, 1)) == f"1{NBSP}Mar{NBSP}2026"
    assert words("ru").month(date(2026, 5, 1)) == f"май{NBSP}2026"


def test_names_of_the_users_own_stay_as_they_are():
    assert words("uk").known("segments", "vip") == "VIP"
    assert words("uk").known("segments", "my_best") == "my_best"
    assert words("en").known("segments", None) == "\N{EN DASH}"
