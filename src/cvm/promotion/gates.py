"""What a challenger has to pass before it takes the champion's place; each gate says what it found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cvm.models.churn_blend import BlendedChurn
from cvm.promotion.settings import PromotionSettings

if TYPE_CHECKING:
    from cvm.evaluation import PairedFigure
    from cvm.models.bundle import Bundle
    from cvm.promotion.comparison import Comparison
    from cvm.promotion.score_change import ScoreChange

# The gate that `--accept-drift` opens.
DRIFT = "scores"
# The gate that counts even where the place is empty but for a champion that params no longer want.
ROLLBACK = "rollback"
_CRITERIA = {"churn": ("brier", "Brier"), "value": ("tweedie_deviance", "Tweedie deviance")}
_LABELS = {
    "auc": "AUC",
    "brier": "Brier",
    "calibration_error": "calibration error",
    "ngini": "normalised Gini",
    "decmape": "decMAPE",
    "ratio": "ratio",
}


@dataclass(frozen=True)
class Gate:
    """One gate: its name, whether the challenger passed, and what was found, in words."""

    name: str
    passed: bool
    found: str


def same_thing(challenger: Bundle, champion: Bundle) -> Gate:
    """Whether both predict the same thing, so that they can be compared and users need not relearn the scores."""
    new = predicted(challenger)
    if differing := differences(new, predicted(champion)):
        return Gate("prediction", False, f"the two predict different things: {differing}")
    return Gate("prediction", True, f"{challenger.horizon_days} days, churn as {new['churn']}, {challenger.currency}")


def same_signature(challenger: Bundle, champion: Bundle) -> Gate:
    """Whether requests that the champion answers will be answered by the challenger."""
    old = {feature.name: feature for feature in champion.features}
    problems = []
    for feature in challenger.features:
        before = old.get(feature.name)
        if feature.required and (before is None or not before.required):
            problems.append(f"{feature.name} is required now and was not")
        if before is not None and before.kind != feature.kind:
            problems.append(f"{feature.name} was a {before.kind} and is a {feature.kind}")
    if problems:
        return Gate("signature", False, _listed(problems))
    new = {feature.name for feature in challenger.features}
    n_new, n_gone = len(new - set(old)), len(set(old) - new)
    changes = [f"{n} {what}" for n, what in ((n_new, "new and optional"), (n_gone, "no longer used")) if n]
    return Gate("signature", True, f"{len(new)} inputs" + (f", {', '.join(changes)}" if changes else ", none changed"))


def no_worse_than_baselines(challenger: Bundle, champion: Bundle | None) -> Gate:
    """Whether the winners are at least the best baseline on the test snapshot; a baseline may be the winner."""
    judgement = challenger.evidence.get("judgement")
    if judgement is None:
        is_new = champion is not None and champion.evidence.get("judgement") is not None
        return Gate(
            "baselines", not is_new, "nothing could be judged out of time" + (", the champion was" if is_new else "")
        )
    passed, said = True, []
    for what, (criterion, label) in _CRITERIA.items():
        losses = {name: found[criterion] for name, found in judgement[what].items() if found.get(criterion) is not None}
        winner = judgement[f"{what}_winner"]
        baselines = {name: loss for name, loss in losses.items() if name != BlendedChurn.name}
        if winner not in losses or not baselines:
            continue
        best = min(baselines, key=lambda name: baselines[name])
        passed &= losses[winner] <= baselines[best]
        if winner == BlendedChurn.name:
            said.append(f"{what}: {label} {losses[winner]:.4g}, best baseline ({best}) {baselines[best]:.4g}")
        else:
            said.append(f"{what}: the baseline {winner!r} won, {label} {losses[winner]:.4g}")
    return Gate("baselines", passed, "; ".join(said) or "no outcome to judge by")


def no_worse_than_champion(comparison: Comparison, settings: PromotionSettings) -> Gate:
    """Whether no main figure is provably worse by more than its tolerance."""
    if not comparison.figures:
        return Gate("champion", True, f"not compared: {comparison.why_not}")
    worse = [f for f in comparison.figures if f.lower > settings.tolerances.get(f.name, float("inf"))]
    if worse:
        return Gate("champion", False, _listed([_worse(figure, settings) for figure in worse]))
    if comparison.spoke == "same recipe":
        return Gate("champion", True, "the same recipe: it says the same of every window")
    return Gate("champion", True, "no figure is provably worse by more than its tolerance")


def knows_no_less(challenger: Bundle, champion: Bundle) -> Gate:
    """Whether it was trained no earlier than the champion; a former champion comes back by ``cvm rollback``."""
    days = (champion.trained_as_of - challenger.trained_as_of).days
    if days > 0:
        dates = f"trained as of {challenger.trained_as_of}, the champion as of {champion.trained_as_of}"
        return Gate("age", False, f"{dates}: it knows {days} days less")
    return Gate("age", True, f"trained as of {challenger.trained_as_of}, {-days} days after the champion")


def calibrated(figures: tuple[PairedFigure, ...], challenger: Bundle, settings: PromotionSettings) -> Gate:
    """Whether churn probabilities mean what they say, or at least no less than the champion's."""
    judgement = challenger.evidence.get("judgement")
    error = judgement["churn"][judgement["churn_winner"]].get("calibration_error") if judgement else None
    if error is None:
        return Gate("calibration", True, "nothing to judge by")
    limit = settings.max_calibration_error
    said = f"mean gap between foretold and seen churn {error:.1%}, limit {limit:.0%}"
    if error <= limit:
        return Gate("calibration", True, said)
    paired = next((figure for figure in figures if figure.name == "calibration_error"), None)
    if paired is None or paired.lower > 0:
        return Gate("calibration", False, said)
    return Gate("calibration", True, f"{said}, but not provably worse than the champion's {paired.champion:.1%}")


