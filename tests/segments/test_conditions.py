import numpy as np

from cvm.segments.conditions import Condition

COLUMNS = {
    "value_tier": np.array(["top", "high", "low"]),
    "p_churn": np.array([0.2, np.nan, 0.8]),
}


def test_every_part_must_hold():
    condition = Condition({"value_tier": ["top", "low"]}, minimum={"p_churn": 0.5})
    assert condition.holds(COLUMNS, n=3).tolist() == [False, False, True]
    assert condition.columns == {"value_tier", "p_churn"}


def test_bounds_are_included():
    assert Condition(minimum={"p_churn": 0.2}, maximum={"p_churn": 0.2}).holds(COLUMNS, n=3).tolist() == [True, False, False]


def test_where_there_is_no_number_no_bound_holds():
    below, above = Condition(maximum={"p_churn": 1.0}), Condition(minimum={"p_churn": 0.0})
    assert not below.holds(COLUMNS, n=3)[1]
    assert not above.holds(COLUMNS, n=3)[1]


def test_a_condition_that_asks_nothing_always_holds():
    assert Condition().holds(COLUMNS, n=3).all()
