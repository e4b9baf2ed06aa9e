"""The page: what has to be shown, then a table per part."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from speed_parts.contenders import Contender, Found, Part
from speed_parts.machine import machine, versions
from speed_parts.required import Measured, lines

_VERDICT = {True: "yes", False: "**no**", None: "-"}


def page(
    parts: Mapping[str, Part], measured: Measured, sizes: Mapping[str, list[int]], *, command: str, more: str = ""
) -> str:
    """Everything measured, as Markdown.

    Parameters
    ----------
    parts : mapping of str to Part
        Those asked for.
    measured : mapping
        By part, size, work and contender.
    sizes : mapping of str to list of int
        Of each part.
    command : str
        That makes the page.
    more : str
        Last paragraph.
    """
    blocks = [
        "# Speed, beside peers",
        f"Made by `{command}`: "
        "every line is the median of as many runs as its column *runs* says, each cold in a process of its own, on "
        "the same data. Imports and the loading of data are not counted. *Times ours* is the peer's processor "
        "seconds over ours, and in brackets those of the clock; above 1 we are faster. Processor seconds are of "
        "all threads together and hardly depend on other work of the machine, those of the clock do: they are what a "
        "user waits for, on all cores of the machine, and decide whether something was shown, so measure when nobody "
        "else is at work. *Peak GiB* is of the whole process, packages and data included.",
        f"{machine()}. {versions()}.",
        "## What has to be shown",
        _table(
            ("required", "shown", "met"),
            [(line.required, line.shown, _VERDICT[line.met]) for line in lines(measured, sizes)],
        ),
    ]
    for name, part in parts.items():
        blocks += [f"## {part.title}", part.about, _part_table(name, part, measured, sizes[name])]
    return "\n\n".join([*blocks, more] if more else blocks) + "\n"


def _part_table(name: str, part: Part, measured: Measured, sizes: list[int]) -> str:
    rows = []
    for work, contenders in groupby(part.contenders, key=lambda one: one.work):
        own = list(contenders)
        for n in sizes:
            first = measured.get((name, n, work, own[0].who), Found(why_not="not run"))
            rows += [_row(one, n, measured.get((name, n, work, one.who), Found(why_not="not run")), first) for one in own]
    heading = ("work", "customers", "by", "processor s", "clock s", "times ours", "runs", "peak GiB", "found")
    return _table(heading, rows, right=(1, 3, 4, 5, 6, 7))


def _row(contender: Contender, n: int, found: Found, ours: Found) -> tuple[str, ...]:
    start = (contender.work, f"{n:,}", contender.who)
    if not found.runs:
        return (*start, "-", "-", "-", "-", "-", found.why_not)
    times = f"{found.processor / ours.processor:.1f} ({found.clock / ours.clock:.1f})" if ours.runs else "-"
    facts = "; ".join(f"{name} {value:,.10g}" for name, value in found.facts.items())
    seconds = f"{found.processor:.2f}", f"{found.clock:.2f}"
    return (*start, *seconds, times, str(len(found.runs)), f"{found.peak_gib:.1f}", facts)


def _table(heading: tuple[str, ...], rows: list[tuple[str, ...]], *, right: tuple[int, ...] = ()) -> str:
    rule = ["---:" if position in right else "---" for position in range(len(heading))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, rule, *rows))
