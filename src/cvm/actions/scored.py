"""Everybody who is scored, as rules ask about them: scores, what treatments are expected to add, who may be reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from cvm.actions.playbook import NO_RULE, Bools, Floats, PlaybookRule
from cvm.campaigns.plan_settings import PlanInputs
from cvm.engines import DuckDBEngine, QueryError, identifier, literal
from cvm.engines.sql import parquet
from cvm.errors import MissingOutputError

UPLIFT, NET_VALUE, BEST = "expected_uplift", "expected_net_value", "best_treatment"
TEXTS = ("segment", "value_tier", "lifecycle_stage", "rfm_segment")


class ScoredCustomers:
    """Scores, expected effects and reach of everybody, by customer."""

    def __init__(self, rows: pa.Table, channels: Sequence[str]) -> None:
        self.rows, self.n = rows, rows.num_rows
        self._channels = list(channels)
        self.arms = sorted(name.removeprefix("uplift ") for name in rows.column_names if name.startswith("uplift "))
        cost = [self.number(f"cost {arm}") for arm in self.arms]
        uplift = [self.number(f"uplift {arm}") for arm in self.arms]
        net = np.column_stack([u - c for u, c in zip(uplift, cost, strict=True)]) if self.arms else np.empty((self.n, 0))
        self.best = np.full(self.n, NO_RULE, dtype=np.int64)
        self.best_uplift, self.best_net = np.full(self.n, np.nan), np.full(self.n, np.nan)
        known = np.isfinite(net).any(axis=1) if self.arms else np.zeros(self.n, dtype=bool)
        if known.any():
            place = np.flatnonzero(known)
            self.best[place] = np.nanargmax(net[place], axis=1)
            self.best_net[place] = net[place, self.best[place]]
            self.best_uplift[place] = np.column_stack(uplift)[place, self.best[place]]

    def number(self, name: str) -> Floats:
        """A column as float; NaN where there is no number."""
        return np.asarray(self.rows[name].cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=float)

    def uplift_of(self, rule: PlaybookRule) -> Floats:
        """Expected effect of a rule's treatment; of the best one for a rule without."""
        if rule.treatment is None:
            return self.best_uplift
        return self.number(f"uplift {rule.treatment}") if rule.treatment in self.arms else np.full(self.n, np.nan)

    def net_of(self, rule: PlaybookRule) -> Floats:
        """The same less cost: that of the rule, of the best treatment for a rule without one."""
        return self.best_net if rule.treatment is None else self.uplift_of(rule) - rule.cost

    def own_net_of(self, rule: PlaybookRule) -> Floats:
        """Expected net value of a rule's own treatment; NaN for a rule without one."""
        return np.full(self.n, np.nan) if rule.treatment is None else self.net_of(rule)

    def at_risk(self) -> Floats:
        """Value at risk, ``clv x p_churn``; NaN where either is not known."""
        return self.number("p_churn") * self.number("clv")

    def columns(self, rule: PlaybookRule, names: set[str]) -> dict[str, Any]:
        """Columns of the scores, and effects as they are of the rule's treatment."""
        found: dict[str, Any] = {}
        for name in names:
            if name == UPLIFT:
                found[name] = self.uplift_of(rule)
            elif name == NET_VALUE:
                found[name] = self.net_of(rule)
            elif name == BEST:
                found[name] = np.array([*self.arms, ""])[self.best]
            elif name in TEXTS:
                found[name] = self.text(name)
            else:
                found[name] = self.number(name)
        return found

    def text(self, name: str) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
        """A column as text; ``unknown`` where there is none."""
        return np.asarray(self.rows[name].fill_null("unknown").to_numpy(zero_copy_only=False), dtype=str)

    def reached(self, channel: str | None) -> Bools:
        """Whether each may be contacted by a channel."""
        if channel is None:
            return np.ones(self.n, dtype=bool)
        return np.asarray(self.rows[f"reached_{self._channels.index(channel)}"].to_numpy(zero_copy_only=False), dtype=bool)


def joined_scores(engine: DuckDBEngine, inputs: PlanInputs, reached: pa.Table) -> pa.Table:
    """Scores with everybody's reach and the expected effect and cost of every treatment, sorted by customer."""
    engine.register("actions_reached", reached)
    uplift = "SELECT '' AS customer_id WHERE FALSE"
    if inputs.uplift is not None:
        effects = parquet([inputs.uplift])
        try:
            arms = engine.table(f"SELECT DISTINCT arm FROM {effects} ORDER BY arm")["arm"].to_pylist()
        except QueryError:
            raise MissingOutputError.from_damage(inputs.uplift, command="cvm score") from None
        each = "".join(
            f", max({column}) FILTER (WHERE arm = {literal(arm)}) AS {identifier(f'{kind} {arm}')}"
            for arm in arms
            for kind, column in (("uplift", "expected_uplift"), ("cost", "cost"))
        )
        uplift = f"SELECT customer_id{each} FROM {effects} GROUP BY customer_id"
    return engine.table(
        f"SELECT * EXCLUDE (reasons) FROM {parquet([inputs.scores])} LEFT JOIN ({uplift}) USING (customer_id) "
        "LEFT JOIN actions_reached USING (customer_id) ORDER BY customer_id"
    ).combine_chunks()
