"""What ``params.yaml`` says about trigger lists, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TriggerSettings:
    """What counts; see ``triggers`` in ``params.yaml``."""

    window_days: int = 7
    without: tuple[str, ...] = ()
    cart_hours: int = 24
    inactive_days: int = 60
    falling_days: int = 30
    falling_against_days: int = 90
