from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.segments import RFM_SEGMENTS, RfmCuts, rfm_scores, rfm_segment

CELLS = np.array(list(product(range(1, 6), repeat=3)))
CUTS = RfmCuts(recency_days=(10, 20, 30, 40), n_orders=(1, 2, 3, 4), spend=(100, 200, 300, 400))

bounded = settings(derandomize=True, deadline=None, database=None, max_examples=100)
BUYERS = st.lists(st.tuples(st.integers(1, 400), st.integers(1, 30), st.integers(-100, 900)), min_size=1, max_size=60)


def buyers(rows: list[tuple[float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["recency_days", "n_orders", "spend"])


def name_of(recency: int, frequency: int, monetary: int) -> str:
    (name,) = rfm_segment(np.array([recency]), np.array([frequency]), np.array([monetary]))
    return str(name)


def by_the_table(recency: int, frequency: int, monetary: int) -> str:
    """The same partition, read by recency first instead of rule by rule; twice the mean of the other two is ``habit``."""
    habit = frequency + monetary
    if recency >= 4:
        if habit >= 9:
            return "champions"
        if habit >= 7:
            return "loyal"
        if habit >= 5:
            return "potential_loyalist"
        return "new_customers" if (recency, frequency) == (5, 1) else "promising"
    if recency == 3:
        return "loyal" if habit >= 7 else "need_attention" if habit >= 5 else "about_to_sleep"
    if habit >= 9:
        return "cannot_lose"
    if habit >= 6:
        return "at_risk"
    return "hibernating" if recency == 2 or habit >= 4 else "lost"


def test_each_of_the_125_cells_has_exactly_the_name_of_the_table():
    assert len(CELLS) == 125
    names = rfm_segment(*CELLS.T)
    assert names.tolist() == [by_the_table(*cell) for cell in CELLS.tolist()]


def test_each_of_the_eleven_names_occurs_and_no_other():
    assert len(set(RFM_SEGMENTS)) == 11
    assert set(rfm_segment(*CELLS.T)) == set(RFM_SEGMENTS)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ((5, 5, 5), "champions"),
        ((4, 4, 5), "champions"),
        ((1, 5, 5), "cannot_lose"),
        ((2, 3, 3), "at_risk"),
        ((3, 5, 5), "loyal"),
        ((5, 3, 3), "potential_loyalist"),
        ((5, 1, 1), "new_customers"),
        ((5, 1, 4), "potential_loyalist"),
        ((5, 2, 1), "promising"),
        ((4, 1, 1), "promising"),
        ((3, 3, 3), "need_attention"),
        ((3, 1, 1), "about_to_sleep"),
        ((2, 1, 1), "hibernating"),
        ((1, 2, 2), "hibernating"),
        ((1, 1, 2), "lost"),
        ((1, 1, 1), "lost"),
    ],
)
def test_known_cells_have_their_names(cell, name):
    assert name_of(*cell) == name


@pytest.mark.parametrize("recency", range(1, 6))
def test_frequency_and_money_weigh_the_same_but_for_the_new(recency):
    for frequency, monetary in product(range(1, 6), repeat=2):
        one, other = name_of(recency, frequency, monetary), name_of(recency, monetary, frequency)
        assert one == other or {one, other} == {"new_customers", "promising"}


@pytest.mark.parametrize(
    ("recency_days", "score"), [(1, 5), (10, 5), (10.5, 4), (20, 4), (30, 3), (31, 2), (40, 2), (41, 1), (9999, 1)]
)
def test_the_fewer_days_since_the_last_order_the_higher_the_score(recency_days, score):
    assert rfm_scores(buyers([(recency_days, 1, 1)]), CUTS)[0] == [score]


@pytest.mark.parametrize(("n_orders", "score"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (999, 5)])
def test_the_more_orders_the_higher_the_score(n_orders, score):
    assert rfm_scores(buyers([(1, n_orders, 1)]), CUTS)[1] == [score]


@pytest.mark.parametrize(("spend", "score"), [(-50, 1), (0, 1), (100, 1), (100.01, 2), (400, 4), (400.01, 5)])
def test_the_more_money_the_higher_the_score(spend, score):
    assert rfm_scores(buyers([(1, 1, spend)]), CUTS)[2] == [score]


def test_cut_points_are_quintiles_of_the_customers_at_hand():
    frame = buyers([(n, 10 * n, 100 * n) for n in range(1, 101)])
    cuts = RfmCuts.fit(frame)
    assert cuts.recency_days == pytest.approx((20.8, 40.6, 60.4, 80.2))
    assert cuts.n_orders == pytest.approx((208, 406, 604, 802))
    for scores in rfm_scores(frame, cuts):
        assert np.bincount(scores).tolist() == [0, 20, 20, 20, 20, 20]


def test_cut_points_are_frozen():
    first = buyers([(n, n, n) for n in range(1, 11)])
    cuts = RfmCuts.fit(first)
    alone = [scores[0] for scores in rfm_scores(first.iloc[[4]], cuts)]
    among_whales = pd.concat([first.iloc[[4]], buyers([(1, 1000, 1e6)] * 50)])
    assert [scores[0] for scores in rfm_scores(among_whales, cuts)] == alone
    with pytest.raises(AttributeError, match="cannot assign to field 'spend'"):
        cuts.spend = (0, 0, 0, 0)


def test_cut_points_survive_writing_and_reading():
    assert RfmCuts(**CUTS.state()) == CUTS


def test_a_base_of_equal_customers_has_one_name():
    frame = buyers([(30, 1, 20)] * 9)
    scores = rfm_scores(frame, RfmCuts.fit(frame))
    assert len(set(rfm_segment(*scores))) == 1


def test_a_single_customer_can_be_cut_and_named():
    frame = buyers([(30, 1, 20)])
    assert rfm_segment(*rfm_scores(frame, RfmCuts.fit(frame)))[0] in RFM_SEGMENTS


def test_no_customers_give_no_names():
    assert rfm_segment(*rfm_scores(buyers([]), CUTS)).shape == (0,)


@bounded
@given(BUYERS)
def test_equal_values_get_equal_scores_and_better_values_no_lower_ones(rows):
    frame = buyers(rows)
    recency, frequency, monetary = rfm_scores(frame, RfmCuts.fit(frame))
    for values, scores in ((-frame["recency_days"], recency), (frame["n_orders"], frequency), (frame["spend"], monetary)):
        assert set(scores) <= {1, 2, 3, 4, 5}
        order = np.argsort(values.to_numpy(), kind="stable")
        in_order, ranked = values.to_numpy()[order], scores[order]
        assert (np.diff(ranked) >= 0).all()
        assert (np.diff(ranked)[np.diff(in_order) == 0] == 0).all()


@bounded
@given(BUYERS)
def test_every_customer_has_exactly_one_name_whatever_the_order_of_rows(rows):
    frame = buyers(rows)
    cuts = RfmCuts.fit(frame)
    names = rfm_segment(*rfm_scores(frame, cuts))
    assert set(names) <= set(RFM_SEGMENTS)
    backwards = frame.iloc[::-1]
    assert RfmCuts.fit(backwards) == cuts
    assert rfm_segment(*rfm_scores(backwards, cuts)).tolist() == names.tolist()[::-1]
