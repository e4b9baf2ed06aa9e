from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.errors import InsufficientDataError
from cvm.features.snapshots import SnapshotPlan, plan_snapshots

FIRST = date(2020, 1, 1)
HORIZON = 100


def plan(history_days: int, **options: Any) -> SnapshotPlan:
    """The plan of a history of so many days, scored the day after."""
    wanted = {"as_of": None, "horizon_days": HORIZON, "lead_days": 0, "snapshots": 4, "step_days": 30, **options}
    return plan_snapshots(first_day=FIRST, last_day=FIRST + timedelta(days=history_days - 1), **wanted)


def days(n: int) -> timedelta:
    return timedelta(days=n)


PLANS = st.builds(
    plan,
    st.integers(1, 3000),
    horizon_days=st.integers(1, 800),
    lead_days=st.integers(0, 120),
    snapshots=st.integers(1, 12),
    step_days=st.integers(1, 200),
)
bounded = settings(derandomize=True, deadline=None, database=None, max_examples=500)


def test_a_long_history_gives_disjoint_windows_and_all_snapshots():
    found = plan(1000)
    assert found.score == FIRST + days(1000)
    assert found.judged_days == HORIZON
    assert found.test == found.score - days(100)
    assert found.training == tuple(found.test - days(100 + 30 * k) for k in range(4))
    assert found.labelled == tuple(found.score - days(100 + 30 * k) for k in range(4))


@bounded
@given(PLANS)
def test_training_windows_never_overlap_the_outcome_window_of_the_test(found):
    for as_of in found.training:
        ends = as_of + days(found.lead_days + found.judged_days)
        assert ends <= found.test <= found.test + days(found.lead_days)


@bounded
@given(PLANS)
def test_no_outcome_window_reaches_beyond_the_scoring_date(found):
    for as_of, horizon_days in found.outcomes:
        assert as_of + days(found.lead_days + horizon_days) <= found.score


@bounded
@given(PLANS)
def test_the_test_window_ends_on_the_scoring_date_and_has_as_much_history_before_it(found):
    if found.test is None:
        assert (found.judged_days, found.training) == (0, ())
    else:
        assert found.test + days(found.lead_days + found.judged_days) == found.score
        assert (found.test - FIRST).days >= found.judged_days


@bounded
@given(PLANS)
def test_the_judged_horizon_is_never_longer_than_the_product_s(found):
    assert 0 <= found.judged_days <= found.horizon_days


@bounded
@given(PLANS)
def test_every_learning_snapshot_has_half_a_horizon_of_history(found):
    for as_of in found.training:
        assert (as_of - FIRST).days >= found.judged_days // 2
    for as_of in found.labelled:
        assert (as_of - FIRST).days >= found.horizon_days // 2


@bounded
@given(PLANS)
def test_snapshots_are_distinct_and_every_outcome_has_its_snapshot(found):
    for dates in (found.training, found.labelled):
        assert list(dates) == sorted(set(dates), reverse=True)
    assert found.as_of == sorted(set(found.as_of))
    assert {as_of for as_of, _ in found.outcomes} <= set(found.as_of)
    assert found.as_of[-1] == found.score
    assert len(set(found.outcomes)) == len(found.outcomes)


@bounded
@given(
    history_days=st.integers(1, 2000),
    horizon_days=st.integers(9, 400),  # four fifths of it make the week below which nothing is judged
    lead_days=st.integers(0, 60),
    step_days=st.integers(1, 100),
)
def test_models_learn_exactly_when_the_history_holds_two_windows(history_days, horizon_days, lead_days, step_days):
    found = plan(history_days, horizon_days=horizon_days, lead_days=lead_days, step_days=step_days)
    affords = history_days >= 2 * (horizon_days + lead_days)
    assert bool(found.training) == bool(found.labelled) == affords


@pytest.mark.parametrize(("history_days", "judged_days"), [(200, 80), (225, 90), (249, 99), (250, 100), (251, 100)])
def test_between_two_and_two_and_a_half_windows_the_judged_horizon_is_shorter(history_days, judged_days):
    found = plan(history_days)
    assert found.judged_days == judged_days
    assert found.horizon_days == HORIZON
    assert found.training[0] == found.score - days(2 * judged_days)
    assert found.labelled[0] == found.score - days(HORIZON)


