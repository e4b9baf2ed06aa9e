from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cvm.models.btyd import Sbg
from cvm.models.retention import Retention

# Fader and Hardie (2007), table 1: the "high end" customers of figure 1, of 1,000 who started.
HIGH_END = [1000.0, 869.0, 743.0, 653.0, 593.0, 551.0, 517.0, 491.0]


def spells(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["periods", "churned", "n_spells"])


def cohort(survivors: list[float]) -> pd.DataFrame:
    left = -np.diff(survivors)
    n = len(left)
    return spells(*((k + 1.0, 1.0, left[k]) for k in range(n)), (float(n), 0.0, survivors[-1]))


class TestFit:
    def test_the_cohort_of_the_paper(self):
        retention = Retention.fit(cohort(HIGH_END))
        # FH07 p. 83: alpha .668, beta 3.806.
        assert retention.sbg.alpha == pytest.approx(0.668, abs=0.001)
        assert retention.sbg.beta == pytest.approx(3.806, abs=0.005)
        assert (retention.n_spells, retention.n_ended) == (1000, 509)

    def test_a_constant_rate_is_recovered_from_cohorts_of_all_ages(self):
        rng = np.random.default_rng(3)
        life = rng.exponential(20.0, 20_000)
        age = rng.uniform(0, 30, 20_000)
        left = np.ceil(life) <= np.floor(age)
        rows = pd.DataFrame(
            {"periods": np.where(left, np.ceil(life), np.floor(age)), "churned": left.astype(float), "n_spells": 1.0}
        )
        p = Retention.fit(rows).p_end_within(180, tenure_days=np.array([0.0, 90.0]))
        np.testing.assert_allclose(p, 1 - np.exp(-6 / 20), atol=0.01)

    @pytest.mark.parametrize("n_ended", [0, 1, 19])
    def test_a_handful_of_ends_is_one_rate_for_all(self, n_ended):
        retention = Retention.fit(spells((10.0, 0.0, 100.0), (1.0, 1.0, float(n_ended))))
        p = retention.p_end_within(30, tenure_days=np.array([0.0, 300.0, 3000.0]))
        rate = (n_ended + 0.5) / (1000 + n_ended + 10)
        np.testing.assert_allclose(p, rate, rtol=0.02)

    def test_a_base_in_which_everybody_left_at_once_leaves_at_once(self):
        p = Retention.fit(spells((1.0, 1.0, 500.0))).p_end_within(30, tenure_days=np.zeros(1))
        assert 0.95 < p[0] <= 1

    def test_a_single_cohort_still_running_is_finite(self):
        p = Retention.fit(spells((0.0, 0.0, 40.0))).p_end_within(90, tenure_days=np.array([3.0]))
        assert np.isfinite(p).all()
        assert p[0] == pytest.approx(1 - 0.95**3, rel=1e-3)  # what stands where nothing is known


class TestHolders:
    def test_who_stayed_longer_is_less_likely_to_leave(self):
        p = Retention.fit(cohort(HIGH_END)).p_end_within(90, tenure_days=np.array([0.0, 30.0, 300.0, 3000.0]))
        assert (np.diff(p) < 0).all()

    def test_a_period_of_a_new_subscriber_is_that_of_the_paper(self):
        sbg = Sbg(0.668, 3.806)
        p = Retention(sbg, 1000, 509).p_end_within(30, tenure_days=np.zeros(1))
        np.testing.assert_allclose(p, 0.668 / (0.668 + 3.806))


class TestWords:
    def test_the_note_says_how_many_are_left(self):
        note = Retention.fit(cohort(HIGH_END)).note
        assert note.startswith("Retention: of 100 new subscribers 38 are left after a year, ")
        assert "sBG, alpha 0.668, beta 3.81, from 1,000 subscribers and 509 ends" in note

    def test_it_says_when_few_or_none_left(self):
        few = Retention.fit(spells((10.0, 0.0, 100.0), (1.0, 1.0, 5.0)))
        assert "(one rate for all: few ends, from 105 subscribers and 5 ends)" in few.note
        none = Retention.fit(spells((10.0, 0.0, 1200.0)))
        assert none.note.startswith("Retention: none of 1,200 subscribers left so far")

    def test_state_survives_json_and_evidence_holds_the_curve(self):
        retention = Retention.fit(cohort(HIGH_END))
        assert Retention.from_state(json.loads(json.dumps(retention.state()))) == retention
        curve = retention.evidence()["share_left_by_period"]
        assert curve[0] == 1
        assert curve[7] == pytest.approx(0.491, abs=0.01)
        assert len(curve) == 37
