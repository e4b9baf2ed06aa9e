"""What campaigns returned, from their evaluations: KPIs that are no sums over customers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from cvm.campaigns.effect_table import from_evaluations
from cvm.engines.sql import day_of

CAMPAIGN_KPIS: dict[str, str] = {
    "campaign_roi": "(incremental margin - cost) / cost, of everybody treated, from `cvm evaluate`",
    "campaign_romi": "the same within a segment, from campaigns evaluated by segment; a customer costs what the arm's do",
}
_NO_COST = "the campaign cost nothing"


@dataclass(frozen=True)
class _Return:
    kpi: str
    group_by: str
    group: str | None
    net: float
    cost: float
    start: date
    end: date


def campaign_rows(folder: Path, *, currency: str, timezone: str = "UTC", until: datetime | None = None) -> pd.DataFrame:
    """ROI of every campaign's arms, of all together, and by segment over all campaigns that were evaluated so.

    Parameters
    ----------
    folder : Path
        ``outputs/effects``; one that does not exist holds none.
    currency : str
        Campaigns evaluated in another are left out.
    timezone : str
        Its days are those of the periods.
    until : datetime or None
        As ``from_evaluations`` takes it.

    Returns
    -------
    DataFrame
        The columns of the KPIs. ``group_by`` is campaign (``campaign: arm``), all or segment; a period lasts from the first
        assignment to the last day observed. Arms whose effect is not identified are left out.

    Raises
    ------
    MissingOutputError
        If a file is no evaluation; its name says which.
    """
    found = from_evaluations(folder, lambda one: _returns(one, timezone) if one["currency"] == currency else (), until=until)
    if not found:
        return pd.DataFrame()
    rows = pd.DataFrame(found)
    arms = rows[rows["kpi"] == "campaign_roi"]
    together = pd.concat([arms, arms.assign(group_by="all", group=None), rows[rows["kpi"] == "campaign_romi"]])
    keys = ["kpi", "group_by", "group"]
    summed = together.groupby(keys, dropna=False, sort=False).agg(
        numerator=("net", "sum"), denominator=("cost", "sum"), period_start=("start", "min"), period_end=("end", "max")
    )
    told = summed.reset_index()
    exists = told["denominator"] > 0
    return told.assign(
        group=told["group"].astype(object).where(told["group"].notna(), None),
        period="snapshot",
        value=(told["numerator"] / told["denominator"].where(exists)).astype(float),
        unit="ratio",
        currency=None,
        reason=exists.map({True: None, False: _NO_COST}),
    )


def _returns(evaluated: Mapping[str, Any], timezone: str) -> Iterator[_Return]:
    moments = (datetime.fromisoformat(evaluated[name]) for name in ("assigned_from", "observed_until"))
    days = [day_of(moment, timezone) for moment in moments]
    told = {verdict["arm"] for verdict in evaluated["verdicts"] if verdict["word"] != "not identified"}
    each: dict[str, float] = {}
    for arm in evaluated["earned"]:
        if arm["arm"] not in told:
            continue
        each[arm["arm"]] = arm["cost"] / arm["n_treated"] if arm["n_treated"] else 0.0
        if arm["net"]["standard_error"] is not None:
            group = f"{evaluated['campaign_id']}: {arm['arm']}"
            yield _Return("campaign_roi", "campaign", group, arm["net"]["value"], arm["cost"], days[0], days[1])
    if evaluated["segment_by"] != "segment" or evaluated["metric"] != "margin":
        return
    for row in evaluated["segments"]:
        effect = row["effect"]
        if effect and effect["standard_error"] is not None and row["arm"] in each:
            cost = each[row["arm"]] * row["n_treated"]
            net = effect["value"] * row["n_treated"] - cost
            yield _Return("campaign_romi", "segment", row["segment"], net, cost, days[0], days[1])
