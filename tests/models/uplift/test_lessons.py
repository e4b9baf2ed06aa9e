from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cvm.features.files import DRAWN_FILE, EXPERIMENTS_FILE, features_file
from cvm.models.btyd.season import SeasonClock
from cvm.models.uplift import ArmUplift, Experiment, Learned, TreatmentUplift, Uplift, UpliftModel, lessons
from cvm.models.uplift.lessons import learn_uplift, season_level
from cvm.models.uplift.model import fit_uplift
from simulated import silent
from taught import COLUMNS, Past, write_past
from uplifted import FAST

MARCH, JULY = date(2023, 3, 1), date(2023, 7, 1)
STEADY = SeasonClock()
# Half of what is usual from March to May, and 1.17 times in the rest of the year; their mean is 1.
QUIET_SPRING = SeasonClock(tuple(0.5 if 59 <= day < 151 else (365 - 92 * 0.5) / 273 for day in range(365)))
SPRING = Past("spring", MARCH, n=1_200, seed=1, costs={"mail": 2.0})
SUMMER = Past("summer", JULY, n=600, seed=2, costs={"mail": 5.0}, control=0.2)


def learned(folder: Path, *, clock: SeasonClock = STEADY, costs: dict[str, float] | None = None) -> Learned:
    return learn_uplift(folder, columns=COLUMNS, clock=clock, costs=costs or {}, seed=7, progress=silent)


@pytest.fixture
def hurry(monkeypatch):
    """Trees in a hurry."""
    monkeypatch.setattr(lessons, "fit_uplift", lambda experiment, *, seed: fit_uplift(experiment, settings=FAST, seed=seed))
    monkeypatch.setattr("cvm.models.uplift.model._MANY", 0)


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> tuple[Path, Learned]:
    """What two campaigns teach."""
    folder = tmp_path_factory.mktemp("taught")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "fit_uplift", lambda experiment, *, seed: fit_uplift(experiment, settings=FAST, seed=seed))
        patch.setattr("cvm.models.uplift.model._MANY", 0)
        write_past(folder, [SPRING, SUMMER], notes=["One more was not over."])
        return folder, learned(folder)


@pytest.fixture
def handed_over(monkeypatch) -> list[Experiment]:
    """The experiments that learning was asked for, in place of learning from them."""
    seen: list[Experiment] = []

    def only_look(experiment: Experiment, *, seed: int) -> Any:
        seen.append(experiment)
        raise lessons.ExperimentError("only looked at")

    monkeypatch.setattr(lessons, "fit_uplift", only_look)
    return seen


def by_customer(experiment: Experiment, values: Sequence[float]) -> dict[tuple[str, str], float]:
    keys = zip(experiment.features["as_of"], experiment.features["customer_id"], strict=True)
    return dict(zip(keys, np.asarray(values).tolist(), strict=True))


