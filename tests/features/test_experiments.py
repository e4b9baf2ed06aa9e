from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import shop
from cvm.engines import DuckDBEngine
from cvm.errors import ExperimentError, MissingOutputError
from cvm.features.economics import Economics
from cvm.features.experiments import MAX_DAYS, Experiments, write_experiments
from cvm.features.files import read_drawn, read_experiments, read_features
from simulated import silent

DAY = date(2024, 3, 1)
OVER = DAY + timedelta(days=30)
Rows = list[dict[str, Any]]


def drawn(customer: str, arm: str, *, on: date | str = DAY, campaign: str = "spring", **columns: Any) -> dict[str, Any]:
    """A row of the ledger, at noon of a day unless the hour is given."""
    moment = datetime.fromisoformat(on) if isinstance(on, str) else shop.noon(on)
    return {"campaign_id": campaign, "customer_id": customer, "assigned_at": moment, "arm": arm, **columns}


def pair(campaign: str = "spring", on: date = DAY, **columns: Any) -> Rows:
    """The smallest campaign: one customer treated, one held out."""
    return [
        drawn("a", "mail", on=on, campaign=campaign, **columns),
        drawn("b", "control", on=on, campaign=campaign, **columns),
    ]


def line(customer: str, *, at: str, amount: float, **columns: Any) -> dict[str, Any]:
    return {"customer_id": customer, "occurred_at": datetime.fromisoformat(at), "amount": amount, **columns}


# Everybody bought before anybody was drawn.
BEFORE: Rows = [line(name, at="2024-01-10T12:00", amount=50.0) for name in "abcd"]


def warehouse(ledger: Rows, *transactions: dict[str, Any]) -> DuckDBEngine:
    return shop.typed_warehouse(transactions=[*BEFORE, *transactions], assignments=ledger)


def written(
    engine: DuckDBEngine,
    folder: Path,
    *,
    as_of: date = OVER,
    wanted: Sequence[str] | str = "auto",
    timezone: str = "UTC",
    economics: Economics | None = None,
) -> Experiments:
    return write_experiments(
        engine,
        folder,
        as_of=as_of,
        outcome_days=30,
        wanted=wanted,
        timezone=timezone,
        economics=economics or Economics(),
        progress=silent,
    )


def names(found: Experiments) -> list[str]:
    return [campaign.campaign_id for campaign in found.campaigns]


def arms(folder: Path) -> dict[str, str]:
    return read_drawn(folder).set_index("customer_id")["arm"].to_dict()


def margins(folder: Path) -> dict[str, float]:
    return read_drawn(folder).set_index("customer_id")["margin"].to_dict()


