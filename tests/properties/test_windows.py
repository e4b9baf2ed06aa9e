"""No plan that is made, from whatever history, lets a model learn from what it is judged on or from days still to come."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.features.snapshots import plan_snapshots
from cvm.models.leakage import refuse_overlap

FIRST = date(2020, 1, 1)


@settings(derandomize=True, deadline=None, database=None, max_examples=200)
@given(
    history_days=st.integers(1, 2_000),
    horizon_days=st.integers(1, 400),
    lead_days=st.integers(0, 60),
    snapshots=st.integers(1, 12),
    step_days=st.integers(1, 120),
)
def test_the_windows_of_a_plan_never_overlap(history_days, horizon_days, lead_days, snapshots, step_days):
    plan = plan_snapshots(
        first_day=FIRST,
        last_day=FIRST + timedelta(days=history_days - 1),
        as_of=None,
        horizon_days=horizon_days,
        lead_days=lead_days,
        snapshots=snapshots,
        step_days=step_days,
    )
    refuse_overlap(plan)
    window, judged = timedelta(days=plan.horizon_days + lead_days), timedelta(days=plan.judged_days + lead_days)
    assert all(as_of + judged <= plan.test for as_of in plan.training)
    assert all(as_of + window <= plan.score for as_of in plan.labelled)
    assert plan.test is None or plan.test + judged <= plan.score
