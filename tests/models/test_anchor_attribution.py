from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from cvm.models.anchor_attribution import Outlook, Usual, attribute_history, usual_gap_days
from cvm.models.btyd import Btyd, MbgNbd, ParetoNbd
from cvm.models.btyd.hindsight import Hindsight
from cvm.models.btyd.season import SeasonClock
from cvm.models.logits import finite_logit
from simulated import PROCESS, SPEND, TRUTH, histories

AS_OF = date(2024, 6, 1)
BASE = histories(n_customers=600, seed=5)
USUAL = Usual(40.0, on_time=0.3)
SEASON = SeasonClock(tuple((1 + 0.5 * np.sin(np.arange(365) / 58)).tolist()))

MODELS = {
    "BG/NBD": TRUTH,
    "MBG/NBD": Btyd(MbgNbd(r=0.8, alpha=30.0, a=0.8, b=3.0), SPEND),
    "Pareto/NBD": Btyd(ParetoNbd(r=0.8, alpha=30.0, s=0.6, beta=60.0), SPEND),
    "season and hindsight": Btyd(PROCESS, SPEND, SEASON, Hindsight(churn_shift=0.4)),
}


def attributed(customers: pd.DataFrame, *, btyd: Btyd = TRUTH, lead_days: float = 0.0) -> np.ndarray:
    outlook = Outlook(btyd, 90.0, lead_days, AS_OF)
    return attribute_history(outlook.predict(customers), outlook, USUAL)


def customers(*histories_of: tuple[float, float, float]) -> pd.DataFrame:
    """(orders, days since the first, days since the last)."""
    frame = pd.DataFrame(histories_of, columns=["n_orders", "tenure_days", "recency_days"]).astype(float)
    return frame.assign(mean_order_value=40.0)


class TestHistory:
    @pytest.mark.parametrize("name", MODELS)
    @pytest.mark.parametrize("lead_days", [0.0, 14.0])
    def test_silence_and_rhythm_add_up_to_the_logit(self, name: str, lead_days: float) -> None:
        btyd = MODELS[name]
        found = attributed(BASE, btyd=btyd, lead_days=lead_days)
        p = btyd.predict(BASE, horizon_days=90, lead_days=lead_days, as_of=AS_OF)["btyd_p_no_order"].to_numpy()
        np.testing.assert_allclose(USUAL.on_time + found.sum(axis=1), finite_logit(p), rtol=0, atol=1e-9)

    @pytest.mark.parametrize("name", [name for name in MODELS if "season" not in name])
    def test_silence_raises_churn_where_it_lasts_longer_than_usual(self, name: str) -> None:
        silence = attributed(BASE, btyd=MODELS[name])[:, 0]
        is_late = USUAL.lateness(BASE, Outlook(TRUTH, 90.0)) > 1
        assert 0.2 < is_late.mean() < 0.9
        assert (silence[is_late] > 0).all()
        assert (silence[~is_late] <= 0).all()

    def test_the_same_silence_says_more_of_who_buys_often(self) -> None:
        often, rarely = attributed(customers((20, 694, 94), (4, 694, 94)))[:, 0]
        assert often > 1 > 0 > rarely

    def test_equal_rhythms_contribute_equally_however_long_the_silence(self) -> None:
        rhythm = attributed(customers((6, 310, 10), (6, 400, 100), (6, 900, 600)))[:, 1]
        np.testing.assert_allclose(rhythm, rhythm[0])

    def test_a_customers_contributions_depend_on_nobody_else(self) -> None:
        together = attributed(BASE)
        shuffled = BASE.sample(frac=1, random_state=2)
        np.testing.assert_array_equal(attributed(shuffled), together[shuffled.index])
        np.testing.assert_array_equal(attributed(BASE.iloc[[7]]), together[[7]])

    def test_orders_all_on_one_day_are_a_rhythm_too(self) -> None:
        assert np.isfinite(attributed(customers((5, 3, 3), (1, 1, 1), (5000, 20000, 1)))).all()


class TestUsual:
    def test_the_usual_gap_is_the_median_of_mean_gaps_and_at_least_a_day(self) -> None:
        outlook = Outlook(TRUTH, 90.0)
        assert usual_gap_days(customers((3, 110, 10), (2, 40, 10), (2, 70, 10), (1, 500, 500)), outlook) == 50
        assert usual_gap_days(customers((3, 9, 9), (1, 5, 5)), outlook) == 1
        assert usual_gap_days(customers((1, 5, 5)), outlook) == 1

    def test_the_gap_of_the_base_counts_as_one_more_of_the_customers(self) -> None:
        assert USUAL.gaps(np.array([0.0, 1.0, 3.0]), np.array([0.0, 20.0, 60.0])).tolist() == [40, 30, 25]

    def test_lateness_counts_silence_in_usual_gaps(self) -> None:
        found = USUAL.lateness(customers((1, 100, 100), (4, 90, 30)), Outlook(TRUTH, 90.0))
        assert found.tolist() == [2.5, 1.2]
