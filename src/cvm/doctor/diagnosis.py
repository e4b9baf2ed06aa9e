"""The diagnosis: the environment first, which needs nothing heavy; then, if packages load, params and what they name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cvm.doctor import machine, packages
from cvm.doctor.line import Line, lines_of
from cvm.errors import CvmError, without_password


@dataclass(frozen=True)
class Part:
    """Lines about one part of the whole."""

    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Diagnosis:
    """What was looked at, and what was found.

    Attributes
    ----------
    parts : tuple of Part
    """

    parts: tuple[Part, ...]

    @property
    def lines(self) -> list[Line]:
        """Of all parts."""
        return [line for part in self.parts for line in part.lines]

    @property
    def n_wrong(self) -> int:
        """Lines that say that something will be refused or fail."""
        return sum(line.state == "wrong" for line in self.lines)

    @property
    def n_to_look_at(self) -> int:
        """Lines that say that something may not be what is wanted."""
        return sum(line.state == "look" for line in self.lines)

    def figures(self) -> dict[str, Any]:
        """As JSON values."""
        lines = [{"part": part.name, **asdict(line)} for part in self.parts for line in part.lines]
        return {"n_wrong": self.n_wrong, "n_to_look_at": self.n_to_look_at, "lines": lines}


def diagnose(path: Path, *, overrides: Sequence[str] = (), progress: Callable[[str], None] = lambda _: None) -> Diagnosis:
    """Look at everything that a run depends on. Writes nothing, and never raises for what it finds.

    Parameters
    ----------
    path : Path
        ``params.yaml``; need not be readable, or there.
    overrides : sequence of str
        As of ``load_params``.
    progress : callable
        Told in words what is being looked at.
    """
    parts: dict[str, list[Line]] = {}
    for name, lines in _parts(path, overrides):
        if name not in parts:
            progress(name)
        parts.setdefault(name, []).extend(shareable(line) for line in lines)
    return Diagnosis(tuple(Part(name, tuple(lines)) for name, lines in parts.items()))


def _parts(path: Path, overrides: Sequence[str]) -> Iterator[tuple[str, Iterator[Line]]]:
    """Names and lines of parts; a name may come again."""
    environment = (
        ("Python", packages.python_line),
        ("packages", packages.packages_line),
        ("loading", packages.loading_line),
        ("threads", machine.threads_line),
        ("memory", machine.memory_line),
        ("scratch", machine.scratch_line),
        ("text", machine.text_line),
    )
    for what, check in environment:
        yield "environment", iter(lines_of(what, check))
    try:
        from cvm.doctor.checks import checks_of
        from cvm.params import load_params
    except Exception as error:  # whatever a package that does not fit the others raises
        found = (
            f"not looked at: it needs packages that do not load; {packages.origin_of(error)}: {packages.reason_of(error)}"
        )
        yield "params", iter([Line("params", "look", found, "Mend the environment first.")])
        return
    try:
        params = load_params(path, overrides=overrides)
    except CvmError as error:
        fix = "" if path.exists() else "cvm init writes one for your files."
        found = f"{error} What depends on it is not looked at."
        yield "params", iter([Line("params", "wrong", found, fix)])
        return
    yield "params", iter([Line("params", "ok", f"{path}: every key is known; engine {params.engine}")])
    for name, checks in checks_of(params):
        for what, check in checks:
            yield ("environment" if name == "machine" else name), iter(lines_of(what, check))


def shareable(line: Line) -> Line:
    """Without what a report should not say: passwords, the folders of a person."""
    found, fix = (_without_home(without_password(text)) for text in (line.found, line.fix))
    return replace(line, found=found, fix=fix)


def _without_home(text: str) -> str:
    folders = ((Path.cwd(), ".", ""), (Path.home(), "~", "~/"))
    for folder, itself, within in sorted(folders, key=lambda one: len(one[0].parts), reverse=True):
        if folder != Path(folder.anchor):
            # Not where it is a part of a longer name, such as /root2 or /mnt/root.
            here = rf"(?<![\w.-]){re.escape(str(folder))}"
            text = re.sub(rf"{here}/(?=[\w.])", within, text)
            text = re.sub(rf"{here}(?![\w-]|\.\w)", itself, text)
    return text
