"""Past campaigns as the features stage writes them down, with known effects, for the tests of learning from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from cvm.features.files import DRAWN_FILE, EXPERIMENTS_FILE, features_file

COLUMNS = ("x", "noise", "city")


@dataclass(frozen=True)
class Past:
    """A campaign to write down: arms with their shares, what each adds, and what a contact cost."""

    campaign_id: str
    day: date
    n: int
    seed: int
    adds: Mapping[str, float] = field(default_factory=lambda: {"mail": 5.0})
    costs: Mapping[str, float] = field(default_factory=dict)
    control: float = 0.5
    first: int = 0

    @property
    def shares(self) -> dict[str, float]:
        return {"control": self.control, **dict.fromkeys(self.adds, (1 - self.control) / len(self.adds))}

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Features and draws; a treatment adds its amount to those with ``x > 0`` twice, to the others nothing."""
        rng = np.random.default_rng(self.seed)
        ids = [f"c{self.first + number:06d}" for number in range(self.n)]
        x, noise = rng.normal(size=(2, self.n))
        arm = rng.choice(list(self.shares), size=self.n, p=list(self.shares.values()))
        gain = np.array([self.adds.get(name, 0.0) for name in arm]) * 2 * (x > 0)
        features = pd.DataFrame(
            {
                "as_of": str(self.day),
                "customer_id": ids,
                "x": x,
                "noise": noise,
                "city": rng.choice(["Kyiv", "Lviv"], self.n),
                "n_orders": 1.0,
            }
        )
        margin = rng.gamma(4, 5, size=self.n) + gain
        drawn = {"campaign_id": self.campaign_id, "customer_id": ids, "as_of": str(self.day), "arm": arm, "margin": margin}
        return features, pd.DataFrame(drawn)


def write_past(
    folder: Path, campaigns: Sequence[Past], *, outcome_days: int = 30, notes: Sequence[str] = ()
) -> pd.DataFrame:
    """Write the files of the features stage; campaigns of one day draw from the same customers. The draws come back."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = [(one, *one.frames()) for one in campaigns]
    for day in {one.day for one in campaigns}:
        known = pd.concat([features for one, features, _ in frames if one.day == day]).drop_duplicates("customer_id")
        path = features_file(folder, day)
        path.parent.mkdir()
        known.sort_values("customer_id").to_parquet(path, index=False)
    drawn = pd.concat([rows for _, _, rows in frames], ignore_index=True)
    drawn.to_parquet(folder / DRAWN_FILE, index=False)
    known_campaigns = [
        {
            "campaign_id": one.campaign_id,
            "days": [str(one.day)],
            "shares": one.shares,
            "costs": {arm: one.costs.get(arm, 0.0) for arm in one.adds},
            "n_customers": one.n,
        }
        for one in campaigns
    ]
    state = {"outcome_days": outcome_days, "campaigns": known_campaigns, "notes": list(notes)}
    (folder / EXPERIMENTS_FILE).write_text(json.dumps(state), encoding="utf-8")
    return drawn
