from __future__ import annotations

from datetime import date, datetime, timedelta

import pyarrow as pa
import pytest
from scipy.stats import chi2_contingency

import python_draws
from cvm.campaigns.assignment import AssignmentError, Split
from cvm.campaigns.holdout import GlobalHoldout, HoldoutPeriod, holdout_query
from cvm.engines import DuckDBEngine
from cvm.params import Params
from cvm.stages.inputs import global_holdout_of
from memory import Memory
from sql_draws import assign, held_out

IDS = [f"c{number}" for number in range(20_000)]
START = date(2026, 1, 1)
HOLDOUT = GlobalHoldout(0.1, START, rotation_days=90, ends_on=date(2026, 12, 1))
TWO = Split({"control": 0.3, "mail": 0.7})


@pytest.fixture
def engine() -> DuckDBEngine:
    engine = Memory()
    engine.register("customers", pa.table({"customer_id": IDS}))
    return engine


def test_periods_follow_each_other_without_a_gap_up_to_the_end() -> None:
    days = [START + timedelta(days=number) for number in range(-1, 336)]
    periods = [HOLDOUT.period(day) for day in days]
    assert periods[0] is None
    assert periods[-1] is None
    for day, period in zip(days[1:-2], periods[1:-2], strict=True):
        assert period is not None
        assert period.starts_on <= day < period.ends_on
        assert period.number == (day - START).days // 90
    assert HOLDOUT.period(date(2026, 11, 30)) == HoldoutPeriod(3, date(2026, 9, 28), date(2026, 12, 1))


def test_the_holdout_stands_still_within_a_period_and_is_drawn_anew_in_the_next() -> None:
    first, last, following = (held_out(IDS, HOLDOUT, on=START + timedelta(days=days), salt="s") for days in (0, 89, 90))
    assert first.tolist() == python_draws.held_out(IDS, HOLDOUT, on=START, salt="s").tolist()
    assert (first == last).all()
    assert abs(first.mean() - 0.1) < 4 * (0.09 / len(IDS)) ** 0.5
    # Who was held out before is as likely to be so again as anybody.
    table = [[int(((first == one) & (following == two)).sum()) for two in (True, False)] for one in (True, False)]
    assert chi2_contingency(table).pvalue > 0.001


def test_nobody_is_held_out_before_the_start_and_from_the_end_on() -> None:
    for day in (START - timedelta(days=1), date(2026, 12, 1)):
        assert not held_out(IDS, HOLDOUT, on=day, salt="s").any()
    assert not held_out(IDS[:9], None, on=START, salt="s").any()


def test_the_holdout_takes_the_same_share_of_either_arm_of_a_campaign() -> None:
    left_alone = held_out(IDS, HOLDOUT, on=START, salt="s")
    arms = assign(IDS, TWO, campaign_id="a", salt="s")
    table = [[int(((arms == arm) & (left_alone == out)).sum()) for out in (True, False)] for arm in TWO.shares]
    assert chi2_contingency(table).pvalue > 0.001


def test_the_holdout_is_a_campaign_of_its_own_in_the_ledger(engine: DuckDBEngine) -> None:
    rows = engine.table(holdout_query("customers", HOLDOUT, on=date(2026, 5, 1), salt="s")).to_pylist()
    left_alone = python_draws.held_out(IDS, HOLDOUT, on=date(2026, 5, 1), salt="s")
    assert {row["customer_id"] for row in rows if row["arm"] == "control"} == {
        name for name, out in zip(IDS, left_alone, strict=True) if out
    }
    assert {(row["campaign_id"], row["assigned_at"], row["propensity"]) for row in rows} == {
        ("global_holdout_2026-04-01", datetime(2026, 4, 1), 0.1),
        ("global_holdout_2026-04-01", datetime(2026, 4, 1), 0.9),
    }


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_of_nobody_or_all_is_refused(share: float) -> None:
    with pytest.raises(AssignmentError, match=r"share of the global holdout == .*, must be above 0 and below 1"):
        GlobalHoldout(share, START)


def test_a_holdout_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(AssignmentError, match="starts on 2026-01-01 and ends on 2026-01-01; it must end on a later day"):
        GlobalHoldout(0.1, START, ends_on=START)


def test_a_rotation_of_no_days_is_refused() -> None:
    with pytest.raises(AssignmentError, match="rotation of the global holdout == 0 days, must be at least 1"):
        GlobalHoldout(0.1, START, rotation_days=0)


def test_a_ledger_of_no_holdout_is_refused() -> None:
    with pytest.raises(AssignmentError, match="holdout on 2026-12-01: it starts on 2026-01-01 and ends on 2026-12-01"):
        holdout_query("customers", HOLDOUT, on=date(2026, 12, 1), salt="s")


def test_params_say_the_global_holdout_or_none() -> None:
    said = {"share": 0.05, "starts_on": START, "rotation_days": 30, "ends_on": None}
    params = Params.model_validate({"data": {"dataset": "cdnow"}, "campaigns": {"global_holdout": said}})
    assert global_holdout_of(params) == GlobalHoldout(0.05, START, 30)
    assert global_holdout_of(Params.model_validate({"data": {"dataset": "cdnow"}})) is None