class TestWhichCampaignsTeach:
    def test_a_campaign_that_drew_by_chance_and_is_over(self, tmp_path):
        ledger = [
            drawn("a", "mail", propensity=0.7, cost=2.0),
            drawn("c", "mail", propensity=0.7, cost=4.0),
            drawn("b", "control", propensity=0.3, cost=0.0),
        ]
        (campaign,) = written(warehouse(ledger), tmp_path / "x").campaigns
        assert campaign.campaign_id == "spring"
        assert campaign.days == (DAY,)
        assert campaign.shares == {"control": 0.3, "mail": 0.7}
        assert campaign.costs == {"mail": 3.0}
        assert campaign.n_customers == 3

    def test_without_propensities_and_costs_the_shares_of_the_arms_count(self, tmp_path):
        ledger = [drawn("a", "mail"), drawn("b", "control"), drawn("c", "mail"), drawn("d", "letter")]
        (campaign,) = written(warehouse(ledger), tmp_path / "x").campaigns
        assert campaign.shares == {"control": 0.25, "letter": 0.25, "mail": 0.5}
        assert campaign.costs == {"letter": 0.0, "mail": 0.0}

    def test_it_is_over_on_the_day_after_its_last_outcome_and_not_before(self, tmp_path):
        engine = warehouse(pair())
        assert names(written(engine, tmp_path / "x", as_of=OVER)) == ["spring"]
        found = written(engine, tmp_path / "x", as_of=OVER - timedelta(days=1))
        assert found.campaigns == ()
        assert found.notes == (
            "No effects are learned from campaign 'spring': its outcome window of 30 days is not over on 2024-03-30.",
        )

    def test_the_last_draw_of_a_campaign_says_when_it_is_over(self, tmp_path):
        ledger = [*pair(), drawn("c", "mail", on=DAY + timedelta(days=3))]
        assert names(written(warehouse(ledger), tmp_path / "x")) == []
        found = written(warehouse(ledger), tmp_path / "x", as_of=OVER + timedelta(days=3))
        assert found.campaigns[0].days == (DAY, DAY + timedelta(days=3))

    @pytest.mark.parametrize(
        ("ledger", "why"),
        [
            ([drawn("a", "mail"), drawn("b", "letter")], "nobody was drawn for control"),
            ([drawn("a", "control"), drawn("b", "control")], "nobody was drawn for a treatment"),
            (
                [drawn("a", "mail", propensity=0.5), drawn("b", "control", propensity=None)],
                "the ledger has a propensity for 1 of 2 customers; complete it, or leave it out",
            ),
            (
                [
                    drawn("a", "mail", propensity=0.9),
                    drawn("b", "mail", propensity=0.5),
                    drawn("c", "control", propensity=0.1),
                ],
                "propensities differ within an arm; give every group that was drawn by itself a campaign_id of its own",
            ),
            (
                [drawn("a", "mail", propensity=0.5), drawn("b", "control", propensity=0.2)],
                "the propensities of its arms add up to 0.70, not 1",
            ),
            (
                [drawn("a", "mail", cost=-2.0), drawn("b", "control", cost=0.0)],
                "the ledger has a cost below 0 for 1 of 2 customers; a contact costs 0 or more",
            ),
        ],
        ids=[
            "no control",
            "no treatment",
            "some propensities",
            "differing propensities",
            "propensities of less than 1",
            "negative cost",
        ],
    )
    def test_what_keeps_a_campaign_from_teaching_is_noted_and_refused_where_it_was_named(self, ledger, why, tmp_path):
        engine = warehouse(ledger)
        found = written(engine, tmp_path / "x")
        assert found.campaigns == ()
        assert found.notes == (f"No effects are learned from campaign 'spring': {why}.",)
        with pytest.raises(ExperimentError, match=f"Nothing can be learned from campaign 'spring': {why}"):
            written(engine, tmp_path / "x", wanted=["spring"])

    def test_shares_that_were_rounded_are_shares(self, tmp_path):
        ledger = [drawn(name, arm, propensity=0.333) for name, arm in zip("abc", ("control", "mail", "letter"), strict=True)]
        assert names(written(warehouse(ledger), tmp_path / "x")) == ["spring"]

    def test_the_newest_teach_as_far_as_the_days_go(self, tmp_path):
        ledger = [row for week in range(8) for row in pair(f"week {week}", DAY + timedelta(days=7 * week))]
        # On the same day as another one: no further snapshot.
        ledger += pair("week 7 too", DAY + timedelta(days=49))
        found = written(warehouse(ledger), tmp_path / "x", as_of=OVER + timedelta(days=49))
        assert names(found) == ["week 7 too", "week 7", "week 6", "week 5", "week 4", "week 3", "week 2"]
        assert [note.split("'")[1] for note in found.notes] == ["week 1", "week 0"]
        assert all(f"more than {MAX_DAYS} days of draws" in note for note in found.notes)
        assert len(list((tmp_path / "x").glob("as_of=*"))) == MAX_DAYS

    def test_a_smaller_old_campaign_takes_the_place_that_a_larger_one_could_not(self, tmp_path):
        spread = [row for day in range(6) for row in pair("spread", DAY + timedelta(days=day))]
        spread = [{**row, "customer_id": f"{row['customer_id']}{number // 2}"} for number, row in enumerate(spread)]
        ledger = [*pair("old", DAY - timedelta(days=60)), *spread, *pair("new", DAY + timedelta(days=10))]
        found = written(warehouse(ledger), tmp_path / "x", as_of=OVER + timedelta(days=10))
        assert names(found) == ["new", "old"]

    def test_named_campaigns_alone_teach(self, tmp_path):
        engine = warehouse([*pair("one"), *pair("two"), *pair("running", OVER)])
        found = written(engine, tmp_path / "x", wanted=["one"])
        assert (names(found), found.notes) == (["one"], ())
        assert set(read_drawn(tmp_path / "x")["campaign_id"]) == {"one"}

    def test_more_named_days_than_can_be_read_are_refused(self, tmp_path):
        ledger = [row for week in range(7) for row in pair(f"week {week}", DAY + timedelta(days=7 * week))]
        with pytest.raises(ExperimentError, match=r"'week 0': with it there would be more than 6 days of draws"):
            written(warehouse(ledger), tmp_path / "x", as_of=date(2025, 1, 1), wanted=[f"week {week}" for week in range(7)])

    def test_a_name_that_the_ledger_does_not_have_is_refused(self, tmp_path):
        with pytest.raises(ExperimentError, match=r"learn_from names \['autumn'\]; the ledger has \['spring'\]"):
            written(warehouse(pair()), tmp_path / "x", wanted=["spring", "autumn"])
        assert not (tmp_path / "x").exists()

    def test_a_campaign_whose_name_is_sql_is_a_name(self, tmp_path):
        name = "50% '; DROP TABLE transactions; --"
        assert names(written(warehouse(pair(name)), tmp_path / "x", wanted=[name])) == [name]
        assert set(read_drawn(tmp_path / "x")["campaign_id"]) == {name}


