from datetime import date, timedelta

import pytest

from cvm.evaluation import Drift, Estimate
from cvm.monitoring.backtest import Backtest, Group
from cvm.monitoring.level import Month, Signal
from cvm.monitoring.movement import Moved
from cvm.monitoring.verdict import judge

DAY = date(2024, 5, 1)
EVIDENCE = {
    "portfolio": {"revenue": {"lower": 0.8, "upper": 1.25}},
    "judgement": {"churn_winner": "m", "churn": {"m": {"auc": 0.8}}},
}


def verdict(**found):
    nothing = {
        "signals": [],
        "backtests": [],
        "features": [],
        "scores": [],
        "stale": [],
        "model_version": "v",
        "evidence": EVIDENCE,
    }
    return judge(**nothing | found)


def signal(*, change=-0.2, p_value=0.0001):
    return Signal((Month(DAY, DAY + timedelta(days=30), 100.0, 80, False),), change, -0.1, 0.1, p_value)


def followed(*, revenue=(1.0, 0.9, 1.1), auc=(0.8, 0.78, 0.82), days=90, model="v"):
    figures = (Estimate(*bounds) if bounds else None for bounds in ((0.5, 0.45, 0.55), revenue, auc))
    whole = Group(None, 1000, 0.5, *figures, 0.01)
    return Backtest(DAY, model, days, 90, (whole,))


def moved(name="spend", *, index=0.4, missing=0.0, missing_before=0.0):
    level = "much" if index > 0.25 else "some" if index > 0.1 else "none"
    return Moved(name, Drift(index, 0.01, 0.2, missing, missing_before, 2.0, 1.0), level)


def test_nothing_found_is_ok():
    assert verdict().word == "ok"
    assert verdict(backtests=[followed()], signals=[signal(change=0.01)]).reasons == ()


@pytest.mark.parametrize(
    ("found", "word"),
    [
        ({"signals": [signal()]}, "retrain"),
        ({"signals": [signal(p_value=0.005)]}, "watch"),
        ({"signals": [signal(p_value=0.05)]}, "ok"),
        ({"signals": [signal(change=0.02)]}, "ok"),
        ({"backtests": [followed(revenue=(0.6, 0.5, 0.7))]}, "retrain"),
        ({"backtests": [followed(revenue=(0.6, 0.5, 0.7), days=45)]}, "ok"),
        ({"backtests": [followed(revenue=(0.6, 0.5, 0.7), model="the one before")]}, "ok"),
        ({"backtests": [followed(revenue=(0.75, 0.65, 0.85))]}, "ok"),
        ({"backtests": [followed(auc=(0.7, 0.68, 0.72))]}, "retrain"),
        ({"backtests": [followed(auc=None, revenue=None)]}, "ok"),
        ({"features": [moved()]}, "ok"),
        ({"scores": [moved("clv")]}, "watch"),
        ({"features": [moved(missing=1.0)]}, "watch"),
        ({"features": [moved(missing=1.0, missing_before=0.9)]}, "ok"),
        ({"stale": ["The latest row of events is old."]}, "watch"),
    ],
)
def test_each_finding_asks_for_what_it_should(found, word):
    assert verdict(**found).word == word


def test_drift_alone_never_trains_and_names_the_features_that_moved():
    found = verdict(scores=[moved("clv")], features=[moved("spend"), moved("recency_days", index=0.05)])
    assert found.word == "watch"
    assert "Features that moved most: spend." in found.reasons[0].text
    assert "mean 1 then, 2 now" in found.reasons[0].text


def test_the_gravest_reason_comes_first_and_decides():
    found = verdict(scores=[moved("clv")], signals=[signal()])
    assert found.word == "retrain"
    assert [reason.word for reason in found.reasons] == ["retrain", "watch"]
    assert "20% fewer orders than expected" in found.reasons[0].text


def test_a_model_that_was_never_judged_promises_nothing():
    assert verdict(backtests=[followed(auc=(0.5, 0.4, 0.6), revenue=(0.1, 0.0, 0.2))], evidence={}).word == "ok"
