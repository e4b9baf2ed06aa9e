from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

import shop
from cvm.features.histories import customer_histories_query, histories_query, later_orders_query
from cvm.features.query import Schema
from cvm.models.btyd import Btyd
from cvm.monitoring.backtest import backtest
from cvm.monitoring.level import months_until

AS_OF = shop.FIRST_DAY + timedelta(days=400)
HORIZON = 90


@pytest.fixture(scope="module")
def engine():
    lines = [shop.order(c, on=d, amount=a) for c, d, a in shop.purchases(n_customers=600, days=500).itertuples(index=False)]
    return shop.warehouse(transactions=lines)


@pytest.fixture(scope="module")
def histories(engine):
    query = customer_histories_query(Schema.of(engine), AS_OF, timezone="UTC")
    return engine.table(query).to_pandas().sort_values("customer_id", ignore_index=True)


@pytest.fixture(scope="module")
def btyd(histories):
    return Btyd.fit(histories, family="bg_nbd")


def scored(histories, btyd):
    """Scores that say what the purchase process says."""
    expected = btyd.predict(histories, horizon_days=HORIZON, as_of=AS_OF)
    return histories[["customer_id"]].assign(
        segment=np.where(histories["n_orders"] > 3, "core", "new"),
        p_churn=expected["btyd_p_no_order"],
        expected_orders=expected["btyd_expected_orders"],
        expected_order_value=expected["btyd_expected_order_value"],
    )


def followed(engine, scores, btyd, *, days):
    return backtest(
        engine,
        scores,
        btyd,
        as_of=AS_OF,
        until=AS_OF + timedelta(days=days),
        model_version="v",
        horizon_days=HORIZON,
        lead_days=0,
        timezone="UTC",
    )


def test_a_window_half_over_is_compared_with_half_the_forecast(engine, histories, btyd):
    found = followed(engine, scored(histories, btyd), btyd, days=45)
    of_45_days = btyd.predict(histories, horizon_days=45, as_of=AS_OF)
    assert (found.days, found.is_complete) == (45, False)
    assert found.whole.p_churn == pytest.approx(of_45_days["btyd_p_no_order"].mean(), rel=1e-6)
    assert found.whole.churned.lower < found.whole.p_churn < found.whole.churned.upper
    assert found.whole.revenue.lower < 1 < found.whole.revenue.upper
    assert found.whole.auc.lower > 0.5


def test_a_window_that_is_over_is_compared_as_foretold(engine, histories, btyd):
    scores = scored(histories, btyd)
    found = followed(engine, scores, btyd, days=95)
    assert (found.days, found.is_complete) == (HORIZON, True)
    assert found.whole.p_churn == pytest.approx(scores["p_churn"].mean())


def test_segments_are_the_whole(engine, histories, btyd):
    found = followed(engine, scored(histories, btyd), btyd, days=95)
    assert [group.segment for group in found.groups] == [None, "core", "new"]
    assert sum(group.n_customers for group in found.groups[1:]) == found.whole.n_customers == len(histories)


def test_customers_without_a_churn_probability_are_left_out(engine, histories, btyd):
    scores = scored(histories, btyd)
    scores.loc[:49, "p_churn"] = np.nan
    assert followed(engine, scores, btyd, days=95).whole.n_customers == len(histories) - 50


def test_too_few_customers_say_nothing(engine, histories, btyd):
    whole = followed(engine, scored(histories, btyd).head(20), btyd, days=95).whole
    assert whole.auc is whole.revenue is whole.calibration_error is None


def test_histories_by_customer_and_by_kind_are_the_same(engine, histories):
    grouped = engine.table(histories_query(Schema.of(engine), [AS_OF], timezone="UTC")).to_pandas()
    by_kind = histories.groupby(["n_orders", "recency_days", "tenure_days"]).size()
    found = grouped.set_index(["n_orders", "recency_days", "tenure_days"])["n_customers"]
    assert found.sort_index().to_dict() == by_kind.to_dict()


def test_orders_count_for_the_window_they_lie_in_and_not_for_those_who_joined_in_it():
    lines = [
        shop.order("old", on=date(2024, 1, 1), amount=1),
        shop.order("old", on=date(2024, 3, 1), amount=1),  # first day of the later window
        shop.order("old", on=date(2024, 2, 29), amount=1),  # last day of the earlier one
        shop.order("new", on=date(2024, 3, 2), amount=1),
        shop.order("new", on=date(2024, 3, 3), amount=1),
    ]
    with shop.warehouse(transactions=lines) as engine:
        query = later_orders_query(Schema.of(engine), date(2024, 3, 31), days=30, timezone="UTC")
        assert sorted(engine.table(query).to_pandas().itertuples(index=False, name=None)) == [(0, 1), (1, 1)]


def test_the_chart_counts_back_from_today(engine, btyd):
    as_of = AS_OF + timedelta(days=60)
    months = months_until(engine, btyd, as_of=as_of, trained_as_of=AS_OF, first_day=shop.FIRST_DAY, timezone="UTC")
    assert [month.is_known for month in months] == [True] * (len(months) - 2) + [False] * 2
    assert months[-1].end == as_of
    assert all(month.end == after.start for month, after in pairwise(months))
    assert all(abs(month.miss) < 0.5 for month in months[2:])
