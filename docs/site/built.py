"""What is wrong with the site as it was built: dead links of any kind, and whatever a reader would fetch from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# The page that a server shows in place of any other has links from the root.
_ANYWHERE = "404.html"
# Pages named with a fault that many share, such as one of the navigation.
_SHOWN = 3


@dataclass
class _Page(HTMLParser):
    """Anchors of a page, its links, and what it is made of."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag == "link" and "canonical" not in given.get("rel", "") and "href" in given:
            self.loaded.append(given["href"])
        if "src" in given:
            self.loaded.append(given["src"])


def problems(site: Path) -> list[str]:
    """Sentences about the pages in a folder; none where every link leads somewhere and nothing is fetched."""
    site = site.resolve()
    pages = {path: _read(path) for path in sorted(site.rglob("*.html")) if path.name != _ANYWHERE}
    found: dict[str, list[str]] = {}
    for path, page in pages.items():
        for wrong in _of(path, page, pages, site):
            found.setdefault(wrong, []).append(path.relative_to(site).as_posix())
    return [f"{wrong}: {_some(where)}" for wrong, where in found.items()]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def _of(path: Path, page: _Page, pages: dict[Path, _Page], site: Path) -> Iterator[str]:
    for address in dict.fromkeys([*page.links, *page.loaded]):
        parts = urlsplit(address)
        if parts.netloc and address in page.loaded:
            yield f"loads {address} from elsewhere"
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        shown = target.relative_to(site).as_posix() if target.is_relative_to(site) else address
        if not target.exists():
            yield f"links {shown}, which there is not"
        elif anchor and target in pages and anchor not in pages[target].anchors and not anchor.startswith("__"):
            yield f"links {shown}#{anchor}, and that page has no such place"
