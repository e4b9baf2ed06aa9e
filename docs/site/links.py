"""Links as they are in the repository, turned into links of the site.

Pages are written for whoever reads them in the repository: they link files by relative paths, also those that the site does
not hold. On the site a link to another page leads there, wherever that page lives; one to a file that is no page keeps its
words alone. A link to nothing is left as it is, and the strict build refuses it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

# Code first, for what looks like a link in it is none.
_CODE_OR_LINK = re.compile(
    r"^ *```.*?^ *```|(?<!!)\[(?P<words>[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*)\]\((?P<target>[^)\s]+)\)|`[^`\n]*`",
    re.MULTILINE | re.DOTALL,
)
_ELSEWHERE = re.compile(r"[a-z]+:|#|/")


def site_links(markdown: str, *, written_in: str, page: str, pages: Mapping[str, str], root: Path) -> str:
    """``markdown`` with its links as the site needs them.

    Parameters
    ----------
    markdown : str
    written_in : str
        Path of the file in the repository.
    page : str
        Path of the page among the sources of the site.
    pages : mapping of str to str
        The same of all pages: path in the repository to path among the sources of the site.
    root : Path
        The repository.
    """

    def turned(found: re.Match[str]) -> str:
        words, target = found["words"], found["target"]
        if target is None or _ELSEWHERE.match(target):
            return found[0]
        path, separator, anchor = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(written_in), path))
        if path in pages:
            there = posixpath.relpath(pages[path], posixpath.dirname(page) or ".")
            return f"[{words}]({there}{separator}{anchor})"
        return words if (root / path).exists() else found[0]

    return _CODE_OR_LINK.sub(turned, markdown)
