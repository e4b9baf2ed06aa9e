"""A campaign drawn in cells: each cell has its own arms and its own control, and is a campaign of the ledger by itself.

Cells share no customer, so what one cell's draw did says nothing of another's: what they earned adds up, and so do their
variances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from cvm.campaigns.effect import evaluate_resampled
from cvm.campaigns.effect_campaign import campaigns_of
from cvm.campaigns.effect_money import total
from cvm.campaigns.effect_result import CellsEffect
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.engines import Engine, literal
from cvm.engines.sql import literals
from cvm.errors import ExperimentError
from cvm.features.treatments import CONTROL


def cells_of(engine: Engine, campaign_id: str) -> list[str]:
    """Campaigns of the ledger that are cells of this one: those named after it, and one of its very name beside such.

    Raises
    ------
    ExperimentError
        If there is no ledger.
    """
    known = campaigns_of(engine)
    found = [name for name in known if name.startswith(f"{campaign_id}.")]
    return [campaign_id, *found] if found and campaign_id in known else found


def evaluate_together(
    engine: Engine,
    campaign_id: str,
    settings: EvaluationSettings,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> CellsEffect:
    """Judge all cells of a campaign, and what they earned together.

    Parameters
    ----------
    engine : Engine
    campaign_id : str
    settings : EvaluationSettings
        ``fixed_cost`` is that of the whole campaign, shared by its cells by the customers they treated.
    progress : callable

    Raises
    ------
    ExperimentError
        As ``evaluate``; also if there are no cells, or a customer is in several of them.
    InsufficientDataError
        As ``evaluate``.
    """
    names = cells_of(engine, campaign_id)
    if not names:
        raise ExperimentError(f"The ledger knows no campaign whose name begins with {campaign_id + '.'!r}.")
    _check_apart(engine, campaign_id, names)
    shares = _shares_of_treated(engine, names)
    effects = [
        evaluate_resampled(engine, name, replace(settings, fixed_cost=settings.fixed_cost * shares[name]), progress=progress)
        for name in names
    ]
    arms = [arm for cell in effects for arm in cell.found.earned]
    return CellsEffect(
        campaign_id=campaign_id,
        currency=settings.economics.currency,
        cells=[cell.found for cell in effects],
        total=total(arms, [drawn for cell in effects for drawn in cell.replicates], level=settings.level),
    )


def _check_apart(engine: Engine, campaign_id: str, names: list[str]) -> None:
    found = engine.row(
        "SELECT count(*) AS n FROM (SELECT customer_id FROM assignments "
        f"WHERE campaign_id IN ({literals(names)}) GROUP BY customer_id HAVING count(DISTINCT campaign_id) > 1)"
    )
    if found["n"]:
        raise ExperimentError(
            f"{found['n']:,} customers are in several cells of campaign {campaign_id!r} ({', '.join(names)}), so what "
            "the cells earned does not add up. Evaluate each cell by its own name, or correct the ledger."
        )


def _shares_of_treated(engine: Engine, names: list[str]) -> dict[str, float]:
    """Share of all treated customers that are of each cell."""
    rows = engine.table(
        "SELECT campaign_id, count(DISTINCT customer_id) AS n FROM assignments "
        f"WHERE campaign_id IN ({literals(names)}) AND arm <> {literal(CONTROL)} GROUP BY campaign_id"
    ).to_pylist()
    n_all = sum(row["n"] for row in rows)
    return dict.fromkeys(names, 0.0) | {row["campaign_id"]: row["n"] / n_all for row in rows}
