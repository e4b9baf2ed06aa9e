"""Promote or keep: the gates, put together into one decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Literal

from cvm.evaluation import PairedFigure
from cvm.models.bundle import Bundle
from cvm.promotion.comparison import Comparison, Spoke
from cvm.promotion.gates import DRIFT, ROLLBACK, Gate

DecisionVerdict = Literal["promoted", "kept", "forced", "rolled back"]


@dataclass(frozen=True)
class Decision:
    """One decision on which model is in use.

    Attributes
    ----------
    decided_at : datetime
        UTC.
    verdict : str
        ``promoted``; ``kept``: the champion stays; ``forced``: promoted against a gate; ``rolled back``.
    challenger : str or None
        Version that asked for the place; of a rollback the version that came back.
    champion_before, champion_after : str or None
    as_of : date or None
        Snapshot of the window the two were compared on.
    days : int
        Length of that window.
    spoke : str
        How the champion was heard there, see ``Comparison``.
    n_customers : int
    figures : tuple of PairedFigure
    gates : tuple of Gate
    reason : str
        In words.
    """

    decided_at: datetime
    verdict: DecisionVerdict
    challenger: str | None
    champion_before: str | None
    champion_after: str | None
    as_of: date | None = None
    days: int = 0
    spoke: Spoke = "nobody"
    n_customers: int = 0
    figures: tuple[PairedFigure, ...] = ()
    gates: tuple[Gate, ...] = ()
    reason: str = ""

    @property
    def failed(self) -> tuple[Gate, ...]:
        """Gates that the challenger did not pass."""
        return tuple(gate for gate in self.gates if not gate.passed)

    @property
    def changes_champion(self) -> bool:
        """Whether another model is in use afterwards."""
        return self.champion_after != self.champion_before

    def state(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "decided_at": self.decided_at.isoformat(timespec="seconds"),
            "decision": self.verdict,
            "challenger": self.challenger,
            "champion_before": self.champion_before,
            "champion_after": self.champion_after,
            "compared_on": str(self.as_of) if self.as_of else None,
            "days": self.days,
            "champion_by": self.spoke,
            "n_customers": self.n_customers,
            "figures": [vars(figure) for figure in self.figures],
            "gates": [vars(gate) for gate in self.gates],
            "reason": self.reason,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Decision:
        """The decision ``state`` was taken from."""
        return cls(
            decided_at=datetime.fromisoformat(state["decided_at"]),
            verdict=state["decision"],
            challenger=state["challenger"],
            champion_before=state["champion_before"],
            champion_after=state["champion_after"],
            as_of=date.fromisoformat(state["compared_on"]) if state["compared_on"] else None,
            days=state["days"],
            spoke=state["champion_by"],
            n_customers=state["n_customers"],
            figures=tuple(PairedFigure(**figure) for figure in state["figures"]),
            gates=tuple(Gate(**gate) for gate in state["gates"]),
            reason=state["reason"],
        )


def decide(
    challenger: str,
    champion: str,
    *,
    comparison: Comparison,
    gates: Sequence[Gate],
    days_newer: int,
    now: datetime,
    force: str | None = None,
    accept_drift: str | None = None,
) -> Decision:
    """Promote the challenger if it passes every gate, or if somebody says why it shall be promoted all the same.

    Parameters
    ----------
    challenger, champion : str
        Model versions.
    comparison : Comparison
    gates : sequence of Gate
    days_newer : int
        How much more the challenger has seen.
    now : datetime
    force : str, optional
        Reason to promote whatever the gates say.
    accept_drift : str, optional
        Reason to let scores change; opens that gate alone.
    """
    closed = [gate.name for gate in gates if not gate.passed]
    accepted = accept_drift is not None and closed == [DRIFT]
    decision = Decision(
        now,
        "promoted",
        challenger,
        champion_before=champion,
        champion_after=challenger,
        as_of=comparison.as_of,
        days=comparison.days,
        spoke=comparison.spoke,
        n_customers=comparison.n_customers,
        figures=comparison.figures,
        gates=tuple(gates),
    )
    if not closed:
        return replace(decision, reason=f"passes every gate and has seen {_more(days_newer)}")
    if force is not None:
        return replace(decision, verdict="forced", reason=force)
    if accepted:
        return replace(decision, reason=f"change of scores accepted: {accept_drift}")
    reasons = "; ".join(f"{gate.name}: {gate.found}" for gate in gates if not gate.passed)
    return replace(decision, verdict="kept", champion_after=champion, reason=reasons)


def first_champion(
    challenger: Bundle,
    before: str | None,
    *,
    why: str,
    gates: Sequence[Gate],
    now: datetime,
    force: str | None = None,
) -> Decision:
    """The challenger takes the place of nobody, or of one that nobody wants: gates only warn, all but ``ROLLBACK``.

    Parameters
    ----------
    challenger : Bundle
    before : str or None
        Version in its place.
    why : str
        Why the two are not compared.
    gates : sequence of Gate
    now : datetime
    force : str, optional
        Reason to promote it although it was taken out of use.
    """
    decision = Decision(
        now,
        "promoted",
        challenger.model_version,
        champion_before=before,
        champion_after=challenger.model_version,
        gates=tuple(gates),
        reason=why,
    )
    taken_out = [gate.found for gate in decision.failed if gate.name == ROLLBACK]
    if not taken_out:
        return decision
    if force is not None:
        return replace(decision, verdict="forced", reason=force)
    return replace(decision, verdict="kept", champion_after=before, reason=f"{ROLLBACK}: {taken_out[0]}; {why}")


def _more(days_newer: int) -> str:
    if days_newer > 0:
        return f"{days_newer} more days"
    return "the same days" if days_newer == 0 else f"{-days_newer} days less"
