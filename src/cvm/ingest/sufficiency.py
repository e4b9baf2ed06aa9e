"""Is there enough data? A verdict in plain words for churn, CLV and uplift."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from cvm.engines import Engine, literal
from cvm.engines.sql import local_day, midnight
from cvm.ingest.experiments import uplift_sufficiency
from cvm.ingest.orders import BUYER, ORDER
from cvm.ingest.sufficiency_verdict import SufficiencyVerdict

# The purchase-process models refuse smaller bases (models/btyd/model.py): fewer customers are an accident of a few people.
MIN_CUSTOMERS = 30
MIN_REPEATERS = 10
# Of each outcome the boosted models want as many (models/training.py): five parameters at the ten cases per parameter of
# Peduzzi et al. (1996), A simulation study of the number of events per variable in logistic regression analysis.
MIN_PER_CLASS = 50
# A model is learned on one outcome window and judged on the next (features/snapshots.py).
MIN_WINDOWS = 2
# Where fewer of the customers of a whole window ago ever came back, "no order in the window" says nothing about anyone.
MIN_REPEAT_SHARE = 0.05


@dataclass(frozen=True)
class _Facts:
    """Counts at the day after the last order."""

    horizon_days: int
    window_days: int
    n_history_days: int
    n_orders: int
    n_customers: int
    n_repeaters: int
    n_recent_orders: int
    n_settled: int
    n_settled_repeaters: int
    n_stayed: int

    @property
    def n_churned(self) -> int:
        return self.n_settled - self.n_stayed

    @property
    def repeat_share(self) -> float:
        """Of the customers known for a window or longer, or of all where nobody is."""
        if self.n_settled:
            return self.n_settled_repeaters / self.n_settled
        return self.n_repeaters / self.n_customers if self.n_customers else 0.0

    @property
    def is_single_purchase(self) -> bool:
        """Whether hardly anybody of a base that is large enough to tell ever comes back."""
        return self.n_customers >= MIN_CUSTOMERS and self.repeat_share < MIN_REPEAT_SHARE


def sufficiency(engine: Engine, *, horizon_days: int, lead_days: int, timezone: str = "UTC") -> list[SufficiencyVerdict]:
    """Verdicts on churn, CLV and uplift, as of the day after the last order.

    Parameters
    ----------
    engine : Engine
        Holds the clean tables and those of ``order_tables``.
    horizon_days, lead_days : int
        Outcome window.
    timezone : str
        Zone that cuts days.
    """
    uplift = uplift_sufficiency(engine, horizon_days=horizon_days)
    last = engine.row(f"SELECT {local_day('max(placed_at)', timezone)} AS day FROM {ORDER} WHERE is_order")["day"]
    if last is None:
        none = ("no order is left after cleaning",)
        return [SufficiencyVerdict("churn", False, none), SufficiencyVerdict("CLV", False, none), uplift]
    facts = _facts(engine, last + timedelta(days=1), horizon_days=horizon_days, lead_days=lead_days, timezone=timezone)
    return [_churn(facts), _clv(facts), uplift]


def _facts(engine: Engine, as_of: date, *, horizon_days: int, lead_days: int, timezone: str) -> _Facts:
    def before(days: int) -> str:
        return literal(midnight(as_of - timedelta(days=days), timezone))

    window_days = horizon_days + lead_days
    window, cut = before(horizon_days), before(window_days)
    row = engine.row(
        "SELECT count(*) AS n_customers, count(*) FILTER (WHERE n_orders > 1) AS n_repeaters, "
        f"count(*) FILTER (WHERE first_at < {cut}) AS n_settled, "
        f"count(*) FILTER (WHERE first_at < {cut} AND n_orders > 1) AS n_settled_repeaters, "
        f"count(*) FILTER (WHERE first_at < {cut} AND last_at >= {window}) AS n_stayed, "
        f"{local_day('min(first_at)', timezone)} AS first_day, CAST(coalesce(sum(n_orders), 0) AS BIGINT) AS n_orders, "
        f"(SELECT count(*) FROM {ORDER} WHERE is_order AND placed_at >= {window}) AS n_recent_orders FROM {BUYER}"
    )
    history = (as_of - row.pop("first_day")).days
    return _Facts(horizon_days=horizon_days, window_days=window_days, n_history_days=history, **row)


def _shortages(facts: _Facts) -> list[str]:
    """What keeps any model of repeat purchases from being fitted."""
    found = []
    if facts.n_customers < MIN_CUSTOMERS:
        found.append(
            f"{facts.n_customers:,} customers have an order, at least {MIN_CUSTOMERS} must: "
            "the base is too small for statistics"
        )
    elif facts.is_single_purchase:
        found.append(
            f"{1 - facts.repeat_share:.0%} of the customers bought once: this is a business of single purchases "
            "(or customer_id is the order and not the person)"
        )
    elif facts.n_repeaters < MIN_REPEATERS:
        found.append(
            f"{facts.n_repeaters:,} of {facts.n_customers:,} customers ever bought twice, at least {MIN_REPEATERS} must"
        )
    return found


def _churn(facts: _Facts) -> SufficiencyVerdict:
    missing = _shortages(facts)
    if facts.is_single_purchase:
        missing.append("churn has no meaning here; look at what a first order brings and costs")
    elif facts.n_history_days < MIN_WINDOWS * facts.window_days:
        missing.append(
            f"{facts.n_history_days:,} days of history, {MIN_WINDOWS} outcome windows of {facts.window_days:,} days are "
            "needed: supply more, or shorten windows.horizon_days; until then the purchase process alone is scored"
        )
    elif facts.n_stayed < MIN_PER_CLASS or facts.n_churned < MIN_PER_CLASS:
        missing.append(_one_sided(facts))
    if missing:
        return SufficiencyVerdict("churn", False, tuple(missing))
    return SufficiencyVerdict(
        "churn",
        True,
        (
            _size(facts),
            f"of {facts.n_settled:,} customers before the last {facts.horizon_days:,} days {facts.n_stayed:,} ordered in "
            f"them and {facts.n_churned:,} did not",
        ),
    )


def _one_sided(facts: _Facts) -> str:
    window = f"the last {facts.horizon_days:,} days"
    if facts.n_stayed == 0:
        return (
            f"none of the {facts.n_settled:,} customers known before {window} ordered in them: "
            "check that the export is complete, or lengthen windows.horizon_days"
        )
    if facts.n_churned == 0:
        return f"all {facts.n_settled:,} customers known before {window} ordered in them: shorten windows.horizon_days"
    return (
        f"of {facts.n_settled:,} customers known before {window} {facts.n_stayed:,} ordered in them and {facts.n_churned:,} "
        f"did not; at least {MIN_PER_CLASS} of each are needed"
    )


def _clv(facts: _Facts) -> SufficiencyVerdict:
    missing = _shortages(facts)
    if facts.is_single_purchase:
        missing.append("a customer is worth the first order, so compare its margin with the cost of winning the customer")
    elif facts.n_history_days < facts.window_days:
        missing.append(
            f"{facts.n_history_days:,} days of history, one outcome window of {facts.window_days:,} days is needed: "
            "supply more, or shorten windows.horizon_days"
        )
    elif facts.n_recent_orders < MIN_PER_CLASS:
        missing.append(
            f"{facts.n_recent_orders:,} orders in the last {facts.horizon_days:,} days, at least {MIN_PER_CLASS} are needed "
            "to judge a forecast"
        )
    if missing:
        return SufficiencyVerdict("CLV", False, tuple(missing))
    because = [_size(facts), f"{facts.n_recent_orders:,} orders in the last {facts.horizon_days:,} days"]
    if facts.n_history_days < MIN_WINDOWS * facts.window_days:
        because.append("less than two outcome windows of history, so the purchase process alone is used")
    return SufficiencyVerdict("CLV", True, tuple(because))


def _size(facts: _Facts) -> str:
    return (
        f"{facts.n_orders:,} orders of {facts.n_customers:,} customers, {facts.n_repeaters:,} of them repeatedly, "
        f"in {facts.n_history_days:,} days"
    )
