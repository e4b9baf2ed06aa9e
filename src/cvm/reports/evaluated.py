"""Evaluated campaigns as the report shows them: out of the files of ``cvm evaluate``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from cvm.campaigns.effect_table import from_evaluations
from cvm.engines.sql import day_of

# Verdict on an effect that is none, such as of arms that differ by more than chance.
_UNTOLD = "not identified"


@dataclass(frozen=True)
class Arm:
    """One treatment of one campaign; intervals are (value, lower, upper)."""

    campaign: str
    arm: str
    started: date
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


def read_arms(effects: Path, *, until: datetime | None, timezone: str) -> list[Arm]:
    """Every treatment of every campaign evaluated on what was known at a moment, the newest first.

    Parameters
    ----------
    effects : Path
        Folder of evaluations; one that does not exist holds none.
    until : datetime or None
        UTC; evaluations that observed anything after it are left out; None leaves out none.
    timezone : str
        Whose days campaigns start on.

    Raises
    ------
    MissingOutputError
        If a file is no evaluation; its name says which.
    """
    arms = from_evaluations(effects, lambda found: _arms(found, timezone), until=until)
    return sorted(arms, key=lambda arm: (-arm.started.toordinal(), arm.campaign, arm.arm))


def read_wholes(effects: Path, *, until: datetime | None) -> list[Whole]:
    """Every campaign drawn in cells of which all are known, as ``read_arms``."""
    return from_evaluations(effects / "cells", lambda whole: _wholes(whole, until))


def _is_known(found: Mapping[str, Any], until: datetime | None) -> bool:
    return until is None or datetime.fromisoformat(found["observed_until"]) <= until


def _wholes(found: Mapping[str, Any], until: datetime | None) -> Iterator[Whole]:
    """The one campaign of a file, if all of its cells are known."""
    if not all(_is_known(cell, until) for cell in found["cells"]):
        return
    total, bounds = found["total"], found["total"]["bootstrap"] or {}

    def within(name: str) -> Mapping[str, float | None]:
        return {"value": total[name], "lower": None, "upper": None, **(bounds.get(name) or {})}

    net, roi = within("net"), None if total["roi"] is None else within("roi")
    if any(verdict["word"] == _UNTOLD for cell in found["cells"] for verdict in cell["verdicts"]):
        net, roi = dict.fromkeys(("value", "lower", "upper")), None
    yield Whole(found["campaign_id"], found["currency"], total["n_treated"], total["cost"], net, roi)


def _arms(found: Mapping[str, Any], timezone: str) -> Iterator[Arm]:
    effects = {one["arm"]: one for one in found["effects"] if one["metric"] == found["metric"]}
    words = {one["arm"]: one["word"] for one in found["verdicts"]}
    for money in found["earned"]:
        arm, bootstrap = money["arm"], money["bootstrap"]
        effect = effects[arm]
        yield Arm(
            found["campaign_id"],
            arm,
            day_of(datetime.fromisoformat(found["assigned_from"]), timezone),
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
