"""Evaluated campaigns as the report shows them: out of the files of ``cvm evaluate``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from cvm.errors import MissingOutputError

_Found = TypeVar("_Found")

_COMMAND = "cvm evaluate CAMPAIGN"
# Verdict on an effect that is none, such as of arms that differ by more than chance.
_UNTOLD = "not identified"


@dataclass(frozen=True)
class Arm:
    """One treatment of one campaign; intervals are (value, lower, upper)."""

    campaign: str
    arm: str
    started: datetime
    is_partial: bool
    metric: str
    currency: str
    level: float
    n_treated: int
    effect: Mapping[str, float | None]
    relative: Mapping[str, float | None]
    cost: float
    margin: Mapping[str, float | None]
    net: Mapping[str, float | None]
    roi: Mapping[str, float | None] | None
    p_pays: float | None
    guardrails: Sequence[Mapping[str, Any]]
    word: str
    gates: Sequence[Mapping[str, Any]]

    @property
    def is_identified(self) -> bool:
        """Whether what it earned can be told at all."""
        return self.word != _UNTOLD and self.net.get("standard_error") is not None

    @property
    def name(self) -> str:
        """Campaign and treatment."""
        return f"{self.campaign} · {self.arm}"


@dataclass(frozen=True)
class Whole:
    """A campaign drawn in cells, all arms of all cells together."""

    campaign: str
    currency: str
    n_treated: int
    cost: float
    net: Mapping[str, float | None]
    roi: Mapping[str, float | None] | None


def read_arms(effects: Path, *, until: datetime | None) -> list[Arm]:
    """Every treatment of every campaign evaluated on what was known at a moment, the newest first.

    Parameters
    ----------
    effects : Path
        Folder of evaluations; one that does not exist holds none.
    until : datetime or None
        UTC; evaluations that observed anything after it are left out; None leaves out none.

    Raises
    ------
    MissingOutputError
        If a file is no evaluation; its name says which.
    """
    arms = [
        arm
        for path in sorted(effects.glob("*.json"))
        for arm in _read(path, lambda found: list(_arms(found)) if _is_known(found, until) else [])
    ]
    return sorted(arms, key=lambda arm: (-arm.started.toordinal(), arm.campaign, arm.arm))


def read_wholes(effects: Path, *, until: datetime | None) -> list[Whole]:
    """Every campaign drawn in cells of which all are known, as ``read_arms``."""
    found = (_read(path, lambda whole: _whole(whole, until)) for path in sorted((effects / "cells").glob("*.json")))
    return [whole for whole in found if whole is not None]


def _is_known(found: Mapping[str, Any], until: datetime | None) -> bool:
    return until is None or datetime.fromisoformat(found["observed_until"]) <= until


def _read(path: Path, take: Callable[[Mapping[str, Any]], _Found]) -> _Found:
    try:
        return take(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise MissingOutputError.from_damage(path, command=_COMMAND) from error


def _whole(found: Mapping[str, Any], until: datetime | None) -> Whole | None:
    if not all(_is_known(cell, until) for cell in found["cells"]):
        return None
    total, bounds = found["total"], found["total"]["bootstrap"] or {}

    def within(name: str) -> Mapping[str, float | None]:
        return {"value": total[name], "lower": None, "upper": None, **(bounds.get(name) or {})}

    if any(verdict["word"] == _UNTOLD for cell in found["cells"] for verdict in cell["verdicts"]):
        net: Mapping[str, float | None] = dict.fromkeys(("value", "lower", "upper"))
        return Whole(found["campaign_id"], found["currency"], total["n_treated"], total["cost"], net, None)
    roi = None if total["roi"] is None else within("roi")
    return Whole(found["campaign_id"], found["currency"], total["n_treated"], total["cost"], within("net"), roi)


def _arms(found: Mapping[str, Any]) -> Iterator[Arm]:
    effects = {one["arm"]: one for one in found["effects"] if one["metric"] == found["metric"]}
    words = {one["arm"]: one["word"] for one in found["verdicts"]}
    for money in found["earned"]:
        arm, bootstrap = money["arm"], money["bootstrap"]
        effect = effects[arm]
        yield Arm(
            found["campaign_id"],
            arm,
            datetime.fromisoformat(found["assigned_from"]),
            found["is_partial"],
            found["metric"],
            found["currency"],
            found["level"],
            money["n_treated"],
            effect["always_valid"] or effect["adjusted"] or effect["plain"],
            effect["relative"],
            money["cost"],
            _with(money["incremental_margin"], bootstrap and bootstrap["incremental_margin"]),
            _with(money["net"], bootstrap and bootstrap["net"]),
            _with(money["roi"], bootstrap and bootstrap["roi"]) if money["roi"] else None,
            money["p_pays"],
            [guard for guard in found["guardrails"] if guard["arm"] == arm],
            words[arm],
            found["gates"],
        )


def _with(effect: Mapping[str, Any], bounds: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The effect, within the bounds by resampling where there are some."""
    return {**effect, **bounds} if bounds else effect
