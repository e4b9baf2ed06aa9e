"""ok, watch or retrain: what the findings together ask for.

Only what came true asks for training: customers who buy otherwise than expected, or scores that missed the outcome. Features
and scores that moved ask to be looked at, for a base that grew or a season makes them move, too, and a model that still
foretells well loses by being replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from cvm.monitoring.backtest import Backtest
from cvm.monitoring.level import Signal
from cvm.monitoring.movement import Moved

Word = Literal["ok", "watch", "retrain"]
WORDS: tuple[Word, ...] = ("ok", "watch", "retrain")

# A signal rarer than the first by chance asks for training, than the second for a look.
_RETRAIN, _WATCH = 0.002, 0.01
# Nobody trains again for less than this, however sure it is.
_LEAST_CHANGE = 0.03
# Churn that ranks customers so much worse than on the test snapshot has lost what it knew.
_AUC_LOST = 0.03
# What fewer customers had may be gone without a fault, such as the trend of a channel that was hardly used.
_MOSTLY_KNOWN = 0.5
_N_NAMED = 5


@dataclass(frozen=True)
class Reason:
    """One finding: how grave, and what it says."""

    word: Word
    text: str


@dataclass(frozen=True)
class ModelVerdict:
    """What to do, and why; the gravest reason decides."""

    word: Word
    reasons: tuple[Reason, ...]


def judge(
    *,
    signals: Sequence[Signal],
    backtests: Sequence[Backtest],
    features: Sequence[Moved],
    scores: Sequence[Moved],
    stale: Sequence[str],
    model_version: str,
    evidence: Mapping[str, Any],
) -> ModelVerdict:
    """The verdict on one model at one date.

    Parameters
    ----------
    signals : sequence of Signal
        Of the purchase rate.
    backtests : sequence of Backtest
        Earlier scores against what followed.
    features, scores : sequence of Moved
    stale : sequence of str
        What the checks of the data say of tables that have stopped.
    model_version : str
        Of the bundle; what the models before it missed does not speak against it.
    evidence : mapping
        Of the bundle: what the model reached on the test snapshot.
    """
    own = [tested for tested in backtests if tested.is_complete and tested.model_version == model_version]
    found = [
        *_level(signals),
        *(reason for tested in own for reason in _missed(tested, evidence)),
        *_moved(features, scores),
        *(Reason("watch", text) for text in stale),
    ]
    found.sort(key=lambda reason: -WORDS.index(reason.word))
    return ModelVerdict(found[0].word if found else "ok", tuple(found))


def _level(signals: Sequence[Signal]) -> Iterable[Reason]:
    """The surest signal speaks for all."""
    surest = min(signals, key=lambda signal: signal.p_value, default=None)
    if surest is None or surest.p_value > _WATCH or abs(surest.change) < _LEAST_CHANGE:
        return
    which = f"from {surest.months[0].start} to {surest.months[-1].end}"
    word: Word = "retrain" if surest.p_value <= _RETRAIN else "watch"
    yield Reason(
        word,
        f"Customers placed {abs(surest.change):.0%} {'fewer' if surest.change < 0 else 'more'} orders than expected "
        f"{which}; usual is {surest.lower:+.0%} to {surest.upper:+.0%}. Look for the cause first (missing data, a channel "
        "that stopped, an action of your own): training learns it as the new normal.",
    )


def _missed(tested: Backtest, evidence: Mapping[str, Any]) -> Iterable[Reason]:
    whole, at = tested.whole, f"The scores of {tested.as_of}"
    bounds, revenue = (evidence.get("portfolio") or {}).get("revenue"), whole.revenue
    if bounds and revenue and (revenue.upper < bounds["lower"] or revenue.lower > bounds["upper"]):
        yield Reason(
            "retrain",
            f"{at} expected revenue of which {revenue.value:.0%} came ({revenue.lower:.0%} to {revenue.upper:.0%}); "
            f"their own interval was {bounds['lower']:.0%} to {bounds['upper']:.0%}.",
        )
    judgement = evidence.get("judgement") or {}
    promised = (judgement.get("churn") or {}).get(judgement.get("churn_winner"), {}).get("auc")
    if promised is not None and whole.auc and whole.auc.upper < promised - _AUC_LOST:
        yield Reason(
            "retrain",
            f"{at} told who would leave with an AUC of {whole.auc.value:.3f} (at most {whole.auc.upper:.3f}); "
            f"on the test snapshot it was {promised:.3f}.",
        )


def _moved(features: Sequence[Moved], scores: Sequence[Moved]) -> Iterable[Reason]:
    """Features matter as far as scores moved; a feature that is gone or new in kind is worth a look all the same."""
    moved = [score for score in scores if score.level != "none"]
    if moved:
        causes = [feature.name for feature in features if feature.level == "much"][:_N_NAMED]
        why = f" Features that moved most: {', '.join(causes)}." if causes else " No feature moved much."
        yield Reason("watch", f"Scores moved: {'; '.join(score.sentence for score in moved)}.{why}")
    gone = [f.name for f in features if f.drift.missing == 1 and f.drift.missing_before < _MOSTLY_KNOWN]
    if gone:
        yield Reason("watch", f"{len(gone)} features are missing for everybody: {', '.join(gone[:_N_NAMED])}.")


@dataclass(frozen=True)
class Monitored:
    """Everything one run of monitoring found.

    Attributes
    ----------
    as_of : date
        The day after the last one of the data.
    model_version : str
    verdict : ModelVerdict
    signals, backtests, features, scores
        As ``judge`` takes them.
    notes : tuple of str
        What could not be looked at, and why.
    """

    as_of: date
    model_version: str
    verdict: ModelVerdict
    signals: tuple[Signal, ...]
    backtests: tuple[Backtest, ...]
    features: tuple[Moved, ...]
    scores: tuple[Moved, ...]
    notes: tuple[str, ...]
