"""The query of a campaign's sums, for people with a warehouse of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from cvm.campaigns.effect_campaign import PEOPLE, DrawnCampaign, people_query, person_query
from cvm.campaigns.effect_segments import SegmentColumn
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.campaigns.effect_sums import sums_query
from cvm.campaigns.effect_variables import choose_variables, customer_query
from cvm.engines import Engine, literal
from cvm.engines.script import Parameter, Script, assembled
from cvm.errors import ExperimentError
from cvm.evaluation import SumColumns

# Values that nobody has, where parameters belong.
_CAMPAIGN = "the campaign of params"
_MOMENT = datetime(9000, 1, 1)
_PRE_DAYS, _OUTCOME_DAYS = 7_777, 6_666
_SPAN = "campaign_span"

_PIECES = {
    "params": "What to change: nothing else names the campaign or its windows.",
    "given_assignments": "Your campaign ledger: who was drawn for which arm, and when.",
    "given_transactions": "Your transactions; other names of columns go here. amount is signed, negative is a return.",
    "given_events": "Your events.",
    "given_customers": "Your customers.",
    PEOPLE: "One row per customer of the campaign; the same row of the ledger twice is one row.",
    _SPAN: "No line outside of these moments matters, so that years of orders need not be read.",
    "person": "Whom chance drew, with the window of their outcome, [start, stop).",
    "line": "Lines in reach of the windows: before, in it (''), and after.",
    "placed": "Orders.",
    "bought": "What each customer bought in each window.",
    "did": "What each customer did in the outcome window.",
    "attribute_mean": "Means of attributes: a missing value counts as the mean.",
    "customer": "One row per customer: every quantity as a number.",
}


def sums_script(
    engine: Engine,
    campaign_id: str,
    settings: EvaluationSettings,
    *,
    start: str,
    is_weighted: bool,
    has_after: bool,
    tables: Mapping[str, Mapping[str, str]],
) -> Script:
    """Sums of every quantity, and of the products of pairs, by arm and segment: what effects are computed from.

    Parameters
    ----------
    engine : Engine
        Holds the tables, be they empty, and rows for the types of event that there are.
    campaign_id : str
    settings : EvaluationSettings
        Windows are whole: neither ``until_next`` nor ``allow_partial`` cuts them.
    start : str
        SQL for when the outcome of a row of the ledger begins, as ``start_moment`` gives it.
    is_weighted : bool
        Whether customers count by one over their propensity.
    has_after : bool
        Whether the window after the outcome window is compared, too.
    tables : mapping of str to mapping of str to str
        Columns and types.

    Raises
    ------
    ExperimentError
        If a metric, event type, covariate or segment column is unknown or unusable.
    """
    window = "to_days(CAST((SELECT outcome_days FROM params) AS INTEGER))"
    person = person_query(start, f"assigned_start + {window}", is_weighted=is_weighted)
    campaign = DrawnCampaign(
        campaign_id=_CAMPAIGN,
        arms=(),
        n_mixed=0,
        n_targeted=0,
        first_at=_MOMENT,
        last_at=_MOMENT,
        window_days=1.0,
        is_partial=False,
        has_after=has_after,
        is_weighted=is_weighted,
        records_exposure="exposed_at" in tables["assignments"],
        observed_until=_MOMENT,
        share_seen=1.0,
        person=person,
        strata={},
    )
    variables = replace(choose_variables(engine, campaign, replace(settings, segment_by=None)), timeline={})
    if settings.segment_by is not None:
        variables = replace(variables, segment_column=_segment_column(settings.segment_by, tables))
    marked = replace(settings, pre_days=_PRE_DAYS, outcome_days=_OUTCOME_DAYS)
    columns = SumColumns(variables.names, tuple(sorted(variables.pairs)), is_weighted)
    span = (
        f"SELECT min(assigned_at) + to_days(CAST(-1 - (SELECT pre_days FROM params) AS INTEGER)) AS reads_from, "
        f"max(assigned_at) + to_days(CAST(2 * (SELECT outcome_days FROM params) AS INTEGER)) AS reads_to FROM {PEOPLE}"
    )
    return Script(
        assembled(
            {
                PEOPLE: people_query(_CAMPAIGN, tables["assignments"], bin_="0"),
                _SPAN: span,
                # Not everybody takes one moment from another; the window after is as long as the window.
                "customer": customer_query(engine, campaign, variables, marked).replace(
                    "stop + (stop - start)", f"stop + {window}"
                ),
            },
            sums_query("customer", columns, largest="revenue"),
        ),
        (
            Parameter("campaign_id", "VARCHAR", campaign_id),
            Parameter("outcome_days", "INTEGER", str(settings.outcome_days)),
            Parameter("pre_days", "INTEGER", str(settings.pre_days)),
        ),
        tables,
        first={},
        values={
            literal(_CAMPAIGN): "(SELECT campaign_id FROM params)",
            f"'{_PRE_DAYS}'": "(SELECT pre_days FROM params)",
            _moment(_MOMENT - timedelta(days=_PRE_DAYS + 1)): f"(SELECT reads_from FROM {_SPAN})",
            _moment(_MOMENT + timedelta(days=2 * _OUTCOME_DAYS)): f"(SELECT reads_to FROM {_SPAN})",
        },
        pieces=_PIECES,
        columns=_meanings(columns),
    )


def _meanings(columns: SumColumns) -> dict[str, str]:
    """Of ``sum_0`` and so on, in the order of ``SumColumns``."""
    once, twice = ("weight x ", "weight squared x ") if columns.is_weighted else ("", "")
    told = ["Customers.", *(["Sum of weights.", "Sum of squared weights."] if columns.is_weighted else [])]
    told += [f"Sum of {once}{name}." for name in columns.names]
    told += [f"Sum of {twice}{name}." for name in columns.names if columns.is_weighted]
    told += [f"Sum of {twice}{one} x {other}." for one, other in columns.pairs]
    return {f"sum_{number}": text for number, text in enumerate(told)} | {"largest_revenue": "Of one customer."}


def _moment(moment: datetime) -> str:
    return f"CAST('{moment.isoformat(sep=' ')}' AS TIMESTAMP)"


def _segment_column(column: str, tables: Mapping[str, Mapping[str, str]]) -> SegmentColumn:
    """By a column of customers; scores are files of cvm, which the warehouse does not have."""
    known = tables.get("customers", {})
    if column not in known:
        raise ExperimentError(
            f"segment_by == {column!r} is no column of customers (it has {sorted(set(known) - {'customer_id'})}), and a "
            "query for a warehouse cannot read scores. Name a column of customers, or leave it out."
        )
    return SegmentColumn("customers", column, None)
