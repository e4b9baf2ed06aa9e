"""The figures of ``benchmarks/uplift.py`` as Markdown."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cvm
from uplift_peers import LEARNERS, OURS, SCORED

Floats = NDArray[np.float64]

_PACKAGES = ("econml", "causalml", "lightgbm", "scikit-learn", "numpy")


@dataclass(frozen=True)
class Part:
    """What one learner taught by one half of one cut is worth on the other half.

    Attributes
    ----------
    repeat, half : int
        Of the cut, and of the half that judges.
    learner : str
    qini : dict of str to float
        Qini per customer by name of the score, in units of the outcome.
    cpu_seconds : float
        To learn and to score.
    notes : dict
    """

    case: str
    repeat: int
    half: int
    learner: str
    qini: dict[str, float]
    cpu_seconds: float
    mean_outcome: float
    notes: dict[str, Any]

    @property
    def key(self) -> tuple[str, int, int, str]:
        """What it is a part of."""
        return self.case, self.repeat, self.half, self.learner


@dataclass(frozen=True)
class Compared:
    """Our chosen learner against one peer on one case, by repeats both have finished.

    Attributes
    ----------
    difference, error : float
        Mean of ours less the peer's, and its standard error over repeats.
    spread : float
        Standard deviation of the difference on one judged half.
    """

    n_repeats: int
    difference: float
    error: float
    spread: float

    @property
    def met(self) -> bool:
        """Whether ours is not worse by more than the standard error."""
        return self.difference >= -self.error


def by_repeat(parts: Iterable[Part], case: str, score: str) -> dict[int, Floats]:
    """Qini of both halves of each finished repeat."""
    found: dict[int, dict[int, float]] = {}
    for part in parts:
        if part.case == case and score in part.qini:
            found.setdefault(part.repeat, {})[part.half] = part.qini[score]
    return {repeat: np.array([both[0], both[1]]) for repeat, both in found.items() if len(both) == 2}


def compared(ours: Mapping[int, Floats], peer: Mapping[int, Floats]) -> Compared | None:
    """Paired over the repeats both have; None with fewer than two."""
    shared = sorted(set(ours) & set(peer))
    if len(shared) < 2:
        return None
    differences = np.array([ours[repeat] - peer[repeat] for repeat in shared])
    means = differences.mean(axis=1)
    error = float(means.std(ddof=1) / np.sqrt(len(means)))
    return Compared(len(shared), float(means.mean()), error, float(differences.std(ddof=1)))


def report(parts: Sequence[Part], missing: Mapping[str, str]) -> str:
    """All of it."""
    cases = list(dict.fromkeys(part.case for part in parts))
    scores = list(dict.fromkeys(name for part in parts for name in part.qini))
    scores.sort(key=lambda name: (name not in (OURS, SCORED), name))
    n_repeats = max((len(by_repeat(parts, case, OURS)) for case in cases), default=0)
    absent = "".join(f"\n- {name}: missing here ({why}); `pip install 'cvm[bench]'`." for name, why in missing.items())
    return f"""# Uplift: our learner and others on the Hillstrom e-mail test

Measured by `python benchmarks/uplift.py` with cvm {cvm.__version__} on Python {platform.python_version()}, {_versions()}.
The customers of a mail and of no mail were cut into halves by chance, {n_repeats} times so far (a run goes on where it was
stopped); each half taught, the other judged, by qini per customer (`docs/uplift.md`), here times 1000, in visits or dollars.
Peers got the same columns, the true propensity, and LightGBM with the settings ours starts from; the causal forest got
leaves of 100 and 200 trees, better than its defaults on cuts that are not judged here. The settings and candidates of ours
were chosen on such other cuts too (of the same customers: there is but one such experiment).

`{OURS}` ranks by the learner that won out of fold within the teaching half. `{SCORED}` is the uplift written into scores:
the mean effect, so no ranking and a qini of 0, where the teaching half did not prove that customers differ.

## What has to be shown

Mean difference of our chosen learner to each peer at least -1 standard error of the difference. Standard errors (SE) are
over repeats. They know of the cuts only, not of the customers: all repeats share those, and mirror each other where there is
nothing to find. The spread (SD) of one judged half says how far chance carries.

{_header("case", "peer", "repeats", "difference", "SE", "SD of a half", "shown")}
{_verdicts(parts, cases, scores)}

## Qini per customer times 1000: mean (SE over repeats)

{_header("score", *cases)}
{_figures(parts, cases, scores)}

## Where nobody finds differences

{_header("case", "halves that prove differences", "chosen learners")}
{_claims(parts, cases)}

## CPU seconds to learn and score, median

{_header("learner", *cases)}
{_seconds(parts, cases)}
{absent}
"""


def _verdicts(parts: Sequence[Part], cases: Collection[str], scores: Collection[str]) -> str:
    rows = []
    for case in cases:
        ours = by_repeat(parts, case, OURS)
        for score in scores:
            found = None if score in (OURS, SCORED) else compared(ours, by_repeat(parts, case, score))
            if found is not None:
                shown = "yes" if found.met else "no"
                figures = f"{1000 * found.difference:+.2f} | {1000 * found.error:.2f} | {1000 * found.spread:.2f}"
                rows.append(f"| {case} | {score} | {found.n_repeats} | {figures} | {shown} |")
    return "\n".join(rows)


def _figures(parts: Sequence[Part], cases: Collection[str], scores: Collection[str]) -> str:
    rows = []
    for score in scores:
        cells = []
        for case in cases:
            means = 1000 * np.array([both.mean() for both in by_repeat(parts, case, score).values()])
            error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else np.nan
            cells.append(f"{means.mean():.2f} ({error:.2f})" if len(means) else "")
        rows.append(f"| {score} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _claims(parts: Sequence[Part], cases: Collection[str]) -> str:
    rows = []
    for case in cases:
        notes = [part.notes for part in parts if part.case == case and "differs" in part.notes]
        chosen = [note["chosen"] for note in notes]
        counts = ", ".join(f"{name} {chosen.count(name)}" for name in sorted(set(chosen), key=chosen.count, reverse=True))
        rows.append(f"| {case} | {sum(note['differs'] for note in notes)} of {len(notes)} | {counts} |")
    return "\n".join(rows)


def _seconds(parts: Sequence[Part], cases: Collection[str]) -> str:
    rows = []
    for name in LEARNERS:
        taken = {case: [part.cpu_seconds for part in parts if part.learner == name and part.case == case] for case in cases}
        if any(taken.values()):
            rows.append(f"| {name} | {' | '.join(f'{np.median(own):.1f}' if own else '' for own in taken.values())} |")
    return "\n".join(rows)


def _versions() -> str:
    return ", ".join(f"{name} {found}" for name in _PACKAGES if (found := _version(name)))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _header(*names: str) -> str:
    return f"| {' | '.join(names)} |\n|{'---|' * len(names)}"
