"""What mkdocs calls while it builds the site: the reference out of the code, and pages that live outside of ``docs/``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

from built import problems
from links import site_links
from reference import PARTS

ROOT = Path(__file__).parents[2]
# Pages of the repository that the site holds, too.
_OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/*.md")
_FROM_THE_CODE = re.compile(r"^<!-- from the code: ([a-z ]+) -->$", re.MULTILINE)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """In the navigation have a pattern stand for all its pages."""
    for part in config.nav or ():
        for title, pages in part.items():
            if isinstance(pages, str) and "*" in pages:
                part[title] = [path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(pages))]
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that live outside of ``docs/``."""
    for pattern in _OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, *, page: Page, files: Files, **_: object) -> str:
    """Put in what the code says, and have links lead to the pages of the site."""
    kept = [*files.documentation_pages(), *files.media_files(), *files.static_pages()]
    pages = {name: file.src_uri for file in kept if (name := _in_repository(file)) is not None}
    pages.setdefault("README.md", "index.md")
    markdown = _FROM_THE_CODE.sub(lambda found: _part(found[1], page), markdown)
    return site_links(markdown, written_in=_in_repository(page.file) or "", page=page.file.src_uri, pages=pages, root=ROOT)


def _in_repository(file: File) -> str | None:
    """Path of a source from the root of the repository; None for those of the theme."""
    path = Path(file.abs_src_path or "/")
    is_ours = path.is_relative_to(ROOT) and (path.is_relative_to(ROOT / "docs") or path.suffix == ".md")
    return path.relative_to(ROOT).as_posix() if is_ours else None


def _part(name: str, page: Page) -> str:
    if name not in PARTS:
        raise PluginError(f"{page.file.src_uri}: the code writes no part {name!r}; there are {list(PARTS)}.")
    return PARTS[name]()


def on_post_build(*, config: MkDocsConfig) -> None:
    """Refuse a site with dead links, or with parts that a reader would fetch from elsewhere."""
    found = problems(Path(config.site_dir))
    if found:
        raise PluginError("The site is not sound:\n" + "\n".join(found))
