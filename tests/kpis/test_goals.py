from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from cvm.evaluation import wilson_interval
from cvm.kpis.goals import GoalProgress
from cvm.kpis.settings import Goal, KpiSettings, Scores
from cvm.kpis.stage import compute_kpis
from shop import order, typed_warehouse

AS_OF = date(2024, 7, 1)
GOAL = Goal(
    name="goal", metric="revenue", segment=None, period="month", baseline=None, baseline_from=date(2024, 2, 1), target=0.5,
    is_relative=True, deadline=date(2024, 12, 1),
)  # fmt: skip


@pytest.fixture(scope="module")
def measure(tmp_path_factory: pytest.TempPathFactory):
    """Goals on a base whose revenue is 100 in January and 20 more each month; of 100 customers the half stays each month."""
    lines: list[dict[str, Any]] = [order("first", on="2023-12-01", amount=1)]
    for month in range(1, 7):
        lines.append(order("steady", on=f"2024-{month:02}-15", amount=100 + 20 * (month - 1) - 10))
        lines += [order(f"{month} {n}", on=f"2024-{month:02}-20", amount=0.1) for n in range(100)]
        lines += [order(f"{month - 1} {n}", on=f"2024-{month:02}-28", amount=0) for n in range(50)]
    folder = tmp_path_factory.mktemp("goals")

    def progress(**changes: Any) -> GoalProgress:
        scores = changes.pop("scores", Scores())
        with typed_warehouse(transactions=lines) as engine:
            asked = KpiSettings(periods=("year",), active_days=20)
            goals = [replace(GOAL, **changes)]
            return compute_kpis(engine, asked, goals, score_files=scores, effects=folder, as_of=AS_OF).goals[0]

    return progress


def test_progress_is_the_share_of_the_way_gone_against_a_straight_line(measure):
    found = measure()
    # 120 in February, 200 in June; the target is 180, the line has gone 151 of 304 days.
    assert (found.baseline, found.target, found.value) == (pytest.approx(120), pytest.approx(180), pytest.approx(200))
    assert found.progress == pytest.approx(80 / 60)
    assert (found.status, found.measured_until) == ("reached", AS_OF)
    assert found.lower < 200 < found.upper


@pytest.mark.parametrize(
    ("target", "deadline", "status"),
    [
        (1.5, date(2024, 12, 1), "behind"),  # 44 % of the way, 50 % of the time
        (1.5, date(2025, 6, 1), "on_track"),
        (1.5, date(2024, 6, 30), "missed"),
        (-0.5, date(2024, 12, 1), "behind"),
    ],
)
def test_the_status_follows_from_the_way_and_the_time(measure, target, deadline, status):
    assert measure(target=target, deadline=deadline).status == status


def test_a_share_has_wilsons_interval(measure):
    found = measure(metric="churn_rate", target=-0.2)
    # Half of the hundred who ordered on the 20th of May, and the fifty of the 28th, who never order again.
    lower, upper = wilson_interval(np.array([found.value]), np.array([151]))
    assert found.value == pytest.approx(100 / 151, abs=0.01)
    assert (found.lower, found.upper) == (pytest.approx(lower[0], abs=0.01), pytest.approx(upper[0], abs=0.01))


def test_no_way_gone_is_zero_without_a_sign(measure):
    assert str(measure(baseline=200.0, target=300.0, is_relative=False).progress) == "0.0"