class TestPooling:
    def test_two_campaigns_teach_one_treatment(self, taught):
        _, found = taught
        (treatment,) = found.uplift.treatments
        assert (treatment.arm, treatment.campaigns) == ("mail", ("spring", "summer"))
        assert found.uplift.outcome_days == 30
        (evidence,) = found.evidence
        assert evidence.is_heterogeneous
        assert evidence.mean_effect.lower < 5.0 < evidence.mean_effect.upper
        features, _ = Past("other", MARCH, n=1_000, seed=9).frames()
        uplift = found.uplift.expected(features, as_of=date(2024, 1, 1), clock=STEADY)
        assert uplift.shape == (1_000, 1)
        gains = (features["x"] > 0).to_numpy()
        assert uplift[gains].mean() > 7
        assert uplift[~gains].mean() < 3

    def test_all_are_handed_over_with_the_probability_of_their_own_campaign(self, handed_over, tmp_path):
        drawn = write_past(tmp_path / "x", [SPRING, SUMMER])
        learned(tmp_path / "x")
        (experiment,) = handed_over
        assert len(experiment) == len(drawn) == 1_800
        assert experiment.columns == COLUMNS
        found = by_customer(experiment, experiment.drawn_with)
        for row in drawn.itertuples():
            treated = 0.5 if row.campaign_id == "spring" else 0.8
            assert found[row.as_of, row.customer_id] == pytest.approx(treated if row.arm == "mail" else 1 - treated)

    def test_customers_drawn_for_another_arm_do_not_matter(self, handed_over, tmp_path):
        both = replace(SPRING, adds={"letter": 50.0, "mail": 5.0}, control=0.4)
        drawn = write_past(tmp_path / "x", [both])
        found = learned(tmp_path / "x")
        letter, mail = handed_over
        assert (letter.arms, mail.arms) == (("control", "letter"), ("control", "mail"))
        for experiment, arm in ((letter, "letter"), (mail, "mail")):
            own = drawn[drawn["arm"].isin(["control", arm])]
            assert sorted(experiment.features["customer_id"]) == sorted(own["customer_id"])
            # Of 0.4 and 0.3, of those two alone.
            assert experiment.drawn_with[experiment.arm == 1] == pytest.approx(3 / 7)
            assert experiment.drawn_with[experiment.arm == 0] == pytest.approx(4 / 7)
        assert found.uplift is None
        assert len(found.notes) == 2

    def test_a_campaign_without_the_arm_teaches_nothing_of_it(self, handed_over, tmp_path):
        letters = replace(SUMMER, adds={"letter": 1.0}, n=1_200)
        write_past(tmp_path / "x", [SPRING, letters])
        found = learned(tmp_path / "x")
        assert [set(experiment.features["as_of"]) for experiment in handed_over] == [{str(JULY)}, {str(MARCH)}]
        assert "No effect of 'letter' is learned from summer: only looked at" in found.notes[0]

    def test_who_was_drawn_by_two_campaigns_on_one_day_counts_once(self, handed_over, tmp_path):
        write_past(tmp_path / "x", [SPRING, replace(SPRING, campaign_id="too", seed=3, first=1_000)])
        learned(tmp_path / "x")
        (experiment,) = handed_over
        assert len(experiment) == 2_200
        assert experiment.features["customer_id"].is_unique

    def test_who_has_no_features_is_left_out(self, handed_over, tmp_path):
        write_past(tmp_path / "x", [SPRING])
        path = features_file(tmp_path / "x", MARCH)
        pd.read_parquet(path).iloc[:-100].to_parquet(path, index=False)
        learned(tmp_path / "x")
        assert len(handed_over[0]) == 1_100

    def test_a_feature_that_one_day_lacks_is_missing_there(self, handed_over, tmp_path):
        write_past(tmp_path / "x", [SPRING, SUMMER])
        path = features_file(tmp_path / "x", MARCH)
        pd.read_parquet(path).drop(columns=["noise", "city"]).to_parquet(path, index=False)
        learned(tmp_path / "x")
        features = handed_over[0].features
        assert features.loc[features["as_of"] == str(MARCH), ["noise", "city"]].isna().all(axis=None)
        assert features.loc[features["as_of"] == str(JULY), ["noise", "city"]].notna().all(axis=None)


class TestSeason:
    def test_its_level_is_the_share_of_a_usual_window(self):
        assert season_level(STEADY, MARCH, 30) == 1
        assert season_level(QUIET_SPRING, MARCH, 30) == pytest.approx(0.5)
        assert season_level(QUIET_SPRING, date(2023, 5, 17), 30) == pytest.approx(0.5 * 0.5 + 0.5 * 319 / 273)

    def test_margins_are_told_at_the_average_season(self, handed_over, tmp_path):
        drawn = write_past(tmp_path / "x", [SPRING, SUMMER])
        learned(tmp_path / "x", clock=QUIET_SPRING)
        found = by_customer(handed_over[0], handed_over[0].outcome)
        for row in drawn.itertuples():
            level = 0.5 if row.campaign_id == "spring" else 319 / 273
            assert found[row.as_of, row.customer_id] == pytest.approx(row.margin / level)

    @pytest.mark.usefixtures("hurry")
    def test_twice_as_busy_a_draw_halves_what_is_learned_and_doubles_what_is_expected_on_such_a_day(self, tmp_path):
        write_past(tmp_path / "x", [SPRING])
        features, _ = Past("other", MARCH, n=300, seed=9).frames()
        quiet, busy = SeasonClock((0.5,) * 365), SeasonClock((1.0,) * 365)
        first, second = (learned(tmp_path / "x", clock=clock) for clock in (quiet, busy))
        effects = [found.evidence[0].mean_effect.value for found in (first, second)]
        assert effects[1] == pytest.approx(effects[0] / 2, rel=0.02)
        usual = first.uplift.expected(features, as_of=JULY, clock=STEADY)
        np.testing.assert_allclose(first.uplift.expected(features, as_of=JULY, clock=quiet), usual / 2)
        # On a day like that of the draw both say the same: what was seen.
        same = second.uplift.expected(features, as_of=JULY, clock=busy)
        assert same.mean() == pytest.approx((usual / 2).mean(), rel=0.02)

    def test_expectations_follow_the_season_of_the_day(self, taught):
        uplift = taught[1].uplift
        features, _ = Past("other", MARCH, n=50, seed=9).frames()
        quiet, busy = (uplift.expected(features, as_of=day, clock=QUIET_SPRING) for day in (MARCH, JULY))
        np.testing.assert_allclose(busy, quiet * (319 / 273) / 0.5)


