"""A built site with a dead link, or with anything from elsewhere, is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from built import problems


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "style.css").touch()
    (tmp_path / "deep" / "b.html").write_text('<h2 id="words">W</h2><a href="../a.html">a</a>')
    (tmp_path / "404.html").write_text('<a href="/anywhere.html">a</a>')
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="style.css"><a href="deep/b.html#words">b</a><a href="https://example.org/">out</a>'
    )
    return tmp_path


def test_a_sound_site_has_no_problem(site: Path) -> None:
    assert problems(site) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<a href="gone.html">', "links gone.html, which there is not: a.html"),
        ('<a href="../x/gone.html">', "links ../x/gone.html, which there is not: a.html"),
        ('<a href="deep/b.html#gone">', "links deep/b.html#gone, and that page has no such place: a.html"),
        ('<a href="#gone">', "links a.html#gone, and that page has no such place: a.html"),
        ('<img src="gone.png">', "links gone.png, which there is not: a.html"),
        (
            '<script src="https://cdn.example.org/x.js"></script>',
            "loads https://cdn.example.org/x.js from elsewhere: a.html",
        ),
        ('<link rel="preconnect" href="https://x.example.org">', "loads https://x.example.org from elsewhere: a.html"),
    ],
)
def test_what_is_wrong_is_named(site: Path, text: str, expected: str) -> None:
    (site / "a.html").write_text(text)
    assert problems(site) == [expected]


def test_a_fault_of_many_pages_is_told_once(site: Path) -> None:
    for name in "wxyz":
        (site / f"{name}.html").write_text('<a href="gone.html">')
    assert problems(site) == ["links gone.html, which there is not: w.html, x.html, y.html and 1 more"]