@pytest.mark.parametrize(
    ("deadline", "target", "status", "measured_until"),
    [
        (date(2024, 5, 31), 195.0, "missed", date(2024, 6, 1)),  # 180 in May; the 200 of June come too late
        (date(2024, 5, 31), 175.0, "reached", date(2024, 6, 1)),
        (date(2024, 6, 29), 250.0, "missed", date(2024, 6, 1)),
        (date(2024, 6, 30), 250.0, "missed", AS_OF),
        (date(2024, 7, 1), 250.0, "behind", AS_OF),  # the day of the deadline is not over
    ],
)
def test_a_verdict_is_that_of_the_last_period_before_the_deadline(measure, deadline, target, status, measured_until):
    found = measure(deadline=deadline, target=target, is_relative=False)
    assert (found.status, found.measured_until) == (status, measured_until)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": "users"}, "needs events, and there is none"),
        ({"metric": "clv"}, "needs scores, and there is none"),
        ({"period": "year"}, "orders begin on 2023-12-01"),
        ({"segment": "vip"}, "no scores of the 31 days before 2024-06-01 tell who was in segment 'vip' then"),
        ({"baseline_from": date(2024, 6, 2)}, "no month measured begins on 2024-06-02 or later"),
        ({"baseline_from": date(2024, 6, 1)}, "Jun 2024 is the baseline, and the only value so far"),
        ({"metric": "new_customers", "deadline": date(2023, 12, 31)}, "who is new from 2023-12-01 on needs 20 days"),
        ({"deadline": date(2023, 11, 30)}, "no month that ends by the deadline 2023-11-30 is over yet"),
        ({"target": 0.0}, "the target is the baseline, 120: there is no way to go"),
        ({"baseline": 0.0, "baseline_from": None}, "the baseline is 0, and a change of it in per cent is none"),
    ],
)
def test_what_cannot_be_measured_says_why(measure, changes, reason):
    found = measure(**changes)
    assert found.status == "not_measured"
    assert reason in found.reason
    assert found.progress is None


def test_a_figure_as_baseline_holds_a_year_before_the_deadline(measure):
    found = measure(baseline=100.0, baseline_from=None, target=400.0, is_relative=False)
    assert (found.baseline_from, found.progress) == (date(2023, 12, 2), pytest.approx(1 / 3))
    assert found.status == "behind"


def test_a_goal_of_a_segment_asks_who_was_in_it_at_the_start_of_the_period(engine, scores, tmp_path):
    asked = KpiSettings(active_days=25)
    lost = replace(GOAL, name="lost", metric="churn_rate", segment="vip", baseline=0.6, baseline_from=date(2024, 1, 1))
    value = replace(
        GOAL, name="value", metric="clv_total", segment="vip", baseline_from=None, target=130.0, is_relative=False
    )
    found = compute_kpis(engine, asked, [lost, value], score_files=scores, effects=tmp_path, as_of=date(2024, 6, 1)).goals
    # Of a and b, who were vip on 30 April, b was lost in May, though nobody who is vip in July has ever been.
    assert [goal.value for goal in found] == [0.5, 150]
    assert found[0].progress == pytest.approx(0.1 / (0.6 - 0.9))
    assert found[1].reason == "2024-04-30 is the baseline, and the only value so far"
    later = compute_kpis(engine, asked, [lost, value], score_files=scores, effects=tmp_path, as_of=date(2024, 7, 1)).goals
    assert later[0].reason.startswith("no scores of the 31 days before 2024-06-01")
    assert (later[1].value, later[1].baseline, later[1].progress) == (120, 150, pytest.approx(1.5))
    assert later[1].status == "reached"


def test_a_segment_that_nobody_is_in_is_not_measured(engine, scores, tmp_path):
    asked, goals = (
        KpiSettings(active_days=25),
        [
            replace(GOAL, name="flow", segment="vpi"),
            replace(GOAL, name="scores", metric="clv", segment="vpi"),
        ],
    )
    found = compute_kpis(engine, asked, goals, score_files=scores, effects=tmp_path, as_of=date(2024, 6, 1)).goals
    assert [goal.reason for goal in found] == [
        "nobody was in segment 'vpi' in the last scores before 2024-05-01",
        "nobody is in segment 'vpi' in the scores of 2024-04-30",
    ]


def test_people_who_did_nothing_bought_for_nothing(engine, scores, tmp_path):
    spent = replace(GOAL, name="spent", segment="core", baseline=100.0)
    each = replace(GOAL, name="each", metric="average_order_value", segment="core", baseline=100.0)
    asked = KpiSettings(active_days=25)
    found = compute_kpis(engine, asked, [spent, each], score_files=scores, effects=tmp_path, as_of=date(2024, 6, 1)).goals
    # Only g was core on 30 April, and ordered nothing in May.
    assert (found[0].value, found[0].status) == (0, "behind")
    assert (found[1].value, found[1].reason) == (None, "no orders")
