"""What a search for settings has found, whoever searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes
    ----------
    settings : dict
    losses : tuple of float
        Of each fold it got to, lower is better.
    pruned : bool
        Stopped early, because it was behind most others.
    seconds : float
    """

    settings: dict[str, Any]
    losses: tuple[float, ...]
    pruned: bool
    seconds: float

    @property
    def loss(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.losses))


@dataclass(frozen=True)
class Search:
    """The trials of one model.

    Attributes
    ----------
    model, metric : str
        What was tuned, and the loss by which.
    trials : tuple of Trial
        In order; the first has the defaults. Empty where time was up before it was done.
    wanted : int
        Trials asked for.
    """

    model: str
    metric: str
    trials: tuple[Trial, ...]
    wanted: int

    @property
    def lowest(self) -> Trial:
        """The complete trial with the lowest loss; the earlier of equals."""
        return min((trial for trial in self.trials if not trial.pruned), key=lambda trial: trial.loss)

    @property
    def chosen(self) -> dict[str, Any]:
        """Settings to fit with: those of ``lowest`` if the folds agree that they are better, else none but the defaults.

        The best of many trials looks better than it is. It counts only if it is ahead of the defaults, fold by fold, by more
        than the standard error of its lead.
        """
        if not self.trials:
            return {}
        lead = np.subtract(self.trials[0].losses, self.lowest.losses)
        return self.lowest.settings if lead.mean() > _standard_error(lead) else {}

    @property
    def note(self) -> str:
        """What came of it, in a sentence or two; the same for the same trials, whenever they were run."""
        n, n_pruned = len(self.trials), sum(trial.pruned for trial in self.trials)
        late = (
            f" Time was up after {n} of {self.wanted} trials, so the result depends on the speed of this machine; "
            "train again to go on from there."
            if n < self.wanted
            else ""
        )
        if not self.trials:
            return f"Tuning of {self.model}: the defaults stay.{late}"
        default, lowest = self.trials[0].loss, self.lowest.loss
        counted = f"in {n} trials, {n_pruned} pruned" if n > 1 else "in 1 trial"
        if self.chosen:
            return f"Tuning of {self.model}: {self.metric} {default:.4g} -> {lowest:.4g} out of fold {counted}.{late}"
        stay = f"Tuning of {self.model}: the defaults stay with a {self.metric} of {default:.4g} out of fold"
        if self.lowest is self.trials[0]:
            return f"{stay}, the lowest {counted}.{late}"
        return f"{stay}; the lowest {counted}, {lowest:.4g}, is no further ahead than its standard error.{late}"

    def state(self) -> dict[str, Any]:
        """The result as JSON values, without what differs from run to run."""
        return {
            "model": self.model,
            "metric": self.metric,
            "trials": len(self.trials),
            "pruned": sum(trial.pruned for trial in self.trials),
            "default_loss": self.trials[0].loss if self.trials else None,
            "lowest_loss": self.lowest.loss if self.trials else None,
            "chosen": self.chosen,
        }


def _standard_error(values: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
