"""What the benchmark has to show, what it shows, and whether that is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from contest.bases import BASES
from contest.ours import OURS
from contest.run import Outcome
from contest.summary import Duel, duels, mean, peer_names

# Differences that count as none, and as worse.
_NGINI_TIE, _NGINI_WORSE = 0.002, 0.01
_DECMAPE_WORSE = 0.03
_AUC_TIE = 0.002
PLAIN_CHURN = "LightGBM hurdle, 4 snapshots"


@dataclass(frozen=True)
class Line:
    """One requirement; ``met`` is ``None`` where it could not be measured."""

    required: str
    measured: str
    met: bool | None


def verdict(outcomes: Sequence[Outcome]) -> list[Line]:
    """Every requirement on accuracy, in order."""
    real = [outcome for outcome in outcomes if BASES[outcome.base].kind == "real"]
    known = [outcome for outcome in outcomes if not outcome.season_break]
    return [
        _cdnow(outcomes),
        *_means("all real cases", real),
        *_means("real cases without season break", [outcome for outcome in real if not outcome.season_break]),
        _worst(outcomes),
        _churn_ranking(outcomes, "the best churn peer's", ("auc",)),
        _churn_ranking(outcomes, "the best ranking by anything a peer predicts, its revenue too,", ("auc", "auc_active")),
        _churn_calibration(outcomes),
        _mean_calibration(known),
        *_intervals(known),
    ]


def _cdnow(outcomes: Sequence[Outcome]) -> Line:
    required = "CDNOW, 1998-01-01, 181 days: nGini >= .760, decMAPE <= .05, ratio within 3 % of 1"
    found = next((o.measured[OURS].metrics for o in outcomes if o.case == "cdnow_1998-01-01_181d"), None)
    if found is None:
        return Line(required, "not run", None)
    met = found["ngini"] >= 0.760 and found["decmape"] <= 0.05 and abs(found["ratio"] - 1) <= 0.03
    return Line(required, f"nGini {found['ngini']:.3f}, decMAPE {found['decmape']:.3f}, ratio {found['ratio']:.3f}", met)


def _means(name: str, outcomes: Sequence[Outcome]) -> list[Line]:
    found = [duel for duel in duels(outcomes, peer_names(outcomes)) if "ngini" in duel.theirs]
    checks: list[tuple[str, Callable[[Duel], bool]]] = [
        ("no peer better on nGini by more than .002", lambda d: d.gap("ngini") >= -_NGINI_TIE),
        ("no peer better on decMAPE", lambda d: d.gap("decmape") <= 0),
        (
            "every peer beaten on nGini or decMAPE, the 90 % interval of the difference beyond 0",
            lambda d: d.interval("ngini")[0] > 0 or d.interval("decmape")[1] < 0,
        ),
        ("RMSE below every peer's", lambda d: d.gap("rmse") < 0),
        ("Tweedie deviance below every peer's", lambda d: d.gap("deviance") < 0),
    ]
    return [_duels(f"mean over {name} ({len(outcomes)}): {required}", found, holds) for required, holds in checks]


def _duels(required: str, found: list[Duel], holds: Callable[[Duel], bool]) -> Line:
    failed = [duel.name for duel in found if not holds(duel)]
    measured = f"{len(found) - len(failed)} of {len(found)} peers" + _except(failed)
    return Line(required, measured, not failed if found else None)


def _worst(outcomes: Sequence[Outcome]) -> Line:
    required = "in no case worse than a peer by more than .01 nGini and .03 decMAPE together"
    failed = [
        f"{outcome.case} against {name} ({ngini.gap:+.3f}, {decmape.gap:+.3f}; {_circumstances(outcome)})"
        for outcome in outcomes
        for name in peer_names([outcome])
        if (ngini := outcome.measured[name].differences.get("ngini"))
        and (decmape := outcome.measured[name].differences["decmape"])
        and ngini.gap < -_NGINI_WORSE
        and decmape.gap > _DECMAPE_WORSE
    ]
    return Line(required, f"{len(outcomes)} cases{_except(failed)}", not failed)


def _circumstances(outcome: Outcome) -> str:
    """What may explain a case that fails."""
    facts = [f"our ratio {outcome.measured[OURS].metrics['ratio']:.2f}", f"{outcome.n_training} training snapshots"]
    return ", ".join([*facts, *(["season break"] if outcome.season_break else [])])


def _churn_ranking(outcomes: Sequence[Outcome], what: str, metrics: Sequence[str]) -> Line:
    failed, gaps = [], []
    for outcome in outcomes:
        theirs = {
            name: max(outcome.measured[name].metrics.get(metric, 0.0) for metric in metrics)
            for name in peer_names([outcome])
        }
        best = max(theirs, key=lambda name: theirs[name])
        gaps.append(outcome.measured[OURS].metrics["auc"] - theirs[best])
        if gaps[-1] < -_AUC_TIE:
            failed.append(f"{outcome.case} {gaps[-1]:+.3f} against {best}")
    measured = f"met in {len(gaps) - len(failed)} of {len(gaps)} cases, least {min(gaps):+.3f}, mean {mean(gaps):+.3f}"
    return Line(f"churn: AUC not below {what} by more than .002 in any case", f"{measured}{_except(failed)}", not failed)


def _churn_calibration(outcomes: Sequence[Outcome]) -> Line:
    required = f"churn: calibration error no worse than plain LightGBM's ({PLAIN_CHURN}) in any case"
    failed, taken = [], 0
    for outcome in outcomes:
        if PLAIN_CHURN in outcome.measured:
            taken += 1
            ours, theirs = (outcome.measured[name].metrics["calibration"] for name in (OURS, PLAIN_CHURN))
            if ours > theirs:
                failed.append(f"{outcome.case} {ours:.3f} against {theirs:.3f} (floor {outcome.floors['calibration']:.3f})")
    return Line(
        required, f"{taken - len(failed)} of {taken} cases{'; not ' if failed else ''}{'; '.join(failed)}", not failed
    )


def _mean_calibration(outcomes: Sequence[Outcome]) -> Line:
    error = mean(outcome.measured[OURS].metrics["calibration"] for outcome in outcomes)
    floor = mean(outcome.floors["calibration"] for outcome in outcomes)
    required = "churn: calibration error at most .02 in the mean of the cases without season break"
    return Line(required, f"{error:.3f} over {len(outcomes)} cases; noise alone {floor:.3f}", error <= 0.02)


def _intervals(outcomes: Sequence[Outcome]) -> list[Line]:
    found = {outcome.case: outcome.intervals for outcome in outcomes if outcome.intervals}
    if not found:
        return [Line("90 % intervals", "the scores have none", None)]
    coverage = {case: one.coverage for case, one in found.items()}
    outside = [f"{case} {share:.1%}" for case, share in coverage.items() if not 0.85 <= share <= 0.96]
    tiers = {f"{case} {tier}": share for case, one in found.items() for tier, share in one.by_tier.items()}
    low = [f"{name} {share:.1%}" for name, share in tiers.items() if share < 0.85]
    average = mean(coverage.values())
    wide = [
        f"{case} {one.score:.2f} : {one.global_score:.2f}" for case, one in found.items() if one.score >= one.global_score
    ]
    return [
        Line(
            "90 % intervals: 85-96 % on each test snapshot without season break",
            f"{min(coverage.values()):.1%} to {max(coverage.values()):.1%}" + _except(outside),
            not outside,
        ),
        Line("90 % intervals: 88-93 % in the mean", f"{average:.1%}", 0.88 <= average <= 0.93),
        Line(
            "90 % intervals: at least 85 % in every value tier",
            f"least {min(tiers.values()):.1%}" + _except(low),
            not low,
        ),
        Line(
            "90 % intervals: better interval score than one global band",
            f"{len(found) - len(wide)} of {len(found)} cases" + _except(wide),
            not wide,
        ),
    ]


def _except(failed: Sequence[str]) -> str:
    return f"; not {'; '.join(failed)}" if failed else ""
