"""How fast we are beside lifetimes, pymc-marketing, scikit-uplift, causalml and bare LightGBM, on the same data in one run.

    make bench                                              # in .venv-bench, where the peers are installed
    python benchmarks/speed.py [--parts btyd] [--scale 0.01] [--again]

Every measurement is made in a process of its own and kept in ``--work`` at once, so a run that was stopped goes on where it
was. Peers that are not installed are missing lines of the table. Writes ``benchmarks/speed.md``; the comparisons are the
modules of ``benchmarks/speed_parts/``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from speed_parts.cold import Limits, make_data, measured, read_found, write_found
from speed_parts.contenders import Contender, Found
from speed_parts.machine import memory_gib
from speed_parts.page import page
from speed_parts.parts import PARTS, part_named
from speed_parts.required import Key

HERE = Path(__file__).parent
# A likelihood of fewer customers may have no top.
_LEAST_CUSTOMERS = 1_000
# Curves over rows are measured by a script of their own.
_GROWTH = HERE / "growth.py"


def main() -> None:
    """Measure what is not on file, write the page."""
    given = _arguments()
    sizes = {name: part_named(name).sizes_at(given.scale, least=_LEAST_CUSTOMERS) for name in given.parts}
    found = {}
    for key, one in _measured(given, sizes):
        found[key] = one
        print(_said(key, one), flush=True)
    more = ""
    if given.growth and not given.page_only and _GROWTH.is_file():
        subprocess.run([sys.executable, str(_GROWTH)], check=True)  # noqa: S603 - our own script
        more = "How time and memory grow with rows: [growth.md](growth.md)."
    parts = {name: part_named(name) for name in given.parts}
    given.into.write_text(page(parts, found, sizes, command=_command(given), more=more), encoding="utf-8")
    print(f"\nWritten: {given.into}")


def _measured(given: argparse.Namespace, sizes: dict[str, list[int]]) -> Iterator[tuple[Key, Found]]:
    """Every contender at every size; the smaller sizes first, so that who fails at one is not asked for more."""
    for name, own in sizes.items():
        part, given_up = part_named(name), dict[tuple[str, str], str]()
        for n in own:
            for number, contender in enumerate(part.contenders):
                who = contender.work, contender.who
                if why_not := given_up.get(who) or _missing(contender):
                    found = Found(why_not=why_not)
                else:
                    found = _kept_or_measured(name, number, n, given)
                if found.why_not and not given.page_only and who not in given_up:
                    given_up[who] = found.why_not if not contender.is_installed else f"not tried: {found.why_not} at {n:,}"
                yield (name, n, *who), found


def _missing(contender: Contender) -> str:
    return "" if contender.is_installed else f"missing: {contender.package} is not installed"


def _kept_or_measured(part: str, number: int, n: int, given: argparse.Namespace) -> Found:
    contender = part_named(part).contenders[number]
    name = "".join(letter if letter.isalnum() else "-" for letter in f"{contender.work} {contender.who}")
    kept = given.work / "found" / part / f"{name}-{n}.json"
    if kept.is_file() and not given.again:
        return read_found(kept)
    if given.page_only:
        return Found(why_not="not measured")
    _data(part, n, given.work / "data")
    limits = Limits(given.limit_s, given.limit_gib)
    found = measured(part, number, n, given.work / "data", repeats=given.repeats, limits=limits)
    write_found(kept, found)
    return found


@cache
def _data(part: str, n: int, folder: Path) -> None:
    make_data(part, n, folder)


def _said(key: Key, found: Found) -> str:
    part, n, work, who = key
    what = f"{found.processor:8.2f} s processor {found.clock:8.2f} s clock" if found.runs else f"  {found.why_not}"
    return f"{part:10} {n:>12,}  {work:28} {who:24} {what}"


def _command(given: argparse.Namespace) -> str:
    some = [] if tuple(given.parts) == PARTS else ["--parts", *given.parts]
    scaled = [] if given.scale == 1 else ["--scale", f"{given.scale:g}"]
    return " ".join(["python benchmarks/speed.py", *some, *scaled])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of customers; 0.001 to try it out")
    parser.add_argument("--repeats", type=int, default=3, help="of each measurement that is not long")
    parser.add_argument("--limit-s", type=float, default=900, help="of one run; who takes longer is ended, and listed so")
    parser.add_argument("--limit-gib", type=float, default=0.7 * memory_gib(), help="of one run's memory")
    parser.add_argument("--again", action="store_true", help="measure also what is on file")
    parser.add_argument("--page-only", action="store_true", help="measure nothing: write the page of what is on file")
    parser.add_argument("--no-growth", dest="growth", action="store_false", help="leave out benchmarks/growth.py")
    parser.add_argument("--work", type=Path, default=HERE / ".speed", help="data and measurements")
    parser.add_argument("--into", type=Path, default=HERE / "speed.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
