"""Experiments from which uplift can be learned: are there any, and are they large enough."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from cvm.engines import Engine, literal
from cvm.ingest.orders import ORDER
from cvm.ingest.profiles import MIXED
from cvm.ingest.sufficiency_verdict import SufficiencyVerdict

# Buyers on either side, as the boosted models want cases of each class (models/training.py).
MIN_BUYERS = 50
# Campaigns named in a verdict.
_MAX_SHOWN = 3
# Two-sided test at 5 %, power 80 %: 1.96 + 0.84 standard errors (Cohen 1988, Statistical Power Analysis).
_POWER_Z = 2.80
# Smaller arms cannot tell even a doubling of a conversion of 5 % from chance: some 430 customers an arm by the same formula.
MIN_PER_ARM = 500


@dataclass(frozen=True)
class _Arm:
    name: str
    n: int
    n_converted: int


def uplift_sufficiency(engine: Engine, *, horizon_days: int) -> SufficiencyVerdict:
    """Whether any campaign has arms, control among them, large enough to compare.

    A customer counts as converted with an order within the horizon after the assignment.

    Parameters
    ----------
    engine : Engine
        Holds the clean tables and those of ``order_tables``.
    horizon_days : int
    """
    if "assignments" not in engine.tables():
        return SufficiencyVerdict(
            "uplift", False, ("there is no assignments table: record who was drawn for which campaign, and who for control",)
        )
    campaigns = _campaigns(engine, horizon_days)
    with_control = {name: arms for name, arms in campaigns.items() if any(arm.name == "control" for arm in arms)}
    if not with_control:
        return SufficiencyVerdict(
            "uplift",
            False,
            (f"none of the {len(campaigns):,} campaigns has an arm called control: hold customers out at random",),
        )
    enough, missing = [], []
    for name, arms in with_control.items():
        problem = _shortage_of_arms(arms)
        if problem:
            missing.append(f"campaign {name}: {problem}")
        else:
            enough.append(f"campaign {name}: {_arm_sizes(arms)}; tells differences from {_detectable(arms):.1%} from chance")
    shown = enough or missing
    rest = (f"and {len(shown) - _MAX_SHOWN:,} campaigns alike",) if len(shown) > _MAX_SHOWN else ()
    return SufficiencyVerdict("uplift", bool(enough), (*shown[:_MAX_SHOWN], *rest))


def _campaigns(engine: Engine, horizon_days: int) -> dict[str, list[_Arm]]:
    """Arms of each campaign: customers, and those with an order within the horizon after their assignment.

    People whose accounts were put into several arms belong to none.
    """
    ordered = (
        f"EXISTS (SELECT 1 FROM {ORDER} AS o WHERE o.is_order AND o.customer_id = a.customer_id "
        f"AND o.placed_at >= a.assigned_at AND o.placed_at < a.assigned_at + INTERVAL {int(horizon_days)} DAY)"
    )
    query = (
        "SELECT campaign_id, arm, count(DISTINCT customer_id) AS n, "
        f"count(DISTINCT customer_id) FILTER (WHERE ordered) AS n_converted FROM (SELECT a.*, {ordered} AS ordered "
        f"FROM assignments AS a WHERE arm <> {literal(MIXED)}) GROUP BY campaign_id, arm ORDER BY campaign_id, arm"
    )
    found: dict[str, list[_Arm]] = {}
    for row in engine.table(query).to_pylist():
        found.setdefault(row["campaign_id"], []).append(_Arm(row["arm"], row["n"], row["n_converted"]))
    return found


def _shortage_of_arms(arms: list[_Arm]) -> str | None:
    control, treated = _split(arms)
    if not treated.n:
        return "everyone is in control, nobody was treated"
    if min(control.n, treated.n) < MIN_PER_ARM:
        return f"{_arm_sizes(arms)}; at least {MIN_PER_ARM} customers are needed on each side"
    fewest = min(control.n_converted, treated.n_converted)
    if fewest < MIN_BUYERS:
        return f"{_arm_sizes(arms)}; at least {MIN_BUYERS} buyers are needed on each side"
    return None


def _split(arms: list[_Arm]) -> tuple[_Arm, _Arm]:
    """Control, and all treatments together."""
    control = next(arm for arm in arms if arm.name == "control")
    others = [arm for arm in arms if arm.name != "control"]
    return control, _Arm("treated", sum(arm.n for arm in others), sum(arm.n_converted for arm in others))


def _arm_sizes(arms: list[_Arm]) -> str:
    control, treated = _split(arms)
    sides = (("treated", treated), ("in control", control))
    return " and ".join(f"{arm.n:,} {name} ({arm.n_converted:,} bought)" for name, arm in sides)


def _detectable(arms: list[_Arm]) -> float:
    """Smallest difference of conversions that a test would find in four of five such campaigns."""
    control, treated = _split(arms)
    p = control.n_converted / control.n
    return _POWER_Z * sqrt(p * (1 - p) * (1 / control.n + 1 / treated.n))
