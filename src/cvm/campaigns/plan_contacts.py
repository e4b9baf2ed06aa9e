"""What is known of a customer's consent and contacts when a plan is made: queries of one row per customer each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from cvm.campaigns.plan_settings import PlanError, PlanInputs, PlanSettings
from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.sql import literals, local_day, parquet
from cvm.features.behaviour import column_name, is_named, types_by_name
from cvm.features.contacts import SENT
from cvm.features.treatments import CONTROL, UNTREATED

ORDER = "order"
# What a consent looks like that was given, as text.
_GRANTED = ("1", "1.0", "true", "t", "yes", "y", "on", "granted", "given", "accepted", "opt-in", "opted in", "subscribed")
_NOTHING = "SELECT CAST(NULL AS VARCHAR) AS customer_id WHERE FALSE"


@dataclass(frozen=True)
class Hurdle:
    """What a customer must not be, to be contacted.

    Attributes
    ----------
    step : str
        Where it belongs: by hand, audience, consent, suppression or contact policy.
    reason : str
        In plain words.
    conditions : tuple of str
        SQL, one for each treatment; what is null does not apply.
    """

    step: str
    reason: str
    conditions: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """What the warehouse and the ledger hold, and up to when it counts.

    Attributes
    ----------
    settings : PlanSettings
    columns : dict of str to dict of str to str
        Tables of the warehouse, their columns and types.
    event_types : mapping of str to sequence of str
        Types of event by name, whatever their case and punctuation.
    ledgers : tuple of Path
        Approved plans.
    on : date
        Day of the contacts.
    until : datetime
        Events and consents from then on (UTC) are not known yet.
    notes : tuple of str
    """

    settings: PlanSettings
    columns: dict[str, dict[str, str]]
    event_types: Mapping[str, Sequence[str]]
    ledgers: tuple[Path, ...]
    on: date
    until: datetime
    notes: tuple[str, ...]

    @classmethod
    def of(cls, engine: DuckDBEngine, settings: PlanSettings, inputs: PlanInputs, *, on: date) -> Known:
        """Look what there is.

        Raises
        ------
        PlanError
            If consent is needed and nothing tells it.
        """
        columns = {table: engine.columns(table) for table in engine.tables() if not table.startswith("plan_")}
        until = settings.midnight(inputs.as_of)
        there = "SELECT DISTINCT event_type FROM events ORDER BY event_type" if "events" in columns else ""
        types = types_by_name(engine.table(there).column(0).to_pylist() if there else [])
        wanted = [name for name in settings.policy.cooldown_days if name != ORDER]
        silent = [name for name in wanted if column_name(name) not in types]
        notes = (f"contact_policy.cooldown_days names {', '.join(silent)}, which no event is called",) if silent else ()
        known = cls(settings, columns, types, tuple(inputs.ledgers), on, until, notes)
        known.check_consent()
        return known

    def has(self, table: str, column: str) -> bool:
        """Whether the warehouse has a column."""
        return column in self.columns.get(table, {})

    def check_consent(self) -> None:
        """Refuse channels of which nobody knows who agreed to them."""
        needed = {channel: self.settings.consent.column(channel) for channel in self.settings.channels}
        missing = {channel: column for channel, column in needed.items() if column and not self.has("customers", column)}
        if missing:
            there = sorted(name for name in self.columns.get("customers", {}) if "consent" in name.lower())
            raise PlanError(
                f"Nobody knows who agreed to be contacted by {', '.join(missing)}: customers has no column "
                f"{list(missing.values())}{f', only {there}' if there else ''}. Add them to data.customers, name yours "
                f"under campaigns.consent.columns, or write there {{{', '.join(f'{name}: null' for name in missing)}}} "
                "where none is needed."
            )

    def consent_hurdles(self) -> Iterator[Hurdle]:
        """No consent, one that is out of date, and one that was taken back."""
        consent, channels = self.settings.consent, [treatment.channel for treatment in self.settings.treatments]
        place = {channel: number for number, channel in enumerate(self.settings.channels)}
        needs = [consent.column(channel) is not None for channel in channels]

        def each(condition: str) -> tuple[str, ...]:
            return tuple(
                condition.format(n=place[channel]) if need else "FALSE"
                for channel, need in zip(channels, needs, strict=True)
            )

        yield Hurdle("consent", "no consent", each("NOT coalesce(consent.granted_{n}, FALSE)"))
        oldest = self.until - timedelta(days=consent.max_age_days or 0)
        stale = f"consent.granted_at_{{n}} >= {literal(self.until)}"
        if consent.max_age_days:
            stale += f" OR coalesce(consent.granted_at_{{n}} < {literal(oldest)}, TRUE)"
        yield Hurdle("consent", "consent out of date", each(stale))
        gone = "optout.at_{n} IS NOT NULL"
        # Who agreed anew after that may be written to again.
        agreed = f"{gone} AND coalesce(consent.granted_at_{{n}} <= optout.at_{{n}}, TRUE)"
        withdrawn = (
            (agreed if need else gone).format(n=place[channel]) for channel, need in zip(channels, needs, strict=True)
        )
        yield Hurdle("suppression", "unsubscribed", tuple(withdrawn))

    def contact_hurdles(self) -> Iterator[Hurdle]:
        """Too soon after something, and contacted often enough."""
        policy, treatments = self.settings.policy, self.settings.treatments
        for number, name in enumerate(policy.cooldown_days):
            yield Hurdle("contact policy", f"too soon after {name}", (f"cooldown.is_hot_{number}",) * len(treatments))
        if policy.max_contacts is not None:
            condition = f"contact.n >= {policy.max_contacts}"
            yield Hurdle("contact policy", "contacted often enough", (condition,) * len(treatments))
        place = {channel: number for number, channel in enumerate(self.settings.channels)}
        if any(treatment.channel in policy.max_per_channel for treatment in treatments):
            conditions = tuple(
                f"contact.n_{place[treatment.channel]} >= {policy.max_per_channel[treatment.channel]}"
                if treatment.channel in policy.max_per_channel
                else "FALSE"
                for treatment in treatments
            )
            yield Hurdle("contact policy", "contacted often enough by this channel", conditions)

    def rows_before(self, table: str, condition: str) -> str:
        """SQL for the rows of a kind that are known."""
        recorded = ""
        if self.has(table, "recorded_at"):
            recorded = f" AND (recorded_at IS NULL OR recorded_at < {literal(self.until)})"
        return f"SELECT * FROM {table} WHERE {condition} AND occurred_at < {literal(self.until)}{recorded}"


def consent_query(known: Known) -> str:
    """``granted_<n>`` and ``granted_at_<n>`` for each channel, by its position; given only if in all profiles there are."""
    consent, columns = known.settings.consent, []
    for number, channel in enumerate(known.settings.channels):
        column = consent.column(channel)
        if column is None:
            continue
        granted = f"lower(trim(CAST({identifier(column)} AS VARCHAR))) IN ({literals(_GRANTED)})"
        at = f"TRY_CAST({identifier(f'{column}_at')} AS TIMESTAMP)" if known.has("customers", f"{column}_at") else "NULL"
        columns.append(f"bool_and(coalesce({granted}, FALSE)) AS granted_{number}")
        columns.append(f"max(CAST({at} AS TIMESTAMP)) AS granted_at_{number}")
    return f"SELECT customer_id, {', '.join(columns)} FROM customers GROUP BY customer_id" if columns else _NOTHING


def optout_query(known: Known) -> str:
    """``at_<n>``: the last time each channel, or all of them, was unsubscribed from."""
    channels = known.settings.channels
    if "unsubscribe" not in known.event_types:
        columns = ", ".join(f"CAST(NULL AS TIMESTAMP) AS at_{number}" for number in range(len(channels)))
        return f"SELECT CAST(NULL AS VARCHAR) AS customer_id, {columns} WHERE FALSE"
    which = "(channel IS NULL OR lower(channel) = {})" if known.has("events", "channel") else "TRUE"
    columns = ", ".join(
        f"max(occurred_at) FILTER (WHERE {which.format(literal(channel.lower()))}) AS at_{number}"
        for number, channel in enumerate(channels)
    )
    events = known.rows_before("events", is_named(["unsubscribe"], known.event_types))
    return f"SELECT customer_id, {columns} FROM ({events}) GROUP BY customer_id"


def cooldown_query(known: Known) -> str:
    """``is_hot_<n>``: whether an order or a type of event, by its position in ``cooldown_days``, lies too few days back."""
    parts = []
    for number, (name, days) in enumerate(known.settings.policy.cooldown_days.items()):
        since = f"occurred_at >= {literal(known.settings.midnight(known.on - timedelta(days=days - 1)))}"
        rows = ""
        if name == ORDER:
            rows = known.rows_before("transactions", f"amount > 0 AND {since}")
        elif column_name(name) in known.event_types:
            rows = known.rows_before("events", f"{is_named([column_name(name)], known.event_types)} AND {since}")
        if rows:
            parts.append(f"SELECT customer_id, {number} AS kind FROM ({rows})")
    nothing = "SELECT CAST(NULL AS VARCHAR) AS customer_id, 0 AS kind WHERE FALSE"
    columns = "".join(
        f", bool_or(kind = {number}) AS is_hot_{number}" for number in range(len(known.settings.policy.cooldown_days))
    )
    return f"SELECT customer_id{columns} FROM ({' UNION ALL '.join(parts) or nothing}) GROUP BY customer_id"


def contacts_query(known: Known) -> str:
    """``n`` contacts in all and ``n_<n>`` by channel, in the window of the contact policy.

    Each event whose name ends in ``_sent`` is one, by the channel its type begins with and the one it names. So is each
    treatment of the ledger, unless such an event bears its campaign, or the plan that its campaign is a part of. Events are
    past; campaigns drawn for days to come count as far as they lie within the window, too, so that no order of planning gets
    round the policy.
    """
    days = known.settings.policy.window_days - 1
    first, last = known.on - timedelta(days=days), known.on + timedelta(days=days)
    sent = _sent_query(known, first)
    treated = (
        f"SELECT customer_id, campaign_id, min(channel) AS channel, min(channel) AS other FROM ({ledger_query(known)}) "
        f"WHERE arm NOT IN ({literals(UNTREATED)}) AND day BETWEEN {literal(first)} AND {literal(last)} "
        "GROUP BY customer_id, campaign_id"
    )
    unseen = (
        f"SELECT * FROM ({treated}) AS treated WHERE NOT EXISTS (SELECT 1 FROM ({sent}) AS sent "
        "WHERE sent.customer_id = treated.customer_id "
        "AND sent.campaign_id IN (treated.campaign_id, regexp_replace(treated.campaign_id, '\\.[^.]*$', '')))"
    )
    columns = "".join(
        f", count(*) FILTER (WHERE {literal(channel.lower())} IN (channel, other)) AS n_{number}"
        for number, channel in enumerate(known.settings.channels)
    )
    return f"SELECT customer_id, count(*) AS n{columns} FROM ({sent} UNION ALL {unseen}) GROUP BY customer_id"


def held_out_query(known: Known) -> str:
    """``customer_id`` of everybody in control of a campaign whose outcome windows would still run on the day."""
    since = known.on - timedelta(days=known.settings.outcome_days)
    return (
        f"SELECT DISTINCT customer_id, TRUE AS is_control FROM ({ledger_query(known)}) "
        f"WHERE arm = {literal(CONTROL)} AND day > {literal(since)} AND day <= {literal(known.on)}"
    )


def ledger_query(known: Known) -> str:
    """``campaign_id``, ``customer_id``, ``arm``, ``day`` and ``channel`` of ``assignments`` and approved plans.

    What was ingested since it was approved is in both.
    """
    rows = []
    if "assignments" in known.columns:
        channel = "lower(channel)" if known.has("assignments", "channel") else "CAST(NULL AS VARCHAR)"
        rows.append(f"SELECT campaign_id, customer_id, arm, assigned_at, {channel} AS channel FROM assignments")
    if known.ledgers:
        rows.append(
            "SELECT campaign_id, customer_id, arm, CAST(assigned_at AS TIMESTAMP) AS assigned_at, lower(channel) AS channel "
            f"FROM {parquet(known.ledgers)}"
        )
    nothing = (
        "SELECT '' AS campaign_id, '' AS customer_id, '' AS arm, CAST(NULL AS TIMESTAMP) AS assigned_at, '' AS channel "
        "WHERE FALSE"
    )
    day = local_day("assigned_at", known.settings.timezone)
    return f"SELECT * EXCLUDE (assigned_at), {day} AS day FROM ({' UNION ALL '.join(rows) or nothing})"


def _sent_query(known: Known, first: date) -> str:
    """``customer_id``, ``campaign_id``, ``channel`` and ``other`` channel of what was sent since a day."""
    sent = [name for name in known.event_types if name.endswith(SENT)]
    if not sent:
        return "SELECT '' AS customer_id, '' AS campaign_id, '' AS channel, '' AS other WHERE FALSE"
    called = {f"{column_name(channel)}{SENT}": channel.lower() for channel in known.settings.channels}
    channels = " ".join(
        f"WHEN {is_named([name], known.event_types)} THEN {literal(called.get(name, name.removesuffix(SENT)))}"
        for name in sent
    )
    channel, campaign = (
        name if known.has("events", name) else "CAST(NULL AS VARCHAR)" for name in ("channel", "campaign_id")
    )
    since = f"occurred_at >= {literal(known.settings.midnight(first))}"
    events = known.rows_before("events", f"{is_named(sent, known.event_types)} AND {since}")
    return (
        f"SELECT customer_id, {campaign} AS campaign_id, CASE {channels} END AS channel, "
        f"lower({channel}) AS other FROM ({events})"
    )
