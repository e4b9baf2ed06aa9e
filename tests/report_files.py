"""What other stages leave for the report, written by hand: small, but with every column the report reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from cvm.engines import DuckDBEngine
from cvm.ingest.quality.finding import Finding, write_findings
from cvm.ingest.sufficiency_verdict import SufficiencyVerdict, write_verdicts
from cvm.models.btyd.season import SeasonClock
from cvm.models.bundle import Bundle
from cvm.models.group_errors import JudgedCustomers, error_states, group_errors
from cvm.models.judged_tables import lift_table, reliability_table, value_table
from cvm.monitoring import history
from cvm.monitoring.history import history_rows
from cvm.reports.base import Base
from cvm.scoring.schema import SCORE_SCHEMA
from cvm.segments import SEGMENTS, VALUE_TIERS
from cvm.workspace import Workspace

AS_OF, PREVIOUS = date(2026, 1, 1), date(2025, 10, 1)
HOSTILE = "<script>alert('x')</script>"


def write_table(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema | None = None) -> None:
    """Rows as one Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)


def score_rows(n: int = 400, *, seed: int = 3, segments: tuple[str, ...] = SEGMENTS) -> list[dict[str, Any]]:
    """Scores of ``n`` customers."""
    rng = np.random.default_rng(seed)
    clv, p_churn = rng.lognormal(4, 1, n), rng.beta(2, 1.5, n)
    tiers = np.array(VALUE_TIERS)[np.searchsorted(np.quantile(clv, [0.5, 0.8, 0.95]), clv)[::1] * -1 + 3]
    return [
        {
            **dict.fromkeys(SCORE_SCHEMA.names),
            "customer_id": f"c{i:05d}",
            "horizon_days": 181,
            "clv_days": 365,
            "currency": "EUR",
            "model_version": "0123456789ab",
            "p_churn": float(p_churn[i]),
            "clv": float(clv[i]),
            "clv_lower": float(clv[i] / 2),
            "clv_upper": float(clv[i] * 2),
            "expected_orders": float(2 * (1 - p_churn[i])),
            "expected_order_value": 40.0,
            "value_tier": str(tiers[i]),
            "segment": segments[i % len(segments)],
            "expected_next_order_date": date(2026, 2, 1 + i % 28),
            "reasons": [
                {"feature": "recency_days", "value": 30.0, "direction": "raises", "sentence": "Silent for 30 days."}
            ],
        }
        for i in range(n)
    ]


def write_scores(workspace: Workspace, as_of: date, rows: list[dict[str, Any]]) -> None:
    """Scores of one date."""
    write_table(workspace.scores_of(as_of), rows, SCORE_SCHEMA)


def judged_evidence(n: int = 1500, *, seed: int = 5) -> dict[str, Any]:
    """What training writes of a judged test snapshot; customers of the region ``north`` are called too likely to leave."""
    rng = np.random.default_rng(seed)
    p_churn, revenue = rng.beta(2, 2, n), rng.gamma(2, 30, n)
    region = np.array(["north", HOSTILE, "south"])[np.arange(n) % 3]
    churned = (rng.random(n) < np.where(region == "north", p_churn * 0.6, p_churn)).astype(float)
    actual = revenue * rng.gamma(4, 0.25, n) * (1 - churned)
    ids = pd.Series([f"c{i}" for i in range(n)])
    errors = group_errors(
        JudgedCustomers(ids, p_churn, churned),
        JudgedCustomers(ids, revenue / 2, actual),
        {"region": pd.Series(region, index=ids)},
    )
    metrics = {"auc": 0.8, "brier": 0.15, "calibration_error": 0.02, "lift_top_decile": 1.5, "mean_predicted": 0.5}
    return {
        "judgement": {
            "churn": {"blended LightGBM": metrics, "recency rule": {**metrics, "brier": 0.2}},
            "value": {"blended LightGBM": {"ratio": 0.97, "mae": 0.6, "tweedie_deviance": 14.0}, "BTYD": {"ratio": 0.9}},
            "churn_winner": "blended LightGBM",
            "value_winner": "blended LightGBM",
        },
        "judged": {
            "reliability": reliability_table(churned, p_churn),
            "lift": lift_table(churned, p_churn),
            "value_deciles": value_table(actual, revenue / 2),
            "groups": error_states(errors),
        },
        "judged_days": 181,
        "test": "2025-07-04",
        "training": ["2025-01-04"],
        "labelled": ["2025-07-04", "2025-06-04"],
        "n_customers": n,
        "notes": ["A note of training."],
        "data_fingerprint": "transactions 10 abc",
        "versions": {"cvm": "0.1.0"},
        "churn_drivers": {"recent orders": 0.8, "buying rhythm": 0.4},
        "churn_definition": {"definition": "no_order"},
        "portfolio": {"clv": {"lower": 0.8, "upper": 1.25}, "revenue": {"lower": 0.9, "upper": 1.1}, "level": 0.9},
        "btyd_family": {"family": "pareto_nbd"},
    }


