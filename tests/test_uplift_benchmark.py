"""The uplift benchmark runs, goes on where it stopped, and its figures are what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import uplift
import uplift_peers
from uplift_peers import OURS, SCORED, Scores
from uplift_report import by_repeat, compared, report


@pytest.fixture
def data(tmp_path):
    """As the public file, with effects on visits of those who bought women's things."""
    rng = np.random.default_rng(1)
    n = 3_000
    table = pd.DataFrame(
        {
            "recency": rng.integers(1, 13, size=n),
            "history": rng.gamma(2, 100, size=n).round(2),
            "mens": rng.integers(2, size=n),
            "womens": rng.integers(2, size=n),
            "zip_code": rng.choice(["Urban", "Rural"], size=n),
            "newbie": rng.integers(2, size=n),
            "channel": rng.choice(["Web", "Phone"], size=n),
            "segment": rng.choice(["No E-Mail", "Womens E-Mail", "Mens E-Mail"], size=n),
        }
    )
    table["visit"] = (rng.random(n) < 0.2 + 0.2 * (table["womens"] * (table["segment"] == "Womens E-Mail"))).astype(int)
    table["spend"] = table["visit"] * rng.gamma(2, 20, size=n)
    path = tmp_path / "hillstrom.csv"
    table.to_csv(path, index=False)
    return path


def ranked_by(name: str, column: str, **notes):
    def learns(_taught, judged, _seed):
        return Scores({name: judged.features[column].to_numpy(float)}, notes)

    return learns


def absent(*_):
    raise ImportError("no module named econml")


@pytest.fixture
def contestants(monkeypatch):
    ours = ranked_by(OURS, "womens", chosen="mean", differs=True)
    monkeypatch.setattr(uplift, "LEARNERS", {"cvm": ours, "peer": ranked_by("peer", "history"), "gone": absent})


def test_it_goes_on_where_it_stopped(data, tmp_path, contestants):
    parts = tmp_path / "parts" / "parts.jsonl"
    cases = (uplift.Case("Womens", "visit"),)
    assert uplift.run(data, parts, cases=cases, repeats=1, learners=["cvm"]) == {}
    assert len(uplift.read_parts(parts)) == 2
    missing = uplift.run(data, parts, cases=cases, repeats=3, learners=["cvm", "peer", "gone"])
    assert missing == {"gone": "no module named econml"}
    found = uplift.read_parts(parts)
    assert len(found) == 12
    assert len({part.key for part in found}) == 12
    ours, peer = by_repeat(found, "Womens, visit", OURS), by_repeat(found, "Womens, visit", "peer")
    against = compared(ours, peer)
    assert (against.n_repeats, against.met) == (3, True)
    text = report(found, missing)
    assert "| Womens, visit | peer | 3 | +" in text
    assert "| Womens, visit | 6 of 6 | mean 6 |" in text
    assert "gone: missing here (no module named econml)" in text


def test_halves_share_nobody(data):
    experiment = uplift.mailed(data, uplift.Case("Mens", "spend"))
    (taught, judged), (again, _) = uplift.halves(experiment, 3)
    names = [set(half.features["customer_id"]) for half in (taught, judged, again)]
    assert not names[0] & names[1]
    assert names[1] == names[2]


def test_a_difference_is_as_sure_as_its_repeats_agree():
    ours = {0: np.array([3.0, 5.0]), 1: np.array([1.0, 1.0]), 2: np.array([9.0, 9.0])}
    found = compared(ours, {0: np.array([2.0, 2.0]), 1: np.array([2.0, 2.0])})
    assert (found.n_repeats, found.difference, found.error) == (2, pytest.approx(0.5), pytest.approx(1.5))
    assert found.met
    assert compared(ours, {0: np.array([1.0, 1.0])}) is None


@pytest.mark.slow
def test_ours_ranks_and_scores(data):
    experiment = uplift.mailed(data, uplift.Case("Womens", "visit"))
    found = uplift_peers.cvm_scores(experiment, experiment, 7)
    assert set(found.by_name) == {OURS, SCORED}
    assert set(found.notes) == {"chosen", "p_value", "differs"}
