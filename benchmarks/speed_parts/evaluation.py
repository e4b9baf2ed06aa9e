"""The evaluation of a campaign, beside scikit-uplift and causalml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from cvm.campaigns.effect_money import Replicates
from cvm.campaigns.effect_sums import sums_query
from cvm.engines import DuckDBEngine
from cvm.evaluation import BinnedSums, Resample, SumColumns, difference, lin_means, middle, qini_estimate, resampled_pair
from speed_parts.contenders import OURS, Contender, Part

OUTCOMES = ("active", "revenue", "margin")
BEFORE = ("active_before", "revenue_before")
COLUMNS = SumColumns(
    (*OUTCOMES, *BEFORE, "cost"),
    (
        *((name, name) for name in (*OUTCOMES, *BEFORE, "cost")),
        *((name, before) for name in (*OUTCOMES, "cost") for before in BEFORE),
        BEFORE,
        ("margin", "cost"),
    ),
    is_weighted=False,
)
Work = Callable[[], Any]
Customers = Mapping[str, np.ndarray]


def simulated_campaign(n: int, *, seed: int = 7) -> dict[str, np.ndarray]:
    """Customers of a campaign, a third of them held out; a letter helps those whom the score finds."""
    rng = np.random.default_rng(seed)
    treated, score = rng.random(n) < 2 / 3, rng.random(n)
    active_before = (rng.random(n) < 0.3).astype(float)
    active = (rng.random(n) < 0.05 + 0.1 * active_before + 0.02 * treated * score).astype(float)
    revenue = active * rng.gamma(2.0, 20.0, n)
    return {
        "treated": treated,
        "score": score,
        "bin": rng.integers(0, 1_024, n),
        "active": active,
        "revenue": revenue,
        "margin": 0.3 * revenue,
        "active_before": active_before,
        "revenue_before": active_before * rng.gamma(2.0, 20.0, n),
        "cost": 0.1 * treated,
    }


def made_campaign(folder: Path, n: int) -> Path:
    """File of the customers; made if it is not there."""
    path = folder / f"campaign-{n}.npz"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npz")
        np.savez(part, **simulated_campaign(n))
        part.replace(path)
    return path


def _customers(folder: Path, n: int) -> Customers:
    with np.load(made_campaign(folder, n)) as kept:
        return dict(kept)


def loaded(given: Customers) -> DuckDBEngine:
    """A table of one row per customer, in memory."""
    engine = DuckDBEngine()
    columns = {name: values for name, values in given.items() if name not in ("treated", "score")}
    engine.register("given", pa.table({"is_treated": given["treated"], **columns}))
    named = ", ".join(f'"{name}"' for name in columns)
    engine.replace_table(
        "person", f"SELECT CASE WHEN is_treated THEN 'mail' ELSE 'control' END AS arm, '' AS segment, {named} FROM given"
    )
    return engine


def sums_by_arm(engine: DuckDBEngine) -> dict[str, BinnedSums]:
    """Sums of each arm, as of a campaign without segments."""
    table = engine.table(sums_query("person", COLUMNS, largest="revenue"))
    arms = table.column("arm").to_numpy()
    sums = np.column_stack([table.column(f"sum_{number}").to_numpy() for number in range(COLUMNS.width)])
    return {arm: BinnedSums(COLUMNS, sums[arms == arm]) for arm in ("control", "mail")}


def effects(engine: DuckDBEngine) -> dict[str, Any]:
    """Effects with both intervals, and what the campaign earned."""
    sums = sums_by_arm(engine)
    treated, control = sums["mail"].moments, sums["control"].moments
    found: dict[str, Any] = {name: difference(lin_means(treated, control, name, BEFORE)) for name in OUTCOMES}
    rng = np.random.default_rng(1)
    drawn = [Resample.of(sums[arm], rng) for arm in ("mail", "control")]
    one, other = resampled_pair(*drawn, OUTCOMES, BEFORE)
    gained = (one - other) * treated.n
    intervals = [middle(column, level=0.95) for column in gained.T]
    money = Replicates(gained[:, 2], gained[:, 1], drawn[0].means(("cost",))[:, 0] * treated.n)
    return found | {"intervals": intervals, "money": money.bootstrap(level=0.95)}


def _our_evaluation(folder: Path, n: int) -> Work:
    given = _customers(folder, n)
    engine = loaded(given)
    return lambda: (effects(engine), qini_estimate(given["active"], given["treated"], given["score"]))


def _our_qini(folder: Path, n: int) -> Work:
    given = _customers(folder, n)
    return lambda: qini_estimate(given["active"], given["treated"], given["score"])


def _sklift_qini(folder: Path, n: int) -> Work:
    from sklift.metrics import qini_auc_score

    given = _customers(folder, n)
    outcome, treated = given["active"].astype(int), given["treated"].astype(int)
    return lambda: qini_auc_score(outcome, given["score"], treated)


def _causalml_qini(folder: Path, n: int) -> Work:
    from causalml.metrics import qini_score

    given = _customers(folder, n)
    frame = pd.DataFrame(
        {"y": given["active"], "w": given["treated"].astype(int), "ours": given["score"]}, dtype=float
    ).astype({"w": int})
    return lambda: qini_score(frame)


_QINI, _ALL = "Qini", "whole evaluation"

PART = Part(
    title="Evaluation of a campaign",
    about=(
        "Customers are loaded: one row each in a table of the engine, and outcome, arm and score as arrays. The whole "
        "evaluation is the effects on three outcomes, adjusted for what was known before, with normal and bootstrap "
        "intervals (1,000 replicates), ROI with its interval and P(ROI > 0), and the Qini of one score with its "
        "interval. Ours of the Qini comes with an interval, those of the peers are the figure alone."
    ),
    sizes=(1_000_000, 10_000_000),
    data=made_campaign,
    contenders=(
        Contender(_ALL, OURS, _our_evaluation),
        Contender(_QINI, OURS, _our_qini),
        Contender(_QINI, "scikit-uplift", _sklift_qini, "sklift"),
        Contender(_QINI, "causalml", _causalml_qini, "causalml"),
    ),
)