class TestWhoTeaches:
    def test_merged_accounts_of_different_arms_and_customers_in_two_arms_do_not(self, tmp_path):
        ledger = [*pair(), drawn("c", "mixed"), drawn("d", "mail"), drawn("d", "control")]
        (campaign,) = written(warehouse(ledger), tmp_path / "x").campaigns
        assert arms(tmp_path / "x") == {"a": "mail", "b": "control"}
        assert campaign.n_customers == 2
        assert set(campaign.shares) == {"control", "mail"}

    def test_a_mixed_account_stays_out_whatever_its_other_rows_say(self, tmp_path):
        written(warehouse([*pair(), drawn("c", "mixed"), drawn("c", "control")]), tmp_path / "x")
        assert arms(tmp_path / "x") == {"a": "mail", "b": "control"}

    def test_the_same_arm_twice_is_one_draw_on_the_first_day(self, tmp_path):
        ledger = [*pair(), drawn("a", "mail", on=DAY + timedelta(days=9))]
        found = written(warehouse(ledger), tmp_path / "x")
        assert found.campaigns[0].days == (DAY,)
        assert read_drawn(tmp_path / "x").query("customer_id == 'a'")["as_of"].tolist() == ["2024-03-01"]

    def test_whom_the_design_gave_no_choice_does_not(self, tmp_path):
        ledger = [*pair(propensity=0.5), drawn("c", "mail", propensity=1.0), drawn("d", "control", propensity=0.0)]
        (campaign,) = written(warehouse(ledger), tmp_path / "x").campaigns
        assert arms(tmp_path / "x") == {"a": "mail", "b": "control"}
        assert campaign.shares == {"control": 0.5, "mail": 0.5}

    def test_a_ledger_of_nobody_drawn_by_chance_teaches_nothing(self, tmp_path):
        found = written(warehouse([drawn("a", "mail", propensity=1.0)]), tmp_path / "x")
        assert found == Experiments(30)
        assert read_experiments(tmp_path / "x") == {"outcome_days": 30, "campaigns": [], "notes": []}

    def test_the_day_of_the_draw_is_that_of_the_business(self, tmp_path):
        ledger = [drawn("a", "mail", on="2024-02-29T22:30:00"), drawn("b", "control", on="2024-02-29T22:30:00")]
        engine = warehouse(ledger)
        assert written(engine, tmp_path / "x").campaigns[0].days == (date(2024, 2, 29),)
        assert written(engine, tmp_path / "x", timezone="Europe/Kyiv").campaigns[0].days == (DAY,)


