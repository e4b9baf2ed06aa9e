from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from cvm.errors import InsufficientDataError
from cvm.models.treated import WindowUse, check_enough, is_usable, treated_note

IDS = pd.Series(["held out", "mailed", "never drawn"])
DRAWN = pd.DataFrame({"customer_id": ["held out", "mailed", "stranger"], "is_treated": [False, True, True]})
DAY = date(2024, 3, 1)


@pytest.mark.parametrize(
    ("treated", "usable"),
    [
        ("include", ["held out", "mailed", "never drawn"]),
        ("exclude", ["held out", "never drawn"]),
        ("control_only", ["held out"]),
    ],
)
def test_whose_outcomes_count(treated, usable):
    assert IDS[is_usable(IDS, DRAWN, treated)].tolist() == usable


@pytest.mark.parametrize("treated", ["include", "exclude", "control_only"])
def test_where_no_campaign_ran_everyone_counts(treated):
    assert is_usable(IDS, DRAWN[:0], treated).all()


def test_a_campaign_without_a_holdout_leaves_nobody():
    assert not is_usable(IDS, DRAWN[DRAWN["is_treated"]], "control_only").any()


class TestCheck:
    def test_enough_is_enough(self):
        check_enough(WindowUse(DAY, 100, 900), [WindowUse(DAY, 60, 9), WindowUse(DAY, 40, 9)], treated="exclude")

    @pytest.mark.parametrize(
        ("test", "training", "what"),
        [
            (WindowUse(DAY, 99, 901), [WindowUse(DAY, 500, 0)], r"99 .*test snapshots \(2024-03-01: 99 of 1,000\)"),
            (WindowUse(DAY, 900, 0), [WindowUse(DAY, 50, 950)] * 1, r"50 .*training snapshots \(2024-03-01: 50 of 1,000\)"),
        ],
    )
    def test_too_few_are_refused_with_the_counts_and_the_way_out(self, test, training, what):
        with pytest.raises(InsufficientDataError, match=what + r".*Set train\.treated: include, or exclude"):
            check_enough(test, training, treated="control_only")
        with pytest.raises(InsufficientDataError, match=r"Set train\.treated: include; or hold"):
            check_enough(test, training, treated="exclude")

    def test_a_small_base_from_which_nobody_was_left_out_is_not_refused(self):
        check_enough(WindowUse(DAY, 5, 0), [], treated="exclude")


class TestNote:
    def test_including_all_needs_no_word(self):
        assert treated_note([WindowUse(DAY, 10, 0)], treated="include") == []
        assert treated_note([], treated="exclude") == []

    def test_it_counts_those_left_out(self):
        (note,) = treated_note([WindowUse(DAY, 300, 100), WindowUse(DAY, 400, 0)], treated="exclude")
        assert "100 of 800 customers (12%) of 2 snapshots" in note
        assert "most of the base" not in note

    def test_it_warns_where_most_are_left_out(self):
        (note,) = treated_note([WindowUse(DAY, 300, 400)], treated="control_only")
        assert "most of the base" in note

    def test_it_says_where_nobody_was_treated(self):
        (note,) = treated_note([WindowUse(DAY, 300, 0)], treated="exclude")
        assert "left nobody out" in note
        assert "email_sent" in note
