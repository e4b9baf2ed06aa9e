"""Which BTYD family a base gets: the one that foretold best what followed the training snapshots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np

from cvm.errors import InsufficientDataError
from cvm.features.snapshots import SnapshotPlan
from cvm.models.btyd import FAMILIES, Family
from cvm.models.logits import within
from cvm.models.samples import Sample, SnapshotReader

# Where no snapshot teaches otherwise.
_DEFAULT: Family = "bg_nbd"


@dataclass(frozen=True)
class FamilyChoice:
    """A family and why it was taken.

    Attributes
    ----------
    family : str
    criterion : str
        In words, what ``losses`` are.
    losses : dict of str to float
        Per family, lower is better; without the families that could not be fitted. Empty where nothing was compared.
    """

    family: Family
    criterion: str
    losses: dict[str, float]

    @property
    def note(self) -> str:
        """One sentence for the reader of a run."""
        figures = ", ".join(f"{FAMILIES[name].label} {loss:.4f}" for name, loss in self.losses.items())
        return f"BTYD family: {FAMILIES[self.family].label}, by {self.criterion}{f' ({figures})' if figures else ''}."

    def state(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def choose_family(reader: SnapshotReader, plan: SnapshotPlan, *, progress: Callable[[str], None]) -> FamilyChoice:
    """Fit every family to what each training snapshot knew, and compare it with what followed.

    Never looks at the test window. Without training snapshots the likelihood of the histories before the test decides: all
    families have four parameters, so none is favoured.

    Parameters
    ----------
    reader : SnapshotReader
        Its ``fit_btyd`` takes a ``family``.
    plan : SnapshotPlan
    progress : callable
        Told in words what is being done.
    """
    if plan.training:
        n = len(plan.training)
        criterion = f"its loss on what followed {n} training snapshot{'s' if n > 1 else ''}"
        losses = _compare(reader, lambda candidate: _loss_after(candidate, plan), progress)
    else:
        known = plan.test or plan.score
        criterion = f"the likelihood of the histories before {known}, minus its logarithm per customer"
        everyone = reader.features(known)
        losses = _compare(
            reader,
            lambda candidate: -candidate.fit_btyd(everyone, as_of=known, daily_orders=None).log_likelihood(everyone),
            progress,
        )
    best = cast("Family", min(losses, key=lambda name: losses[name])) if losses else _DEFAULT
    return FamilyChoice(best, criterion if losses else "default", losses)


def with_family(reader: SnapshotReader, family: Family) -> SnapshotReader:
    """The same snapshots, read with BTYD of this family."""
    return replace(reader, fit_btyd=partial(reader.fit_btyd, family=family))


def prediction_loss(sample: Sample) -> float:
    """What BTYD's two predictions cost on one snapshot, in nats per customer; lower is better, NaN without customers.

    Half the Poisson deviance of expected orders, plus the log loss of P(no order). The deviance is least at the true mean
    whatever the distribution of counts, the log loss at the true probability, so their sum is proper for the pair, and the
    pair is what CLV and churn are anchored on.
    """
    actual, silent = sample.n_orders, (sample.n_orders == 0).astype(float)
    if len(actual) == 0:
        return float("nan")
    expected = np.maximum(sample.features["btyd_expected_orders"].to_numpy(float), 1e-6)
    p = within(sample.features["btyd_p_no_order"].to_numpy(float))
    surprise = actual * np.log(np.where(actual > 0, actual, 1.0) / expected)
    deviance = np.where(actual > 0, surprise, 0.0) - (actual - expected)
    log_loss = -(silent * np.log(p) + (1 - silent) * np.log1p(-p))
    return float(np.mean(deviance + log_loss))


def _loss_after(candidate: SnapshotReader, plan: SnapshotPlan) -> float:
    losses = np.array([prediction_loss(candidate.sample(as_of, plan.judged_days)) for as_of in plan.training])
    return float(losses[np.isfinite(losses)].mean()) if np.isfinite(losses).any() else float("nan")


def _compare(
    reader: SnapshotReader, loss: Callable[[SnapshotReader], float], progress: Callable[[str], None]
) -> dict[str, float]:
    losses = {}
    for name, process in FAMILIES.items():
        progress(f"BTYD family: {process.label}")
        try:
            found = loss(with_family(reader, cast("Family", name)))
        except InsufficientDataError:  # a backend may fail on one family alone; on all, the final fit says why
            continue
        if np.isfinite(found):
            losses[name] = found
    return losses
