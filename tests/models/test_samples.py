from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cvm.errors import MissingOutputError
from cvm.features.files import calendar_file, features_file, outcome_file, treatments_file
from cvm.features.snapshots import Replay
from cvm.models import samples
from cvm.models.btyd import BTYD_COLUMNS
from cvm.models.btyd.hindsight import Hindsight
from cvm.models.btyd.season import SeasonClock
from cvm.models.samples import ProspectRate, SnapshotReader, is_judged
from simulated import TRUTH

AS_OF = date(2024, 3, 1)

EVERYONE = pd.DataFrame(
    {
        "as_of": str(AS_OF),
        "customer_id": ["buyer", "lapsed", "prospect 1", "prospect 2", "silent"],
        "n_orders": [5.0, 3.0, 0.0, 0.0, 1.0],
        "recency_days": [10.0, 200.0, np.nan, np.nan, 90.0],
        "tenure_days": [100.0, 300.0, np.nan, np.nan, 90.0],
        "mean_order_value": [20.0, 30.0, np.nan, np.nan, 40.0],
    }
)
# Who ordered; somebody new among them, whom the snapshot could not know.
OUTCOME = pd.DataFrame(
    {"customer_id": ["buyer", "newcomer", "prospect 2"], "n_orders": [2, 1, 3], "revenue": [50.0, 9.0, 120.0]}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    features_file(tmp_path, AS_OF).parent.mkdir()
    EVERYONE.to_parquet(features_file(tmp_path, AS_OF), index=False)
    OUTCOME.to_parquet(outcome_file(tmp_path, AS_OF, 90), index=False)
    return tmp_path


def reader(folder, *, lead_days=0, eligible_days=None, fit_btyd=lambda *_, **__: TRUTH):
    return SnapshotReader(folder, fit_btyd, lead_days, eligible_days)


class TestIsJudged:
    def test_everyone_with_an_order_is(self):
        assert is_judged(EVERYONE, None).tolist() == [True, True, False, False, True]

    @pytest.mark.parametrize(
        ("eligible_days", "judged"), [(200, ["buyer", "lapsed", "silent"]), (90, ["buyer", "silent"]), (9, [])]
    )
    def test_eligible_days_bound_the_days_since_the_last_order(self, eligible_days, judged):
        assert EVERYONE["customer_id"][is_judged(EVERYONE, eligible_days)].tolist() == judged


class TestSample:
    def test_outcomes_are_aligned_and_0_for_those_who_did_nothing(self, folder):
        sample = reader(folder).sample(AS_OF, 90)
        assert sample.features["customer_id"].tolist() == ["buyer", "lapsed", "silent"]
        assert sample.n_orders.tolist() == [2.0, 0.0, 0.0]
        assert sample.revenue.tolist() == [50.0, 0.0, 0.0]
        assert sample.churned.tolist() == [0.0, 1.0, 1.0]

    def test_btyd_speaks_of_the_outcome_window(self, folder):
        sample = reader(folder, lead_days=14).sample(AS_OF, 90)
        buyers = EVERYONE[EVERYONE["n_orders"] > 0].reset_index(drop=True)
        expected = TRUTH.predict(buyers, horizon_days=90, lead_days=14)
        pd.testing.assert_frame_equal(sample.features[list(BTYD_COLUMNS)], expected)

    def test_btyd_is_fitted_to_all_of_the_snapshot_and_to_nothing_else(self, folder):
        seen = []

        def fit(features, **_):
            seen.append(features)
            return TRUTH

        reader(folder, eligible_days=90, fit_btyd=fit).sample(AS_OF, 90)
        (features,) = seen
        pd.testing.assert_frame_equal(features, EVERYONE)

    def test_customers_beyond_eligible_days_are_left_out(self, folder):
        sample = reader(folder, eligible_days=90).sample(AS_OF, 90)
        assert sample.features["customer_id"].tolist() == ["buyer", "silent"]
        assert sample.n_orders.tolist() == [2.0, 0.0]

    def test_a_snapshot_in_which_nobody_is_eligible_is_empty(self, folder):
        sample = reader(folder, eligible_days=1).sample(AS_OF, 90)
        assert len(sample.features) == len(sample.n_orders) == len(sample.revenue) == len(sample.churned) == 0

    def test_a_snapshot_that_is_not_on_file_is_refused_with_the_command_that_writes_it(self, folder):
        with pytest.raises(MissingOutputError, match=r"as_of=2024-04-01.*cvm features"):
            reader(folder).sample(date(2024, 4, 1), 90)

    def test_an_outcome_that_is_not_on_file_is_refused_with_the_command_that_writes_it(self, folder):
        with pytest.raises(MissingOutputError, match=r"outcome_30d\.parquet.*cvm features"):
            reader(folder).sample(AS_OF, 30)


class TestProspectRate:
    def test_it_is_the_mean_over_all_who_had_not_ordered(self, folder):
        # One of two ordered three times, for 120 in all.
        assert reader(folder).prospect_rate(AS_OF, 90) == ProspectRate(2, expected_orders=1.5, expected_order_value=40.0)

    def test_eligible_days_do_not_concern_prospects(self, folder):
        assert reader(folder, eligible_days=1).prospect_rate(AS_OF, 90).n_customers == 2

    def test_few_prospects_vouch_for_fewer_orders_worth_those_of_any_new_customer(self):
        few = ProspectRate(20, expected_orders=0.5, expected_order_value=90.0).shrunk(order_value=30.0)
        assert few == ProspectRate(20, expected_orders=0.25, expected_order_value=60.0)
        many = ProspectRate(100_000, expected_orders=0.5, expected_order_value=90.0).shrunk(order_value=30.0)
        assert (many.expected_orders, many.expected_order_value) == pytest.approx((0.5, 90.0), rel=1e-3)
        assert ProspectRate(0, 0.0, 0.0).shrunk(order_value=30.0) == ProspectRate(0, 0.0, 30.0)

    def test_prospects_who_never_ordered_have_a_rate_of_0(self, folder):
        OUTCOME.head(1).to_parquet(outcome_file(folder, AS_OF, 90), index=False)
        assert reader(folder).prospect_rate(AS_OF, 90) == ProspectRate(2, 0.0, 0.0)

    def test_without_prospects_there_is_none(self, folder):
        EVERYONE[EVERYONE["n_orders"] > 0].to_parquet(features_file(folder, AS_OF), index=False)
        assert reader(folder).prospect_rate(AS_OF, 90) == ProspectRate(0, 0.0, 0.0)


class TestSeason:
    """Where history is long enough, BTYD is fitted on the daily orders of its past and corrected by what it got wrong."""

    REPLAY = Replay(AS_OF, horizon_days=90, silence_days=365, history_days=400)

    @pytest.fixture
    def folder(self, folder):
        day = (AS_OF - date(1970, 1, 1)).days
        orders = pd.DataFrame({"day": [day - 300, day - 100, day - 10], "n_orders": [4, 2, 1], "n_joined": [2, 1, 0]})
        orders.to_parquet(calendar_file(folder, AS_OF), index=False)
        OUTCOME.to_parquet(outcome_file(folder, AS_OF, 365), index=False)
        return folder

    def test_daily_orders_hold_every_day_from_the_first_order_to_the_last_before_the_snapshot(self, folder):
        told = {}

        def fit(_, **given):
            told.update(given)
            return TRUTH

        seasonal = SnapshotReader(folder, fit, 0, None, knows_season=lambda as_of: as_of == AS_OF)
        seasonal.sample(AS_OF, 90)
        daily_orders = told["daily_orders"]
        assert told["as_of"] == AS_OF
        assert daily_orders.first_day == (AS_OF - date(1970, 1, 1)).days - 300
        assert len(daily_orders.n_orders) == len(daily_orders.n_joined) == 300
        assert daily_orders.n_orders[[0, 200, 290]].tolist() == [4, 2, 1]
        assert (daily_orders.n_orders.sum(), daily_orders.n_joined.sum()) == (7, 3)

    def test_a_short_history_gets_no_daily_orders(self, folder):
        told = []

        def fit(_, **given):
            told.append(given["daily_orders"])
            return TRUTH

        reader(folder, fit_btyd=fit).sample(AS_OF, 90)
        assert told == [None]

    def test_a_few_customers_teach_no_hindsight(self, folder):
        assert reader(folder).hindsight(self.REPLAY, SeasonClock()) == Hindsight()
        assert reader(folder).hindsight(None, SeasonClock()) == Hindsight()

    def test_hindsight_changes_what_btyd_expects(self, folder, monkeypatch):
        plain = reader(folder).sample(AS_OF, 90)
        learned = Hindsight(revenue_factor=1.5, churn_shift=0.2)
        monkeypatch.setattr("cvm.models.samples.learn_hindsight", lambda *_, **__: learned)
        found = reader(folder).sample(AS_OF, 90, replay=self.REPLAY)
        value, p = "btyd_expected_order_value", "btyd_p_no_order"
        assert found.features[value].to_numpy() == pytest.approx(1.5 * plain.features[value].to_numpy())
        assert (found.features[p] > plain.features[p]).all()
        assert found.features["btyd_p_alive"].equals(plain.features["btyd_p_alive"])

    def test_a_year_ago_is_told_on_todays_clock_where_it_could_not_know_its_own(self, folder):
        today, told = replace(TRUTH, clock=SeasonClock((1.0,) * 365)), []

        def fit(_, **given):
            told.append((given["as_of"], given["clock"]))
            return today

        reader(folder, fit_btyd=fit).sample(AS_OF, 90, replay=self.REPLAY)
        assert told == [(AS_OF, None), (self.REPLAY.as_of, today.clock)]


class TestTreatedWindows:
    """Campaigns in the outcome window: whose outcomes count."""

    DRAWN = pd.DataFrame({"customer_id": ["buyer", "silent", "newcomer"], "is_treated": [True, False, True]})

    @pytest.fixture
    def folder(self, folder):
        self.DRAWN.to_parquet(treatments_file(folder, AS_OF, 90), index=False)
        return folder

    @pytest.mark.parametrize(
        ("treated", "left"),
        [("include", ["buyer", "lapsed", "silent"]), ("exclude", ["lapsed", "silent"]), ("control_only", ["silent"])],
    )
    def test_customers_are_left_out_of_a_sample_and_counted(self, folder, treated, left):
        sample = replace(reader(folder), treated=treated).sample(AS_OF, 90)
        assert sample.features["customer_id"].tolist() == left
        assert sample.n_orders.tolist() == [{"buyer": 2.0}.get(customer, 0.0) for customer in left]
        assert (sample.window_use.n_used, sample.window_use.n_left_out) == (len(left), 3 - len(left))

    def test_btyd_is_fitted_to_everyone_all_the_same(self, folder):
        seen = []

        def fit(features, **_):
            seen.append(len(features))
            return TRUTH

        replace(reader(folder, fit_btyd=fit), treated="control_only").sample(AS_OF, 90)
        assert seen == [len(EVERYONE)]

    @pytest.mark.parametrize(
        ("treated", "seen"),
        [
            ("include", ["buyer", "lapsed", "silent"]),
            ("exclude", ["lapsed", "silent"]),
            ("control_only", ["lapsed", "silent"]),
        ],
    )
    def test_hindsight_looks_at_all_untreated_because_a_holdout_is_small(self, folder, monkeypatch, treated, seen):
        looked = []
        monkeypatch.setattr(samples, "learn_hindsight", lambda window, silence, **_: looked.append((window, silence)))
        OUTCOME.to_parquet(outcome_file(folder, AS_OF, 365), index=False)
        self.DRAWN.to_parquet(treatments_file(folder, AS_OF, 365), index=False)
        replace(reader(folder), treated=treated).hindsight(TestSeason.REPLAY, SeasonClock())
        ((window, silence),) = looked
        assert len(window.ordered) == len(silence.ordered) == len(seen)
        assert window.ordered.tolist() == [float(customer == "buyer") for customer in seen]

    def test_a_window_without_campaigns_keeps_everyone(self, folder):
        self.DRAWN[:0].to_parquet(treatments_file(folder, AS_OF, 90), index=False)
        assert replace(reader(folder), treated="control_only").sample(AS_OF, 90).n_left_out == 0

    def test_features_of_an_older_run_are_refused_with_the_command_that_makes_them_anew(self, folder):
        treatments_file(folder, AS_OF, 90).unlink()
        with pytest.raises(MissingOutputError, match=r"treatments_90d\.parquet.*cvm features"):
            replace(reader(folder), treated="exclude").sample(AS_OF, 90)
        assert len(reader(folder).sample(AS_OF, 90).features) == 3