class TestCosts:
    def test_the_ledgers_mean_counts_campaigns_by_their_customers(self, taught):
        assert taught[1].uplift.costs == pytest.approx([(1_200 * 2.0 + 600 * 5.0) / 1_800])

    @pytest.mark.usefixtures("hurry")
    def test_a_cost_from_params_wins(self, tmp_path):
        write_past(tmp_path / "x", [SPRING])
        assert learned(tmp_path / "x", costs={"mail": 0.0, "fax": 9.0}).uplift.costs.tolist() == [0.0]


@pytest.mark.usefixtures("hurry")
class TestPolicies:
    RULES = ("recency_over_mean_gap", "historic_value")

    def write(self, folder: Path) -> None:
        write_past(folder, [SPRING])
        path = features_file(folder, MARCH)
        features = pd.read_parquet(path)
        # Who ordered once has no gap.
        gap = features["noise"].abs().where(features["city"] == "Kyiv")
        features.assign(recency_over_mean_gap=gap, historic_value=-features["x"]).to_parquet(path, index=False)

    def test_who_would_be_contacted_by_risk_and_by_value_is_set_beside_who_is_learned_to_gain(self, tmp_path):
        self.write(tmp_path / "x")
        found = learn_uplift(
            tmp_path / "x", columns=(*COLUMNS, *self.RULES), clock=STEADY, costs={"mail": 4.0}, seed=7, progress=silent
        )
        (worth,) = found.policies
        rows = {row.name: row for row in worth.rows}
        assert set(rows) == {"none", "learned", "all", "random", "by risk", "by value"}
        assert rows["by risk"].contacted == rows["by value"].contacted == rows["learned"].contacted
        # Those of most value gain least here.
        assert worth.over_others["by value"].lower > 0
        # Half of them gain 10 at a cost of 4, the others nothing.
        assert rows["all"].gain.value == pytest.approx(1.0, abs=1.0)
        assert rows["learned"].gain.value == pytest.approx(3.0, abs=1.0)
        assert worth.sentence in found.notes[-1]

    def test_a_rule_that_models_may_not_see_is_no_rival(self, tmp_path):
        self.write(tmp_path / "x")
        (worth,) = learned(tmp_path / "x").policies
        assert "by risk" not in {row.name for row in worth.rows}

    def test_where_nobody_gains_more_no_policy_is_praised(self, tmp_path):
        write_past(tmp_path / "x", [replace(SPRING, adds={"mail": 0.0})])
        found = learned(tmp_path / "x")
        assert not found.evidence[0].is_heterogeneous
        assert found.policies[0].sentence not in found.notes[-1]


