"""How long params let rows and outputs be kept, and whether that is long enough to learn from."""

from __future__ import annotations

from collections.abc import Mapping

from cvm.params import Params

# Kinds of output that ``privacy.keep_days`` limits as wholes.
_OUTPUTS = ("features", "scores", "actions", "audiences")
# The longest windows of features look back so far.
_FEATURE_DAYS = 365


def kept_outputs(params: Params) -> Mapping[str, int]:
    """Days by kind of output that ``privacy.keep_days`` limits."""
    kept = params.privacy.keep_days.model_dump(exclude_none=True)
    return {kind: kept[kind] for kind in _OUTPUTS if kind in kept}


def too_short(params: Params) -> tuple[str, ...]:
    """Warnings of rows that go before the models have learned from them."""
    windows, train, kept = params.windows, params.train, params.privacy.keep_days
    needed = _FEATURE_DAYS + (train.snapshots - 1) * train.step_days + windows.lead_days + windows.horizon_days
    return tuple(
        f"privacy.keep_days.{table} == {days}, but training looks {needed} days back (features of {_FEATURE_DAYS} days, "
        f"{train.snapshots} snapshots, an outcome window of {windows.horizon_days}): earlier rows count as none"
        for table in ("transactions", "events")
        if (days := getattr(kept, table)) is not None and days < needed
    )
