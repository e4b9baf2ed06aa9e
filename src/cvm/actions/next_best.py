"""The next best action of every scored customer: rules of the playbook against scores, expected effects and consent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cvm.actions.evidence import Evidence, harm_notes
from cvm.actions.playbook import NO_RULE, Candidates, Floats, Ints, PlaybookRule, RuleCounts, resolved
from cvm.actions.scored import BEST, NET_VALUE, TEXTS, UPLIFT, ScoredCustomers, joined_scores
from cvm.campaigns.limits import Treatment
from cvm.campaigns.plan_people import PEOPLE, read_people
from cvm.campaigns.plan_settings import PlanInputs, PlanSettings
from cvm.engines import DuckDBEngine
from cvm.engines.sql import parquet
from cvm.errors import MissingOutputError
from cvm.scoring.uplift import uplift_columns_again
from cvm.segments.conditions import Condition

SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("action", pa.string()),
        ("rule", pa.string()),
        ("goal", pa.string()),
        ("offer", pa.string()),
        ("channel", pa.string()),
        ("cost", pa.float64()),
        ("expected_net_value", pa.float64()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True)
class ActionSettings:
    """What decides.

    Attributes
    ----------
    rules : tuple of PlaybookRule
        Of the playbook, or of ``implied_rules``.
    reach : callable
        Channels to the settings of a plan by which customers may be reached: consent, suppression, global holdout and
        contact policy.
    evidence : mapping of str to Evidence
        What campaigns have shown, by treatment.
    """

    rules: tuple[PlaybookRule, ...]
    reach: Callable[[Sequence[Treatment]], PlanSettings]
    evidence: Mapping[str, Evidence] = field(default_factory=dict)


@dataclass(frozen=True)
class NextBest:
    """What was decided.

    Attributes
    ----------
    actions : Table
        ``SCHEMA``, one row per customer who gets an action, by customer.
    score_columns : dict of str to Array
        ``next_best_action``, ``expected_uplift`` and ``expected_net_value`` of every scored customer, by customer.
    customer_ids : ChunkedArray
        Of every scored customer, sorted.
    rules : tuple of (PlaybookRule, RuleCounts)
    notes : tuple of str
    """

    actions: pa.Table
    score_columns: dict[str, pa.Array]
    customer_ids: pa.ChunkedArray
    rules: tuple[tuple[PlaybookRule, RuleCounts], ...]
    notes: tuple[str, ...]


def implied_rules(treatments: Sequence[Treatment]) -> tuple[PlaybookRule, ...]:
    """Without a playbook: everybody gets the treatment that is expected to earn them most, if it earns anything."""
    above_0 = {NET_VALUE: float(np.nextafter(0, 1))}
    return tuple(
        PlaybookRule(
            name=one.name,
            when=Condition(values={BEST: [one.name]}, minimum=above_0),
            treatment=one.name,
            channel=one.channel,
            cost=one.cost,
        )
        for one in treatments
    )


def next_best(engine: DuckDBEngine, settings: ActionSettings, inputs: PlanInputs) -> NextBest:
    """Decide for everybody who is scored.

    Parameters
    ----------
    engine : DuckDBEngine
        Opened on the warehouse.
    settings : ActionSettings
        With a rule or more.
    inputs : PlanInputs
        Scores, and expected effects where a campaign has taught them.

    Raises
    ------
    PlanError
        If a rule contacts by a channel of which nobody knows who agreed to it.
    MissingOutputError
        If scores or expected effects cannot be read.
    """
    rules = settings.rules
    channels = dict.fromkeys(rule.channel for rule in rules if rule.channel)
    contacts = [Treatment(channel, channel, 0.0) for channel in channels]
    notes: tuple[str, ...] = ()
    if contacts:
        reach = settings.reach(contacts)
        # Effects play no part in who may be reached.
        basis = PlanInputs(inputs.as_of, inputs.scores, ledgers=inputs.ledgers)
        with read_people(engine, reach, basis, on=reach.day(inputs.as_of)) as people:
            reached = engine.table(
                "SELECT customer_id, "
                + ", ".join(f"hurdle_{number} IS NULL AS reached_{number}" for number in range(len(contacts)))
                + f" FROM {PEOPLE}"
            )
            notes = people.notes
    else:
        reached = engine.table(f"SELECT customer_id FROM {parquet([inputs.scores])}")
    customers = ScoredCustomers(joined_scores(engine, inputs, reached), list(channels))
    candidates = [_candidates(rule, customers, settings.evidence.get(rule.treatment or "")) for rule in rules]
    chosen, counts = resolved(rules, candidates)
    harmed: dict[str, int] = {}
    for rule, count in zip(rules, counts, strict=True):
        harmed[rule.treatment or ""] = harmed.get(rule.treatment or "", 0) + count.n_harmed
    return NextBest(
        actions=_actions(rules, customers, chosen, settings.evidence),
        score_columns=_score_columns(rules, customers, chosen),
        customer_ids=customers.rows["customer_id"],
        rules=tuple(zip(rules, counts, strict=True)),
        notes=(*notes, *_unused(rules, counts), *_losing(rules, customers, chosen), *harm_notes(settings.evidence, harmed)),
    )


def _unused(rules: Sequence[PlaybookRule], counts: Sequence[RuleCounts]) -> tuple[str, ...]:
    """Rules of a playbook that hold for nobody whom no earlier rule took."""
    idle = [rule.name for rule, count in zip(rules, counts, strict=True) if rule.goal and not count.n_held]
    return (f"the playbook's {', '.join(idle)}: nobody is left for whom it holds",) if idle else ()


def _losing(rules: Sequence[PlaybookRule], customers: ScoredCustomers, chosen: Ints) -> Iterator[str]:
    """Rules of a playbook whose treatment is expected to cost more than it adds with some of those they take."""
    for position, rule in enumerate(rules):
        if not rule.goal or not rule.treatment:
            continue
        net = customers.net_of(rule)[chosen == position]
        losing = net[net < 0]
        if len(losing):
            yield (
                f"the playbook's {rule.name}: with {len(losing):,} of {len(net):,} customers {rule.treatment} is expected "
                f"to cost {-losing.sum():,.0f} more than it adds; `min: {{expected_net_value: 0}}` leaves them out"
            )


def _candidates(rule: PlaybookRule, customers: ScoredCustomers, evidence: Evidence | None) -> Candidates:
    net = customers.own_net_of(rule)
    by = evidence.segment_by if evidence else None
    segments = {by: customers.text(by)} if by in TEXTS else {}
    return Candidates(
        holds=rule.when.holds(customers.columns(rule, rule.when.columns), n=customers.n),
        may_be_reached=customers.reached(rule.channel),
        is_harmed=evidence.harms(segments, n=customers.n) if evidence else np.zeros(customers.n, dtype=bool),
        value=net if np.isfinite(net).any() else customers.at_risk(),
    )


def _score_columns(rules: Sequence[PlaybookRule], customers: ScoredCustomers, chosen: Ints) -> dict[str, pa.Array]:
    """What scores say of each: of the action where there is one, else of the best treatment."""
    action = np.array([*(rule.action for rule in rules), ""], dtype=object)[chosen]
    uplift, net = customers.best_uplift.copy(), customers.best_net.copy()
    for position, rule in enumerate(rules):
        rows = chosen == position
        uplift[rows] = np.nan if rule.treatment is None else customers.uplift_of(rule)[rows]
        net[rows] = customers.own_net_of(rule)[rows]
    return {
        "next_best_action": pa.array(action, pa.string(), mask=chosen == NO_RULE),
        UPLIFT: pa.array(uplift, from_pandas=True),
        NET_VALUE: pa.array(net, from_pandas=True),
    }


def _actions(
    rules: Sequence[PlaybookRule],
    customers: ScoredCustomers,
    chosen: Ints,
    evidence: Mapping[str, Evidence],
) -> pa.Table:
    parts = [SCHEMA.empty_table()]
    for position, rule in enumerate(rules):
        rows = pa.array(np.flatnonzero(chosen == position))
        net = customers.own_net_of(rule)
        n = len(rows)
        columns = {
            "customer_id": customers.rows["customer_id"].take(rows),
            "action": pa.repeat(rule.action, n),
            "rule": pa.repeat(rule.name, n) if rule.goal else pa.nulls(n, pa.string()),
            **{name: pa.array([getattr(rule, name)] * n, pa.string()) for name in ("goal", "offer", "channel")},
            "cost": pa.repeat(float(rule.cost), n),
            "expected_net_value": pa.array(net, from_pandas=True).take(rows),
            "reason": _reasons(customers, rows, net, evidence.get(rule.treatment or "")),
        }
        parts.append(pa.table(columns).cast(SCHEMA))
    return pa.concat_tables(parts).sort_by("customer_id")


def _reasons(customers: ScoredCustomers, rows: pa.Array, net: Floats, evidence: Evidence | None) -> pa.Array:
    """One sentence each: what they are, what is at stake, and what is known of the treatment."""
    scores = customers.rows.take(rows)
    currency = scores["currency"].fill_null("")
    worth = pa.array(net, from_pandas=True).take(rows)
    at_risk = pa.array(customers.at_risk(), from_pandas=True).take(rows)
    said = evidence.sentence if evidence else ""
    join = pc.binary_join_element_wise
    p_churn = pa.array(customers.number("p_churn"), from_pandas=True).take(rows)
    churn = join(" with ", _fixed(pc.multiply(p_churn, 100.0), 0), "% churn risk", "")
    churn = pc.if_else(pc.is_valid(p_churn), churn, "")
    stake = join(", ", _fixed(at_risk, 2), " ", currency, " of value at risk", "")
    size = _fixed(pc.abs(worth), 2)
    gain = pc.if_else(
        pc.fill_null(pc.less(worth, 0.0), fill_value=False),
        join(", expected to cost ", size, " ", currency, " more than it adds", ""),
        join(", expected to add ", size, " ", currency, " beyond its cost", ""),
    )
    stakes = pc.if_else(pc.is_valid(worth), gain, pc.if_else(pc.is_valid(at_risk), stake, ""))
    segment = pc.replace_substring(scores["segment"].fill_null("unknown"), pattern="_", replacement=" ")
    return join(segment, churn, stakes, f". {said}." if said else ".", "")


def _fixed(numbers: pa.Array, digits: int) -> pa.Array:
    """Numbers as text with so many digits; empty where there is none."""
    rounded = pc.round(numbers.cast(pa.float64()), digits)
    if digits == 0:
        return pc.fill_null(pc.cast(pc.cast(rounded, pa.int64()), pa.string()), "")
    text = pc.cast(rounded.cast(pa.decimal128(28, digits), safe=False), pa.string())
    return pc.fill_null(text, "")


def written_scores(scores: pa.Table, found: NextBest) -> pa.Table:
    """``scores`` with the columns that the playbook decides, in their own order."""
    place = pc.index_in(scores["customer_id"], value_set=found.customer_ids.combine_chunks())
    return _replaced(scores, {name: column.take(place) for name, column in found.score_columns.items()})


def scores_of_the_model(scores: pa.Table, uplift: Path | None) -> pa.Table:
    """``scores`` with the same columns as the model alone has them: of the best treatment, null without effects.

    Raises
    ------
    MissingOutputError
        If the expected effects cannot be read.
    """
    effects = None
    if uplift is not None:
        try:
            effects = pq.read_table(uplift, partitioning=None)
        except (OSError, pa.ArrowInvalid) as error:
            raise MissingOutputError.from_damage(uplift, command="cvm score") from error
    return _replaced(scores, uplift_columns_again(scores["customer_id"], effects))


def _replaced(scores: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    for name, column in columns.items():
        number = scores.column_names.index(name)
        scores = scores.set_column(number, scores.schema.field(number), column.cast(scores.schema.field(name).type))
    return scores