def bundle(evidence: dict[str, Any] | None = None) -> Bundle:
    """Of a bundle, what the report reads."""
    found = SimpleNamespace(
        trained_as_of=AS_OF, horizon_days=181, lead_days=0, clv_days=365, eligible_days=None, currency="EUR",
        model_version="0123456789ab", churn=SimpleNamespace(name="blended LightGBM"),
        value=SimpleNamespace(name="blended LightGBM"), features=(SimpleNamespace(name="attribute_region"),),
        btyd=SimpleNamespace(clock=SeasonClock((1.0,) * 365)),
        evidence=judged_evidence() if evidence is None else evidence,
    )  # fmt: skip
    return cast(Bundle, found)


def base(folder: Path, engine: DuckDBEngine, **changes: Any) -> Base:
    """A base in an empty folder."""
    workspace = Workspace(outputs=folder / "outputs", champion=folder / "champion")
    return replace(Base(engine, workspace, bundle(), AS_OF), **changes)


def fill(workspace: Workspace, *, as_of: date = AS_OF, previous: date = PREVIOUS) -> None:
    """Everything beside scores and model that the report can show."""
    write_segments(workspace.outputs, as_of=as_of, previous=previous)
    write_kpis(workspace.outputs, as_of=as_of)
    write_actions(workspace.outputs, as_of=as_of)
    write_campaign(workspace.effects)
    write_quality(workspace)
    write_monitoring(workspace.monitoring)


def monitored(day: str, word: str = "ok") -> dict[str, Any]:
    """What one run of monitoring leaves."""
    figure = {"value": 0.8, "lower": 0.75, "upper": 0.85}
    group = {
        "n_customers": 300,
        "p_churn": 0.4,
        "churned": figure,
        "revenue": figure,
        "auc": figure,
        "calibration_error": 0.02,
    }
    drift = {"stability_index": 0.31, "missing": 0.1, "missing_before": 0.0, "mean": 9.0, "mean_before": 3.0}
    months = [{"start": "2025-08-01", "end": "2025-08-31"}]
    reasons = [{"word": word, "text": f"Reason {HOSTILE} of {day}."}] if word != "ok" else []
    signal = {"months": months, "change": -0.21 if word == "retrain" else 0.01, "lower": -0.1, "upper": 0.1, "p_value": 0.5}
    return {
        "as_of": day,
        "model_version": "0123456789ab",
        "verdict": {"word": word, "reasons": reasons},
        "signals": [signal],
        "backtests": [
            {"as_of": "2025-07-01", "model_version": "0123456789ab", "days": 120, "horizon_days": 181,
             "groups": [{"segment": None, **group}, {"segment": HOSTILE, **group, "auc": None}]}
        ],
        "features": [{"name": HOSTILE, "level": "much", "drift": drift}],
        "scores": [{"name": "clv", "level": "none", "drift": drift}],
        "notes": ["No full month since training."] if word == "ok" else [],
    }  # fmt: skip


