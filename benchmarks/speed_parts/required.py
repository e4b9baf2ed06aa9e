"""What has to be shown, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from speed_parts.btyd import FIT, GIVEN, PREDICT
from speed_parts.contenders import OURS, Found
from speed_parts.features import ALL, SUMMARY
from speed_parts.parts import part_named

Key = tuple[str, int, str, str]
Measured = Mapping[Key, Found]

# Of the log-likelihood, relative: two optima nearer than that are one.
_SAME_OPTIMUM = 1e-5
# The noise of two medians.
_NO_GROWTH = 1.1


@dataclass(frozen=True)
class Line:
    """One requirement, judged by the clock; ``met`` is ``None`` where it could not be measured."""

    required: str
    shown: str
    met: bool | None


def lines(measured: Measured, sizes: Mapping[str, list[int]]) -> list[Line]:
    """Every requirement.

    Parameters
    ----------
    measured : mapping
        By part, size, work and contender.
    sizes : mapping of str to list of int
        Of each part that was asked for, in ascending order. Figures of other sizes than its own are shown, not judged.
    """
    found: list[Line] = []
    if own := sizes.get("features"):
        found += _judged([_features(measured, own[-1])], own == list(part_named("features").sizes))
    if own := sizes.get("btyd"):
        million, most = own[max(len(own) - 2, 0)], own[-1]
        speeds = [
            _faster(measured, million, "BG/NBD", "lifetimes, as called", 8.0),
            _faster(measured, million, "BG/NBD", "pymc-marketing, MAP", 8.0),
            _faster(measured, million, "BG/NBD", "lifetimes, our groups", 3.0),
            _faster(measured, million, "Pareto/NBD", "lifetimes, as called", 5.0),
            _same_optimum(measured, million),
            _per_triple(measured, million, most),
            _predictions(measured, most),
        ]
        found += _judged(speeds, own == list(part_named("btyd").sizes))
    return found


def _judged(found: list[Line], is_full_size: bool) -> list[Line]:
    return found if is_full_size else [replace(line, met=None) for line in found]


def _features(measured: Measured, n: int) -> Line:
    required = f"all features of {n:,} customers at least 3 times faster than lifetimes' four columns"
    return _times(
        required, measured.get(("features", n, ALL, OURS)), measured.get(("features", n, SUMMARY, "lifetimes")), 3.0
    )


def _faster(measured: Measured, n: int, model: str, peer: str, times: float) -> Line:
    work = f"{model}, {FIT}"
    required = f"{model} of {n:,} customers at least {times:g} times faster than {peer}"
    return _times(required, measured.get(("btyd", n, work, OURS)), measured.get(("btyd", n, work, peer)), times)


def _times(required: str, ours: Found | None, theirs: Found | None, times: float) -> Line:
    if ours is None or not ours.runs or theirs is None or not theirs.runs:
        return Line(required, f"not measured: {_why(ours, theirs)}", None)
    processor, clock = theirs.processor / ours.processor, theirs.clock / ours.clock
    return Line(required, f"{clock:.1f} times by the clock, {processor:.1f} by the processor", clock >= times)


def _why(*found: Found | None) -> str:
    return next((one.why_not for one in found if one is not None and one.why_not), "not run")


def _same_optimum(measured: Measured, n: int) -> Line:
    required = f"log-likelihoods at most {_SAME_OPTIMUM:g} below those of lifetimes, relative"
    short = {}
    for model in ("BG/NBD", "Pareto/NBD"):
        ours, theirs = (measured.get(("btyd", n, f"{model}, {FIT}", who)) for who in (OURS, "lifetimes, as called"))
        if ours and theirs and ours.runs and theirs.runs:
            own, other = (one.facts["log-likelihood"] for one in (ours, theirs))
            short[model] = (other - own) / abs(other)
    shown = "; ".join(f"{model} {-by:+.0e}" for model, by in short.items())
    return Line(required, shown or "not measured", max(short.values()) <= _SAME_OPTIMUM if short else None)


def _per_triple(measured: Measured, million: int, most: int) -> Line:
    required = f"BG/NBD: time per distinct triple does not grow from {million:,} to {most:,} customers"
    found = [measured.get(("btyd", n, f"BG/NBD, {FIT}", GIVEN)) for n in (million, most)]
    if any(one is None or not one.runs for one in found) or million == most:
        return Line(required, f"not measured: {_why(*found)}", None)
    each = [one.processor / one.facts["distinct"] * 1e6 for one in found if one is not None]
    return Line(
        required, " and ".join(f"{one:.2f} µs" for one in each) + " of the processor", each[1] <= _NO_GROWTH * each[0]
    )


def _predictions(measured: Measured, most: int) -> Line:
    required = f"BG/NBD: predictions of {most:,} customers in less than 10 s"
    ours = measured.get(("btyd", most, f"BG/NBD, {PREDICT}", OURS))
    if ours is None or not ours.runs:
        return Line(required, f"not measured: {_why(ours)}", None)
    return Line(required, f"{ours.processor:.1f} s of the processor, {ours.clock:.1f} s by the clock", ours.clock < 10)