def fair_to_groups(challenger: Bundle, champion: Bundle | None, settings: PromotionSettings) -> Gate:
    """Whether no group is provably off by more than a limit, unless the champion was as far off there."""
    groups = _groups(challenger)
    if not groups:
        return Gate("groups", True, "no groups to judge by")
    before = _groups(champion) if champion else {}
    problems = [problem for key, group in groups.items() for problem in _off(group, before.get(key, {}), settings)]
    if problems:
        return Gate("groups", False, _listed(problems))
    limits = f"{settings.max_group_error:.0%} of churn or a factor of {settings.max_group_ratio:g} of revenue"
    return Gate("groups", True, f"none of {len(groups)} groups is provably off by more than {limits}")


def scores_hold(change: ScoreChange, settings: PromotionSettings) -> Gate:
    """Whether today's customers get about the scores they have."""
    drift = max(change.p_churn, change.clv)
    found = (
        f"stability index {change.p_churn:.3f} of churn and {change.clv:.3f} of CLV (limit {settings.max_score_drift:g}), "
        f"{change.tiers_changed:.0%} in another value tier (limit {settings.max_tier_changes:.0%})"
    )
    return Gate(DRIFT, drift <= settings.max_score_drift and change.tiers_changed <= settings.max_tier_changes, found)


def predicted(bundle: Bundle) -> dict[str, object]:
    """What a bundle foretells, in the terms of params: windows, currency, and what churn means."""
    return {
        "horizon_days": bundle.horizon_days,
        "lead_days": bundle.lead_days,
        "clv_days": bundle.clv_days,
        "currency": bundle.currency,
        "churn": str(bundle.churn_anchor.definition),
    }


def differences(new: Mapping[str, object], old: Mapping[str, object]) -> str:
    """In words, what is foretold, or asked for, otherwise than before, by ``predicted``; empty where all is the same."""
    return ", ".join(f"{name} {new[name]} instead of {old[name]}" for name in new if new[name] != old[name])


def _worse(figure: PairedFigure, settings: PromotionSettings) -> str:
    return (
        f"{_LABELS[figure.name]} {figure.challenger:.4g} against {figure.champion:.4g}, worse by {figure.worse_by:.4f} "
        f"({figure.lower:.4f} to {figure.upper:.4f}; tolerated {settings.tolerances[figure.name]:g})"
    )


def _groups(bundle: Bundle) -> dict[tuple[str, str], Mapping[str, Any]]:
    judged = bundle.evidence.get("judged") or {}
    groups = judged.get("groups") or []
    return {(group["grouping"], group["group"]): group for group in groups if group["grouping"] != "all"}


def _off(group: Mapping[str, Any], before: Mapping[str, Any], settings: PromotionSettings) -> Iterator[str]:
    name = f"{group['grouping']} {group['group']} ({group['n_customers']:,} customers)"
    gap = group["calibration_error"]
    if gap is not None:
        limit = max(settings.max_group_error, abs((before.get("calibration_error") or {}).get("value", 0.0)))
        if gap["lower"] > limit or gap["upper"] < -limit:
            yield f"{name}: churn foretold {gap['value']:+.1%} off"
    ratio = group["revenue_ratio"]
    if ratio is not None:
        known = (before.get("revenue_ratio") or {}).get("value", 1.0)
        factor = max(settings.max_group_ratio, known, 1 / known if known > 0 else settings.max_group_ratio)
        if ratio["lower"] > factor or ratio["upper"] < 1 / factor:
            yield f"{name}: {ratio['value']:.2f} of its revenue foretold"


def _listed(problems: list[str], *, most: int = 3) -> str:
    more = f"; and {len(problems) - most} more" if len(problems) > most else ""
    return "; ".join(problems[:most]) + more
