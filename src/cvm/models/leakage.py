"""The leakage gate: before anything is fitted, refuse what could not have been known, or is not what it was when it taught.

It is passed by windows that do not overlap, and by features that do not by themselves say what is to be foretold and that
mean the same where models learn, where they are judged and where they are applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from cvm.errors import FeatureMismatchError, LeakageError
from cvm.features.snapshots import SnapshotPlan
from cvm.models.choices import Decision
from cvm.models.definitions import changed_definitions, constant_columns, drifted_columns
from cvm.models.samples import Sample
from cvm.models.separation import separating_columns, separation

Floats = NDArray[np.float64]

# Measured on honest bases, see docs/models.md: no feature of the catalogue comes near either.
LEAST_AUC = 0.98
LEAST_CORRELATION = 0.98
# Past orders and BTYD are honest, and as strong where customers are regular; a leak leaves less than this of their error.
_SHARE_OF_ERROR = 0.5
_HONEST = (
    "recency_days",
    "recency_over_mean_gap",
    "n_orders",
    "spend",
    "mean_order_value",
    "btyd_p_no_order",
    "btyd_expected_orders",
    "btyd_expected_order_value",
)
# Of either kind; with fewer, chance separates them.
_MIN_PER_CLASS = 50
# Looked at, of the training snapshots together and of every later one.
_MAX_ROWS = 10_000

_FIX = (
    "Leave a feature out with train.features: {NAME: exclude}; or repair its source and run `cvm ingest`, `cvm features`; "
    "or, if it is right and known at as_of, let it in with train.features: {NAME: keep}."
)


@dataclass(frozen=True)
class _Labelled:
    """Some rows of one or more samples."""

    features: pd.DataFrame
    churned: Floats
    revenue: Floats


@dataclass(frozen=True)
class Passed:
    """What the gate let through.

    Attributes
    ----------
    columns : tuple of str
        Features to offer to trees.
    notes : tuple of str
        What a reader should know of the others and of drift.
    """

    columns: tuple[str, ...]
    notes: tuple[str, ...]


def refuse_overlap(plan: SnapshotPlan) -> None:
    """Refuse a plan in which a model would learn from what it is judged on, or from days that are still to come.

    Raises
    ------
    LeakageError
        If an outcome window ends after the snapshot that must not know it.
    """
    ends = [("training", as_of, plan.judged_days, "test", plan.test) for as_of in plan.training if plan.test]
    ends += [("test", as_of, plan.judged_days, "scored", plan.score) for as_of in (plan.test,) if as_of]
    ends += [("labelled", as_of, plan.horizon_days, "scored", plan.score) for as_of in plan.labelled]
    findings = []
    for what, as_of, days, later, limit in ends:
        end = as_of + timedelta(days=plan.lead_days + days)
        if limit and end > limit:
            findings.append(f"the outcome window of the {what} snapshot {as_of} ends {end}, after the {later} one, {limit}")
    if findings:
        fix = "The plan of the features on file was changed or damaged. Run `cvm features` to write it again."
        raise LeakageError.from_findings(findings, fix)


def without_excluded(columns: Sequence[str], decisions: Mapping[str, Decision]) -> tuple[str, ...]:
    """The features that ``train.features`` does not exclude.

    Raises
    ------
    FeatureMismatchError
        If it names something that is no feature: a feature thought excluded would be used.
    """
    strangers = sorted(set(decisions) - set(columns))
    if strangers:
        near = {name: get_close_matches(name, columns, n=1) for name in strangers}
        hints = "; ".join(f"did you mean {match[0]!r}?" for match in near.values() if match)
        raise FeatureMismatchError(
            f"train.features names {strangers}, which are no features of this run. "
            + (hints or "The features on file are listed in outputs/features/catalogue.json.")
        )
    return tuple(name for name in columns if decisions.get(name) != "exclude")


def pass_gate(
    training: Sequence[Sample],
    test: Sample,
    today: pd.DataFrame,
    *,
    columns: Sequence[str],
    decisions: Mapping[str, Decision],
    scored: date,
) -> Passed:
    """Refuse features that leak or have changed; leave out those that say nothing in training.

    The outcomes of the test snapshot are looked at as well: what was written down later leaks most into the latest snapshot,
    and a refusal chooses no model.

    Parameters
    ----------
    training : sequence of Sample, not empty
    test : Sample
    today : DataFrame
        Features that are to be scored.
    columns : sequence of str
        Features to be offered to trees.
    decisions : mapping of str to {"exclude", "keep"}
        ``train.features``: what is kept passes unseen.
    scored : date
        Of ``today``.

    Raises
    ------
    LeakageError
        Names each feature with the evidence.
    """
    kept = [name for name in columns if decisions.get(name) == "keep"]
    looked_at = [name for name in columns if name not in kept]
    learned = _pooled(training)
    known = today[(today["n_orders"] > 0).to_numpy()] if "n_orders" in today else today
    if learned.features.empty:
        return Passed(tuple(columns), ())
    later = {f"the test snapshot {test.as_of}": _rows(test.features), f"today, {scored}": _rows(known)}
    snapshots = {f"the training snapshot {part.as_of}": part.features for part in training} | later
    findings = list(changed_definitions(columns, snapshots, learned.features, later, kept=kept))
    if not findings:
        at_test = f"the test snapshot {test.as_of}"
        of_churn = {
            "the training snapshots": _pooled([part.of_churn for part in training]),
            at_test: _pooled([test.of_churn]),
        }
        of_revenue = {"the training snapshots": learned, at_test: _pooled([test])}
        findings = [*_separating(looked_at, of_churn), *_near_revenue(looked_at, of_revenue)]
    if findings:
        raise LeakageError.from_findings(findings, _FIX)
    silent = constant_columns(columns, [part.features for part in training])
    return Passed(
        tuple(name for name in columns if name not in silent),
        tuple(_notes(silent, drifted_columns(columns, learned.features, later), later)),
    )


def _separating(columns: Sequence[str], judged: Mapping[str, _Labelled]) -> Iterator[str]:
    """Features that alone tell who churns, by the snapshots that show it."""
    found: dict[str, list[str]] = {}
    for where, rows in judged.items():
        n_churned = int(rows.churned.sum())
        if min(n_churned, len(rows.churned) - n_churned) < _MIN_PER_CLASS:
            continue
        honest, features = _honest(rows), rows.features[list(columns)]
        best = max((separation(column, rows.churned) for column in honest), default=0.5)
        least = _least(LEAST_AUC, best)
        for name, area in separating_columns(features, rows.churned, least_auc=LEAST_AUC):
            if area > least:
                found.setdefault(name, []).append(f"{area:.3f} on {where} (past orders and BTYD: {best:.3f})")
    for name, evidence in found.items():
        yield f"{name!r} alone tells who churns: AUC {', '.join(evidence)}"


def _near_revenue(columns: Sequence[str], judged: Mapping[str, _Labelled]) -> Iterator[str]:
    """Features that rank customers as the revenue to be foretold does, by the snapshots that show it."""
    found: dict[str, list[str]] = {}
    for where, rows in judged.items():
        if (rows.revenue > 0).sum() < _MIN_PER_CLASS:
            continue
        rank, features = rankdata(rows.revenue), rows.features
        best = max((_correlation(column, rank) for column in _honest(rows)), default=0.0)
        least = _least(LEAST_CORRELATION, best)
        for name in columns:
            size = _correlation(features[name], rank) if pd.api.types.is_numeric_dtype(features[name]) else 0.0
            if size > least:
                found.setdefault(name, []).append(f"{size:.3f} on {where} (past orders and BTYD: {best:.3f})")
    for name, evidence in found.items():
        yield f"{name!r} is all but the revenue to be foretold: rank correlation {', '.join(evidence)}"


def _honest(rows: _Labelled) -> list[pd.Series]:
    return [rows.features[name] for name in _HONEST if name in rows.features]


def _least(plain: float, best_honest: float) -> float:
    """What a leak is above."""
    return max(plain, 1 - _SHARE_OF_ERROR * (1 - best_honest))


def _correlation(column: pd.Series, rank: Floats) -> float:
    """Size of the rank correlation; nulls rank below everything."""
    values = rankdata(np.nan_to_num(column.to_numpy(dtype=float, na_value=np.nan), nan=-np.inf))
    if np.ptp(values) == 0 or np.ptp(rank) == 0:
        return 0.0
    return abs(float(np.corrcoef(values, rank)[0, 1]))


def _notes(silent: Sequence[str], drifted: Sequence[str], later: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    woken = [name for name in silent if any(constant_columns([name], [frame]) == [] for frame in later.values())]
    if woken:
        yield (
            f"Not offered to the boosters, because they say nothing on the training snapshots but do later: {woken}. "
            "They will be once the data behind them reaches back far enough."
        )
    if drifted:
        yield (
            f"Known of far more or far fewer customers than on the training snapshots: {list(drifted)}. If a source has "
            "begun or ceased, leave them out with train.features: {NAME: exclude}."
        )


def _pooled(samples: Sequence[Sample]) -> _Labelled:
    rows = [_drawn(len(sample.revenue), _MAX_ROWS // len(samples)) for sample in samples]
    return _Labelled(
        pd.concat([sample.features.iloc[row] for sample, row in zip(samples, rows, strict=True)], ignore_index=True),
        np.concatenate([sample.churned[row] for sample, row in zip(samples, rows, strict=True)]),
        np.concatenate([sample.revenue[row] for sample, row in zip(samples, rows, strict=True)]),
    )


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.iloc[_drawn(len(frame), _MAX_ROWS)]


def _drawn(n: int, at_most: int) -> NDArray[np.intp]:
    """Row numbers in order, the same every time."""
    return np.sort(np.random.default_rng(7).permutation(n)[:at_most])
