"""Links of the repository lead to the same page on the site."""

from __future__ import annotations

from pathlib import Path

import pytest

from links import site_links

PAGES = {
    "docs/index.md": "index.md",
    "docs/kpis.md": "kpis.md",
    "docs/howto/mail.md": "howto/mail.md",
    "docs/jobs/crontab": "jobs/crontab",
    "benchmarks/speed.md": "benchmarks/speed.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("written_in", "link", "expected"),
    [
        ("docs/index.md", "[K](kpis.md#goals)", "[K](kpis.md#goals)"),
        ("docs/index.md", "[S](../benchmarks/speed.md)", "[S](benchmarks/speed.md)"),
        ("docs/howto/mail.md", "[S](../../benchmarks/speed.md#x)", "[S](../benchmarks/speed.md#x)"),
        ("docs/howto/mail.md", "[`kpis`](../kpis.md)", "[`kpis`](../kpis.md)"),
        ("docs/index.md", "[jobs](jobs/crontab)", "[jobs](jobs/crontab)"),
        ("CONTRIBUTING.md", "[K](docs/kpis.md) and [I](docs/index.md)", "[K](kpis.md) and [I](index.md)"),
        ("benchmarks/speed.md", "[K](../docs/kpis.md)", "[K](../kpis.md)"),
        ("docs/index.md", "see [the code](../src/a.py)", "see the code"),
        ("docs/index.md", "[gone](nowhere.md)", "[gone](nowhere.md)"),
        (
            "docs/index.md",
            "[out](https://example.org/a.md) [here](#words)",
            "[out](https://example.org/a.md) [here](#words)",
        ),
        ("docs/index.md", "`[no](../src/a.py)` ![img](../src/a.py)", "`[no](../src/a.py)` ![img](../src/a.py)"),
        ("docs/index.md", "```\n[no](../src/a.py)\n```\n[yes](../src/a.py)", "```\n[no](../src/a.py)\n```\nyes"),
    ],
)
def test_a_link_leads_where_it_did(root: Path, written_in: str, link: str, expected: str) -> None:
    assert site_links(link, written_in=written_in, page=PAGES[written_in], pages=PAGES, root=root) == expected