class TestOutcome:
    def test_it_is_the_margin_of_the_days_from_the_draw_on_returns_taken_off(self, tmp_path):
        engine = warehouse(
            pair(),
            line("a", at="2024-02-29T23:59:59", amount=1000.0),
            line("a", at="2024-03-01T00:00:00", amount=1.0),
            line("a", at="2024-03-15T12:00:00", amount=20.0),
            line("a", at="2024-03-16T12:00:00", amount=-5.0),
            line("a", at="2024-03-30T23:59:59", amount=100.0),
            line("a", at="2024-03-31T00:00:00", amount=1000.0),
            line("c", at="2024-03-15T12:00:00", amount=7.0),
        )
        written(engine, tmp_path / "x", economics=Economics(margin_rate=0.5))
        assert margins(tmp_path / "x") == {"a": 58.0, "b": 0.0}

    def test_returns_alone_are_a_loss(self, tmp_path):
        written(warehouse(pair(), line("a", at="2024-03-10T12:00", amount=-30.0)), tmp_path / "x")
        assert margins(tmp_path / "x") == {"a": -30.0, "b": 0.0}

    def test_lines_with_a_margin_of_their_own_count_by_it(self, tmp_path):
        lines = [
            line("a", at="2024-03-10T12:00", amount=30.0, margin=3.0),
            line("a", at="2024-03-11T12:00", amount=30.0, margin=None),
        ]
        written(warehouse(pair(), *lines), tmp_path / "x", economics=Economics(margin_rate=0.5))
        assert margins(tmp_path / "x") == {"a": 18.0, "b": 0.0}

    def test_the_business_time_zone_cuts_its_days(self, tmp_path):
        lines = [
            line("a", at="2024-02-29T22:30:00", amount=1.0),  # 1 March in Kyiv
            line("a", at="2024-03-30T21:30:00", amount=10.0),  # 30 March there
            line("a", at="2024-03-30T22:30:00", amount=100.0),  # 31 March there
        ]
        engine = warehouse(pair(), *lines)
        written(engine, tmp_path / "x")
        assert margins(tmp_path / "x")["a"] == 110.0
        written(engine, tmp_path / "x", timezone="Europe/Kyiv")
        assert margins(tmp_path / "x")["a"] == 11.0

    def test_it_begins_with_each_customers_own_day(self, tmp_path):
        ledger = [*pair(), drawn("c", "mail", on=DAY + timedelta(days=5))]
        lines = [line(name, at="2024-03-03T12:00", amount=9.0) for name in "ac"]
        written(warehouse(ledger, *lines), tmp_path / "x", as_of=OVER + timedelta(days=5))
        assert margins(tmp_path / "x") == {"a": 9.0, "b": 0.0, "c": 0.0}

    def test_two_campaigns_on_one_day_count_the_same_orders_once_each(self, tmp_path):
        ledger = [*pair("one"), *pair("two")]
        written(warehouse(ledger, line("a", at="2024-03-03T12:00", amount=9.0)), tmp_path / "x")
        rows = read_drawn(tmp_path / "x")
        assert rows[["campaign_id", "customer_id", "margin"]].to_numpy().tolist() == [
            ["one", "a", 9.0],
            ["one", "b", 0.0],
            ["two", "a", 9.0],
            ["two", "b", 0.0],
        ]


class TestFeatures:
    def test_they_are_those_of_the_drawn_before_the_day_of_the_draw(self, tmp_path):
        engine = warehouse([*pair(), drawn("c", "mail", on=DAY + timedelta(days=5))], line("a", at="2024-02-01", amount=5.0))
        written(engine, tmp_path / "x", as_of=OVER + timedelta(days=5))
        first = read_features(tmp_path / "x", DAY)
        assert first["customer_id"].tolist() == ["a", "b"]
        assert set(first["as_of"]) == {"2024-03-01"}
        expected = shop.features_at(engine, DAY)[DAY]
        for row in first.drop(columns="as_of").astype(object).where(first.notna(), None).to_dict("records"):
            assert row == {"customer_id": row["customer_id"], **expected[row["customer_id"]]}
        assert read_features(tmp_path / "x", DAY + timedelta(days=5))["customer_id"].tolist() == ["c"]

    def test_what_came_later_never_changes_them(self, tmp_path):
        written(warehouse(pair()), tmp_path / "before")
        later = [line("a", at="2024-03-01T00:00", amount=99.0), line("a", at="2024-03-20T00:00", amount=-50.0)]
        written(warehouse(pair(), *later), tmp_path / "after")
        before, after = (read_features(tmp_path / name, DAY) for name in ("before", "after"))
        assert before.equals(after)
        assert margins(tmp_path / "after")["a"] == 49.0