def write_monitoring(folder: Path) -> None:
    """Three runs, the second of them alarmed, the third after the day of the report."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = [monitored("2025-11-01"), monitored("2025-12-01", "retrain"), monitored("2026-02-01", "watch")]
    for run in runs:
        (folder / f"{run['as_of']}.json").write_text(json.dumps(run), encoding="utf-8")
    write_table(folder / "history.parquet", (row for run in runs for row in history_rows(run)), history.SCHEMA)


def write_segments(outputs: Path, *, as_of: date, previous: date) -> None:
    """Migrations, moves and clusters."""
    folder = outputs / "segments" / f"as_of={as_of}"
    rng = np.random.default_rng(2)
    ends = [*SEGMENTS, None]
    write_table(folder / "migrations.parquet", [
        {"previous_as_of": previous, "as_of": as_of, "from_segment": start, "to_segment": end,
         "n_customers": int(rng.integers(1, 40) + 300 * (start == end)), "previous_clv": float(rng.gamma(2, 2000)),
         "clv": float(rng.gamma(2, 2000))}
        for start in ends for end in ends if start or end
    ])  # fmt: skip
    write_table(folder / "moves.parquet", [
        {"customer_id": f"c{i:05d}", "from_segment": "vip", "to_segment": "at_risk", "previous_clv": 900.0 - i, "clv": 200.0,
         "previous_p_churn": 0.2, "p_churn": 0.7}
        for i in range(300)
    ])  # fmt: skip
    clusters = [
        {"name": f"often, {name}", "n": 100, "share": 0.5, "mean_clv": 120.0, "mean_p_churn": 0.4,
         "features": [{"name": "n_orders", "z": 1.4, "mean": 9.0}, {"name": HOSTILE, "z": -0.8, "mean": 1.0}]}
        for name in ("dear", "cheap")
    ]  # fmt: skip
    (folder / "clusters.json").write_text(
        json.dumps({"method": "k-means", "k": 2, "stability": 0.91, "tried": [], "clusters": clusters}), encoding="utf-8"
    )


def write_kpis(outputs: Path, *, as_of: date) -> None:
    """Metrics of two months, cohorts, goals."""
    kpis = [
        ("retention_rate", 0.82, "share", None),
        ("revenue", 45_321.5, "currency", "EUR"),
        ("orders", 1_200.0, "orders", None),
        ("nps", None, "points", None),
    ]
    months = [(date(2025, 11, 1), date(2025, 12, 1)), (date(2025, 12, 1), date(2026, 1, 1))]
    write_table(outputs / "kpis" / "kpis.parquet", [
        {"kpi": kpi, "period": "month", "period_start": start, "period_end": end, "group_by": by, "group": group,
         "value": None if value is None else value * (1 + 0.05 * i), "numerator": value, "denominator": 1.0, "unit": unit,
         "currency": currency, "reason": "Nobody answered." if value is None else None}
        for kpi, value, unit, currency in kpis for i, (start, end) in enumerate(months)
        for by, group in (("all", None), ("channel", HOSTILE))
    ])  # fmt: skip
    cohorts = [date(2024 + i // 12, 1 + i % 12, 1) for i in range(24)]
    write_table(outputs / "kpis" / "cohorts.parquet", [
        {"cohort": cohort, "months_since": month, "channel": channel, "n_customers": 200 + i,
         "n_active": round((200 + i) * (1.0 if month == 0 else 0.4 * 0.93**month)),
         "retention": 1.0 if month == 0 else 0.4 * 0.93**month + 0.002 * i, "revenue": 5_000.0, "margin": 2_000.0,
         "cumulative_revenue_per_customer": 30.0 * (month + 1),
         "cumulative_margin_per_customer": (12.0 + i / 4) * (month + 1) ** 0.7,
         "is_complete": month <= 23 - i}
        for i, cohort in enumerate(cohorts) for month in range(25 - i) for channel in (None, "web")
    ])  # fmt: skip
    write_table(outputs / "kpis" / "goals.parquet", [
        {"as_of": as_of, "goal": goal, "metric": "churn_rate", "segment": segment, "baseline": 0.30,
         "baseline_from": date(2025, 12, 1), "target": 0.255, "deadline": date(2026, 12, 31), "unit": "share",
         "value": value,
         "lower": lower, "upper": upper, "progress": progress, "status": status, "reason": reason}
        for goal, segment, value, lower, upper, progress, status, reason in (
            ("keep vip", "vip", 0.28, 0.26, 0.30, 0.44, "on_track", None),
            (f"win back {HOSTILE}", None, 0.31, 0.29, 0.33, -0.2, "behind", "Worse than at the start."),
            ("not known", "core", None, None, None, None, "not_measured", "The segment has no customer."),
        )
    ])  # fmt: skip


def write_actions(outputs: Path, *, as_of: date) -> None:
    """Actions, replenishment, pairs, triggers."""
    folder = outputs / "actions" / f"as_of={as_of}"
    rules = [("call", "rescue the best", "keep vip", "advice", "phone", 4.0, 9.5),
             ("letter", f"win back {HOSTILE}", "win back", "voucher 10", "post", 1.1, 2.2),
             ("email", "second order", "second order", "bundle", "email", 0.05, None)]  # fmt: skip
    write_table(folder / "actions.parquet", [
        {"customer_id": f"c{i:05d}", "action": action, "rule": rule, "goal": goal, "offer": offer, "channel": channel,
         "cost": cost, "expected_net_value": None if net is None else net + i / 100, "reason": f"Rule {rule!r} holds."}
        for i in range(300) for action, rule, goal, offer, channel, cost, net in [rules[i % 3]]
    ])  # fmt: skip
    write_table(folder / "replenishment.parquet", [
        {"customer_id": f"c{i:05d}", "item": f"item {i % 12}", "item_kind": "category", "n_purchases": 4,
         "last_bought_at": date(2025, 12, 1), "expected_at": date(2026, 1, 1 + i % 28), "lower_at": date(2026, 1, 1),
         "upper_at": date(2026, 2, 1), "cycle_days": 30.0 + i % 12}
        for i in range(100)
    ])  # fmt: skip
    write_table(folder / "also_bought.parquet", [
        {"item": f"item {i}", "also_bought": f"item {i + 1}", "item_kind": "category", "n_item": 50, "n_both": 20 + i,
         "support": 0.02, "confidence": 0.4, "lift": 2.5 - i / 10, "p_value": 1e-6, "false_discovery_rate": 1e-5}
        for i in range(10)
    ])  # fmt: skip
    path = outputs / "triggers" / "triggers.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    triggers = [{"name": "cart_left", "meaning": "Put something into the cart and did not buy.", "n_customers": 12,
                 "file": "cart_left.csv", "reason": None},
                {"name": "complaint", "meaning": "Complained lately.", "n_customers": None, "file": None,
                 "reason": "There are no complaints in the events."}]  # fmt: skip
    path.write_text(json.dumps({"as_of": str(as_of), "triggers": triggers}), encoding="utf-8")


def write_campaign(folder: Path, *, campaign_id: str = f"spring {HOSTILE}", **changes: Any) -> None:
    """One evaluated campaign with two arms, as a campaign of its own and as the only cell of another."""

    def effect(value: float, spread: float) -> dict[str, float]:
        return {
            "value": value,
            "standard_error": spread / 2,
            "lower": value - spread,
            "upper": value + spread,
            "p_value": 0.04,
        }

    def earned(arm: str, margin: float) -> dict[str, Any]:
        return {"arm": arm, "n_treated": 900, "n_redeemed": 0.0, "cost": 500.0, "incremental_orders": effect(90.0, 40.0),
                "incremental_revenue": effect(2 * margin, margin), "incremental_margin": effect(margin, 1000.0),
                "net": effect(margin - 500, 1000.0), "roi": effect((margin - 500) / 500, 2.0), "roi_revenue": None,
                "p_pays": 0.96, "bootstrap": None}  # fmt: skip

    arms = {"letter": ("works", 2400.0), "email": ("inconclusive", 300.0)}
    found = {
        "campaign_id": campaign_id, "currency": "EUR", "metric": "margin", "level": 0.95, "is_partial": False,
        "assigned_from": "2025-10-02T07:00:00", "assigned_to": "2025-10-02T07:00:00",
        "observed_until": "2026-01-01T00:00:00",
        "gates": [{"name": "sample_ratio", "severity": "ok", "message": "As drawn."},
                  {"name": "balance", "severity": "warning", "message": "Arms differ in tenure."}],
        "effects": [{"arm": arm, "metric": "margin", "control_mean": 12.0, "plain": effect(margin / 900, 1.2), "cuped": None,
                     "adjusted": effect(margin / 900, 1.0), "relative": effect(margin / 900 / 12, 0.1), "bootstrap": None,
                     "always_valid": None} for arm, (_, margin) in arms.items()],
        "guardrails": [{"arm": "letter", "metric": "did_unsubscribe", "control": 0.01, "effect": effect(0.002, 0.004),
                        "word": "no harm seen"}],
        "earned": [earned(arm, margin) for arm, (_, margin) in arms.items()],
        "verdicts": [{"arm": arm, "word": word, "sentence": f"{arm} {word}."} for arm, (word, _) in arms.items()],
        **changes,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spring.json").write_text(json.dumps(found), encoding="utf-8")
    total = {"n_treated": 1800, "cost": 1000.0, "net": 1700.0, "roi": 1.7,
             "bootstrap": {"net": {"lower": -300.0, "upper": 3700.0}, "roi": {"lower": -0.3, "upper": 3.7}}}  # fmt: skip
    (folder / "cells").mkdir(exist_ok=True)
    (folder / "cells" / "autumn.json").write_text(
        json.dumps({"campaign_id": "autumn", "currency": found["currency"], "cells": [found], "total": total}),
        encoding="utf-8",
    )


def write_quality(workspace: Workspace) -> None:
    """Findings, with an example that must not show, and verdicts."""
    write_findings(
        [
            Finding(
                "transactions",
                "missing_days",
                "serious",
                3,
                "days",
                0.01,
                "kept",
                "Days without orders.",
                "Ask.",
                ("c00001@x",),
            ),
            Finding("customers", HOSTILE, "info", 1, "rows", 0.001, "kept", "A name.", "Nothing."),
        ],
        workspace.quality,
    )
    verdicts = [
        SufficiencyVerdict("churn", True, ("1,000 orders",)),
        SufficiencyVerdict("uplift", False, ("no campaign is in the ledger",)),
    ]
    write_verdicts(verdicts, workspace.sufficiency)