class TestNotes:
    def test_what_was_learned_is_said(self, taught):
        (note,) = taught[1].notes
        assert note.startswith("Uplift, margin over 30 days at the average season. mail: mean effect ")

    def test_nothing_to_learn_from_is_nothing_learned(self, tmp_path):
        assert learned(tmp_path / "nowhere") == Learned()

    def test_why_nothing_teaches_is_not_said_again(self, tmp_path):
        state = {"outcome_days": 30, "campaigns": [], "notes": ["None was over."]}
        (tmp_path / EXPERIMENTS_FILE).write_text(json.dumps(state), encoding="utf-8")
        assert learned(tmp_path) == Learned()

    @pytest.mark.usefixtures("hurry")
    def test_an_arm_with_too_few_customers_is_a_note_and_no_model(self, tmp_path):
        few = replace(SPRING, adds={"letter": 5.0, "mail": 5.0}, n=1_000, control=0.5)
        drawn = write_past(tmp_path / "x", [few])
        rest = drawn[(drawn["arm"] != "letter") | (drawn["customer_id"] > "c000900")]
        rest.to_parquet(tmp_path / "x" / DRAWN_FILE, index=False)
        found = learned(tmp_path / "x")
        assert [treatment.arm for treatment in found.uplift.treatments] == ["mail"]
        assert "No effect of 'letter' is learned from spring: Arm 'letter' has" in found.notes[0]
        assert "at least 200 and 20 are needed" in found.notes[0]
        assert len(found.evidence) == 1

    def test_too_few_of_all_leave_no_uplift(self, tmp_path):
        write_past(tmp_path / "x", [replace(SPRING, n=100)], notes=["Before."])
        found = learned(tmp_path / "x")
        assert (found.uplift, found.evidence, found.state()) == (None, (), None)
        (note,) = found.notes
        assert "No effect of 'mail' is learned from spring" in note

    def test_a_campaign_that_picked_its_customers_is_a_note(self, tmp_path):
        drawn = write_past(tmp_path / "x", [SPRING])
        features, _ = SPRING.frames()
        best = set(features.nlargest(600, "x")["customer_id"])
        drawn["arm"] = np.where(drawn["customer_id"].isin(best), "mail", "control")
        drawn.to_parquet(tmp_path / "x" / DRAWN_FILE, index=False)
        found = learned(tmp_path / "x")
        assert found.uplift is None
        assert "was not drawn at random" in found.notes[0]


class TestState:
    def test_json_and_texts_bring_it_back(self, taught):
        uplift = taught[1].uplift
        state = json.loads(json.dumps(uplift.state(), allow_nan=False))
        again = Uplift.from_state(state, {part: trees.text for part, trees in uplift.boosters.items()})
        features, _ = SPRING.frames()
        expected, found = (one.expected(features, as_of=MARCH, clock=QUIET_SPRING) for one in (uplift, again))
        np.testing.assert_array_equal(found, expected)
        assert again.state() == uplift.state()
        assert uplift.boosters

    def test_every_treatment_keeps_its_own_trees(self, taught):
        (treatment,) = taught[1].uplift.treatments
        plain = UpliftModel((ArmUplift("none", 1.0),), {})
        uplift = Uplift(
            30, (TreatmentUplift("none", 0.0, (), plain), *(replace(treatment, arm=f"{k}") for k in range(10)), treatment)
        )
        assert {part.split(".")[0] for part in uplift.boosters} == {str(place) for place in range(1, 12)}
        again = Uplift.from_state(uplift.state(), {part: trees.text for part, trees in uplift.boosters.items()})
        features, _ = Past("other", MARCH, n=50, seed=9).frames()
        expected, found = (one.expected(features, as_of=MARCH, clock=STEADY) for one in (uplift, again))
        np.testing.assert_array_equal(found, expected)

    def test_lost_trees_are_noticed(self, taught):
        uplift = taught[1].uplift
        with pytest.raises(KeyError):
            Uplift.from_state(uplift.state(), {})

    def test_the_judgement_is_json(self, taught):
        found = taught[1]
        state = json.loads(json.dumps(found.state(), allow_nan=False))
        assert state["outcome_days"] == 30
        (treatment,) = state["treatments"]
        assert (treatment["arm"], treatment["campaigns"]) == ("mail", ["spring", "summer"])
        assert treatment["cost"] == 3.0
        assert treatment["is_heterogeneous"] is True
        assert treatment["chosen"] in treatment["qini"]
        assert treatment["mean_effect"]["value"] == found.evidence[0].mean_effect.value
        assert treatment["calibration"]["sentence"] == found.evidence[0].calibration
        calibration = treatment["calibration"]["groups"]
        assert {len(values) for values in calibration.values()} == {10}
        assert calibration["predicted"] == sorted(calibration["predicted"], reverse=True)
        assert treatment["policies"]["sentence"] == found.policies[0].sentence
        assert {row["policy"] for row in treatment["policies"]["rows"]} == {"none", "learned", "all", "random"}
