"""What an evaluation finds: plain values, ready for a table or JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime
from math import isfinite
from typing import Any, Literal

from cvm.evaluation import Effect, Interval


@dataclass(frozen=True)
class EffectGate:
    """Something that must be right before any effect is believed."""

    name: str
    severity: Literal["ok", "warning", "serious"]
    message: str


@dataclass(frozen=True)
class ArmFigures:
    """Size, cost and means of one arm; None where a ratio has no denominator."""

    arm: str
    n: int
    cost: float
    means: dict[str, float | None]


@dataclass(frozen=True)
class ArmEffect:
    """One metric of one arm against control.

    ``plain`` is the difference of means; ``cuped`` and ``adjusted`` (Lin) the same adjusted by what was known before, None
    where there was nothing; ``relative`` the best of them over the control mean; ``best`` is ``adjusted``, else ``plain``.
    ``bootstrap`` is the interval of ``best`` by resampling, ``always_valid`` that which holds at any number of looks; None
    where there are too few customers, or nobody asked.
    """

    arm: str
    metric: str
    control_mean: float
    plain: Effect
    cuped: Effect | None
    adjusted: Effect | None
    relative: Effect
    bootstrap: Interval | None = None
    always_valid: Effect | None = None

    @property
    def best(self) -> Effect:
        """The estimate that verdicts and money rest on."""
        return self.adjusted or self.plain


@dataclass(frozen=True)
class TimedEffect:
    """Effect of one arm per customer up to so many days after the assignment."""

    arm: str
    metric: str
    until_day: float
    effect: Effect


@dataclass(frozen=True)
class SegmentEffect:
    """Effect of one arm within a segment; ``false_discovery_rate`` over all segments and arms, None if not identified."""

    segment: str
    arm: str
    n_treated: int
    n_control: int
    effect: Effect | None
    false_discovery_rate: float | None


@dataclass(frozen=True)
class Guardrail:
    """Something a campaign must not raise: unsubscribes, complaints, returns, discounts.

    ``word`` is ``harmed`` where the interval lies above 0, ``no harm seen`` where it does not, ``not identified`` where
    nothing varies. The interval is for one guardrail at a time: a guard that is asked often should rather bark.
    """

    arm: str
    metric: str
    control: float
    effect: Effect
    word: Literal["harmed", "no harm seen", "not identified"]


@dataclass(frozen=True)
class Bootstrap:
    """Intervals of money by resampling customers, and the share of resamples that paid."""

    incremental_margin: Interval
    incremental_revenue: Interval
    net: Interval
    roi: Interval | None
    roi_revenue: Interval | None
    p_pays: float | None


@dataclass(frozen=True)
class Earned:
    """What one arm brought in all, and against what it cost; money in the currency of the business.

    ``cost`` is that of contacts, redemptions and the arm's part of the fixed cost. ``roi`` = (incremental margin - cost) /
    cost, ``roi_revenue`` the same on revenue, None without any cost; ``net`` is incremental margin less cost; ``p_pays`` is
    P(ROI > 0), None without any cost or variance: the share of resampled campaigns that earned their cost, where there are
    enough customers to resample, else by the normal distribution. It tells how sure the data are, before any prior belief:
    97.5 % is the surety of a 95 % interval that begins at 0.
    """

    arm: str
    n_treated: int
    n_redeemed: float
    cost: float
    incremental_orders: Effect
    incremental_revenue: Effect
    incremental_margin: Effect
    net: Effect
    roi: Effect | None
    roi_revenue: Effect | None
    p_pays: float | None
    bootstrap: Bootstrap | None = None


@dataclass(frozen=True)
class Total:
    """What several arms or cells earned together; intervals by resampling, None where one of them is too small for it."""

    n_treated: int
    cost: float
    incremental_margin: float
    incremental_revenue: float
    net: float
    roi: float | None
    roi_revenue: float | None
    bootstrap: Bootstrap | None


@dataclass(frozen=True)
class ArmVerdict:
    """What to make of one arm, in a word and in a sentence."""

    arm: str
    word: Literal["works", "does harm", "inconclusive", "not identified"]
    sentence: str


@dataclass(frozen=True)
class CampaignEffect:
    """All that one campaign's ledger and the orders tell about it.

    Attributes
    ----------
    campaign_id, currency, metric : str
        ``metric`` is what the verdicts are about.
    level : float
        Of all intervals.
    assigned_from, assigned_to, observed_until : datetime
        UTC.
    window_days : float
        Longest outcome window.
    is_partial : bool
        Whether some outcome windows were cut where data end.
    information : float
        Share of the customers' outcome days that are over.
    incentives : str
        Where discounts and redemptions are counted: once, in the margin or in the cost.
    gates : list of EffectGate
    arms : list of ArmFigures
    effects : list of ArmEffect
        Of every metric and arm; those ending in ``_after`` are of the window after.
    timeline : list of TimedEffect
    segment_by : str or None
        Column of customers, or of scores, whose values are the segments.
    scores_as_of : date or None
        Of those scores.
    segments : list of SegmentEffect
    guardrails : list of Guardrail
    earned : list of Earned
    total : Total or None
        Of all arms, where there are several.
    verdicts : list of ArmVerdict
    """

    campaign_id: str
    currency: str
    metric: str
    level: float
    assigned_from: datetime
    assigned_to: datetime
    observed_until: datetime
    window_days: float
    is_partial: bool
    information: float
    incentives: str
    gates: list[EffectGate]
    arms: list[ArmFigures]
    effects: list[ArmEffect]
    timeline: list[TimedEffect]
    segment_by: str | None
    scores_as_of: date | None
    segments: list[SegmentEffect]
    guardrails: list[Guardrail]
    earned: list[Earned]
    total: Total | None
    verdicts: list[ArmVerdict]

    def __repr__(self) -> str:
        return "\n".join([f"<CampaignEffect {self.campaign_id}>", *(verdict.sentence for verdict in self.verdicts)])

    def effect(self, arm: str, metric: str) -> ArmEffect:
        """The effect of one arm on one metric.

        Raises
        ------
        KeyError
            If there is none.
        """
        for found in self.effects:
            if (found.arm, found.metric) == (arm, metric):
                return found
        raise KeyError((arm, metric))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: moments as ISO 8601, what is not known or not finite as null."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


@dataclass(frozen=True)
class CellsEffect:
    """A campaign that was drawn in several cells, each a campaign of the ledger with a control of its own.

    Attributes
    ----------
    campaign_id : str
        Of the whole; that of a cell continues it after a dot.
    currency : str
    cells : list of CampaignEffect
    total : Total
        Over all arms of all cells, which are independent of each other.
    """

    campaign_id: str
    currency: str
    cells: list[CampaignEffect]
    total: Total

    def to_dict(self) -> dict[str, Any]:
        """As ``CampaignEffect.to_dict``."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, date):
        return value.isoformat()
    return None if isinstance(value, float) and not isfinite(value) else value
