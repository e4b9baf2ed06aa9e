import re

import numpy as np
import pandas as pd
import pytest

from cvm.models.definitions import changed_definitions, constant_columns, drifted_columns

N = 400
RNG = np.random.default_rng(5)
AMOUNT = RNG.gamma(4.0, 10.0, N)
RARE = np.where(np.arange(N) < 40, AMOUNT, 0.0)
COLOUR = RNG.choice(["red", "green"], N).astype(object)


def changes(learned, later, **options):
    frames = {"the training snapshot": pd.DataFrame({"x": learned}), "today": pd.DataFrame({"x": later})}
    return list(changed_definitions(["x"], frames, frames["the training snapshot"], {"today": frames["today"]}, **options))


@pytest.mark.parametrize(
    ("learned", "later", "evidence"),
    [
        (AMOUNT, np.full(N, np.nan), "says something of 100% of customers on the training snapshots and of 0% on today"),
        (AMOUNT, np.zeros(N), "says something of 100%"),
        (COLOUR, np.full(N, None), "says something of 100%"),
        (AMOUNT, 100 * AMOUNT, "has a median size of .* on the training snapshots and of .* on today"),
        (100 * AMOUNT, AMOUNT, "has a median size of"),
        (COLOUR, np.where(COLOUR == "red", "R", "G"), "shares none of the 2 values of the training snapshots with the 2 on"),
        (AMOUNT, COLOUR, "holds numbers on the training snapshot and text on today"),
    ],
)
def test_what_is_no_longer_the_same_is_named_with_its_evidence(learned, later, evidence):
    (found,) = changes(learned, later)
    assert re.match(f"'x' {evidence}", found), found


@pytest.mark.parametrize(
    ("learned", "later"),
    [
        (AMOUNT, RNG.permutation(AMOUNT)),
        (AMOUNT, 5 * AMOUNT),  # grown, but still overlapping
        (RARE, np.zeros(N)),  # seldom said anything
        (np.zeros(N), AMOUNT),  # not known yet
        (np.where(np.arange(N) < 300, np.nan, AMOUNT), AMOUNT),
        (COLOUR, np.where(COLOUR == "red", "red", "blue")),
        (AMOUNT, np.zeros(20)),  # too few to tell
        (AMOUNT, AMOUNT[:0]),
        (COLOUR, np.full(20, "grey")),
        (RNG.lognormal(0, 3, N), 60 * RNG.lognormal(0, 3, N)),  # heavy tails that still touch
    ],
)
def test_what_moved_is_not_another_definition(learned, later):
    assert changes(learned, later) == []


def test_a_snapshot_that_lacks_the_column_is_named():
    frames = {"one": pd.DataFrame({"x": AMOUNT}), "two": pd.DataFrame({"y": AMOUNT})}
    assert list(changed_definitions(["x"], frames, frames["one"], {})) == ["'x' is missing from two"]


def test_what_is_kept_may_change_but_not_its_kind():
    assert changes(AMOUNT, 100 * AMOUNT, kept=["x"]) == []
    assert changes(AMOUNT, COLOUR, kept=["x"])


def test_constant_means_one_value_in_all_rows_of_all_snapshots():
    frames = [
        pd.DataFrame(
            {"zero": 0.0, "null": np.nan, "text": "a", "steps": 1.0, "gaps": [1.0, np.nan], "late": "a"}, index=[0, 1]
        ),
        pd.DataFrame({"zero": 0.0, "null": np.nan, "text": "a", "steps": 2.0, "gaps": [1.0, 1.0], "late": ["a", "b"]}),
    ]
    assert constant_columns(list(frames[0]), frames) == ["zero", "null", "text"]
    assert constant_columns(["zero"], [frames[0].iloc[:0]]) == ["zero"]


def test_drift_is_a_share_of_nulls_that_moved_by_more_than_half():
    learned = pd.DataFrame({"same": AMOUNT, "begun": np.where(RARE == 0, np.nan, RARE), "never": np.nan, "quieter": AMOUNT})
    later = pd.DataFrame({"same": AMOUNT, "begun": AMOUNT, "never": 1.0, "quieter": RARE})
    assert drifted_columns(list(learned), learned, {"today": later}) == ["begun"]
    assert drifted_columns(list(learned), learned, {"today": later.iloc[:10]}) == []
