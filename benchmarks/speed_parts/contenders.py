"""Who is timed at what: works, contenders, and what a measurement found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

OURS = "cvm"


@dataclass(frozen=True)
class Seconds:
    """What a piece of work took: of the processor, all threads together, and of the clock."""

    processor: float
    clock: float


@dataclass(frozen=True)
class Contender:
    """Somebody who does a piece of work.

    Attributes
    ----------
    work, who : str
        Contenders of one work are compared with each other.
    prepare : callable
        Takes the folder of data and the number of customers; imports, loads, and returns the call that is timed. That call
        may return ``Seconds`` of its own, where another process does the work.
    package : str
        Import name of the package it needs.
    facts : callable
        Figures told of what the call returned, with the same arguments as ``prepare`` before it; not timed.
    """

    work: str
    who: str
    prepare: Callable[[Path, int], Callable[[], Any]]
    package: str = OURS
    facts: Callable[[Path, int, Any], Mapping[str, float]] = lambda _folder, _n, _result: {}

    @property
    def is_installed(self) -> bool:
        """Whether its package is here."""
        return find_spec(self.package) is not None


@dataclass(frozen=True)
class Part:
    """Comparisons that share their data.

    Attributes
    ----------
    title, about : str
        Heading and paragraph on the page.
    sizes : tuple of int
        Numbers of customers, in ascending order.
    data : callable
        Writes the data of a number of customers to a folder, or finds them there.
    contenders : tuple of Contender
        The first of each work is what the others are compared with.
    """

    title: str
    about: str
    sizes: tuple[int, ...]
    data: Callable[[Path, int], Any]
    contenders: tuple[Contender, ...]

    def sizes_at(self, scale: float, *, least: int) -> list[int]:
        """The sizes times ``scale``, each once."""
        return sorted({max(round(scale * size), least) for size in self.sizes})


@dataclass(frozen=True)
class Found:
    """What repeated runs of a contender showed, or why there are none.

    Attributes
    ----------
    runs : tuple of Seconds
    peak_gib : float
        Most memory its process held at a time, data and packages included.
    facts : mapping of str to float
    why_not : str
        Empty where it ran.
    """

    runs: tuple[Seconds, ...] = ()
    peak_gib: float = 0.0
    facts: Mapping[str, float] = field(default_factory=dict)
    why_not: str = ""

    @property
    def processor(self) -> float:
        """Median seconds of the processor."""
        return median(run.processor for run in self.runs)

    @property
    def clock(self) -> float:
        """Median seconds of the clock."""
        return median(run.clock for run in self.runs)