@pytest.mark.parametrize(("history_days", "judged_days"), [(199, 99), (100, 50), (14, 7)])
def test_below_two_windows_nothing_is_learnt_and_half_the_history_judges(history_days, judged_days):
    found = plan(history_days)
    assert (found.training, found.labelled) == ((), ())
    assert found.judged_days == judged_days
    assert found.test == found.score - days(judged_days)
    assert found.as_of == [found.test, found.score]


@pytest.mark.parametrize("history_days", [1, 2, 13])
def test_a_history_too_short_to_judge_anything_is_only_scored(history_days):
    found = plan(history_days)
    assert (found.judged_days, found.test, found.training, found.labelled) == (0, None, (), ())
    assert found.as_of == [found.score]
    assert found.outcomes == []


def test_the_lead_lies_between_every_snapshot_and_its_window():
    found = plan(1000, lead_days=10)
    assert found.test == found.score - days(110)
    assert found.training[0] == found.test - days(110)
    assert found.labelled[0] == found.score - days(110)


def test_the_lead_counts_twice_in_what_the_history_must_hold():
    assert plan(219, lead_days=10).training == ()
    enough = plan(220, lead_days=10)
    assert enough.judged_days == (220 - 2 * 10) / 2.5
    assert enough.training == (enough.test - days(enough.judged_days + 10),)


def test_the_scoring_date_is_the_day_after_the_last_transaction_or_the_date_asked_for():
    assert plan(300).score == FIRST + days(300)
    asked = plan(1000, as_of=FIRST + days(600))
    assert asked.score == FIRST + days(600)
    assert asked == plan(600)


@pytest.mark.parametrize("as_of", [FIRST, FIRST - days(1), date(1999, 1, 1)])
def test_a_scoring_date_before_anything_is_known_is_refused(as_of):
    message = rf"windows\.as_of == {as_of} is not after the first transaction \(2020-01-01\).*from 2020-01-02 on, or latest"
    with pytest.raises(InsufficientDataError, match=message):
        plan(300, as_of=as_of)


def test_the_first_day_after_the_first_transaction_can_be_scored():
    assert plan(300, as_of=FIRST + days(1)).as_of == [FIRST + days(1)]


def test_a_scoring_date_long_after_the_last_transaction_is_refused():
    last = FIRST + days(299)
    assert plan(300, as_of=last + days(31)).score == last + days(31)
    message = (
        rf"windows\.as_of == {last + days(32)} is 32 days after the last transaction \({last}\).*as_of <= {last + days(1)}"
    )
    with pytest.raises(InsufficientDataError, match=message):
        plan(300, as_of=last + days(32))


class TestReplay:
    """The same day of an earlier year shows what was wrong in the same season."""

    def test_season_is_known_from_a_year_and_a_horizon_on(self):
        assert plan(365 + HORIZON - 1).replay(FIRST + days(365 + HORIZON - 1), HORIZON) is None
        found = plan(365 + HORIZON)
        replay = found.replay(found.score, HORIZON)
        assert (replay.as_of, replay.history_days, replay.silence_days) == (FIRST + days(HORIZON), HORIZON, 365)

    def test_the_test_snapshot_is_replayed_where_it_has_a_year_and_a_horizon_itself(self):
        assert [replay.as_of for replay in plan(365 + HORIZON).replays] == [FIRST + days(HORIZON)]
        found = plan(365 + 2 * HORIZON)
        assert [replay.as_of for replay in found.replays] == [found.score - days(365), found.test - days(365)]

    def test_a_window_of_more_than_a_year_is_replayed_two_years_ago(self):
        found = plan(2000, horizon_days=400, lead_days=10)
        replay = found.replay(found.score, 400)
        assert (found.score - replay.as_of, replay.silence_days) == (days(730), 720)

    def test_nothing_is_replayed_without_a_test_or_a_year(self):
        assert plan(50, horizon_days=3, lead_days=0).replays == []
        assert plan(1000).replay(None, HORIZON) is None

    @bounded
    @given(PLANS)
    def test_a_replay_has_a_horizon_of_history_and_ends_before_its_counterpart(self, found):
        for replay in found.replays:
            assert replay.history_days >= found.horizon_days
            assert replay.silence_days >= replay.horizon_days
            assert replay.as_of in found.as_of
            assert {(replay.as_of, replay.horizon_days), (replay.as_of, replay.silence_days)} <= set(found.outcomes)