class TestFiles:
    def test_what_was_found_is_on_file(self, tmp_path):
        found = written(warehouse([*pair(), *pair("late", OVER)]), tmp_path / "x")
        assert read_experiments(tmp_path / "x") == {
            "outcome_days": 30,
            "campaigns": [
                {
                    "campaign_id": "spring",
                    "days": ["2024-03-01"],
                    "shares": {"control": 0.5, "mail": 0.5},
                    "costs": {"mail": 0.0},
                    "n_customers": 2,
                }
            ],
            "notes": list(found.notes),
        }

    def test_the_same_run_writes_the_same_bytes(self, tmp_path):
        engine = warehouse(pair(), line("a", at="2024-03-03T12:00", amount=9.0))
        contents = []
        for _ in range(2):
            written(engine, tmp_path / "x")
            contents.append({path.name: path.read_bytes() for path in (tmp_path / "x").rglob("*") if path.is_file()})
        assert contents[0] == contents[1]
        assert sorted(contents[0]) == ["drawn.parquet", "experiments.json", "features.parquet"]

    def test_a_run_leaves_no_tables_behind(self, tmp_path):
        engine = warehouse(pair())
        before = engine.tables()
        written(engine, tmp_path / "x")
        assert engine.tables() == before

    @pytest.mark.parametrize("why", ["no ledger", "none wanted"])
    def test_nothing_of_an_earlier_run_survives(self, why, tmp_path):
        written(warehouse(pair()), tmp_path / "x")
        if why == "no ledger":
            found = written(shop.typed_warehouse(transactions=BEFORE), tmp_path / "x")
        else:
            found = written(warehouse(pair()), tmp_path / "x", wanted=[])
        assert found == Experiments(30)
        assert [path.name for path in (tmp_path / "x").iterdir()] == ["experiments.json"]
        assert read_experiments(tmp_path / "x")["campaigns"] == []

    @pytest.mark.parametrize("nothing", [[], ()])
    def test_wanting_nothing_needs_no_ledger(self, nothing, tmp_path):
        assert written(shop.typed_warehouse(transactions=BEFORE), tmp_path / "x", wanted=nothing) == Experiments(30)

    def test_a_named_campaign_without_a_ledger_is_refused(self, tmp_path):
        with pytest.raises(ExperimentError, match=r"names \['spring'\], but there is no ledger\. Add data\.assignments"):
            written(shop.typed_warehouse(transactions=BEFORE), tmp_path / "x", wanted=["spring"])

    def test_a_refusal_leaves_the_earlier_run_as_it_was(self, tmp_path):
        written(warehouse(pair()), tmp_path / "x")
        with pytest.raises(ExperimentError, match="autumn"):
            written(warehouse(pair()), tmp_path / "x", wanted=["autumn"])
        assert arms(tmp_path / "x") == {"a": "mail", "b": "control"}

    def test_where_none_were_written_there_are_none(self, tmp_path):
        assert read_experiments(tmp_path / "nowhere") == {"outcome_days": 0, "campaigns": [], "notes": []}
        with pytest.raises(MissingOutputError, match="cvm features"):
            read_drawn(tmp_path / "nowhere")

    @pytest.mark.parametrize("text", ["not json", "[]", "{}"])
    def test_a_damaged_file_is_named(self, text, tmp_path):
        (tmp_path / "experiments.json").write_text(text)
        with pytest.raises(MissingOutputError, match=r"experiments\.json.*cvm features"):
            read_experiments(tmp_path)
