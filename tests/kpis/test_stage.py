"""The command, its files and what it prints."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.errors import InsufficientDataError, MissingOutputError
from cvm.kpis.campaign_returns import CAMPAIGN_KPIS, campaign_rows
from cvm.kpis.files import latest_complete, read_kpi_file, write_kpi_files, write_plain_csv
from cvm.kpis.settings import KpiSettings, Scores
from cvm.kpis.stage import compute_kpis
from shop import cvm, order, typed_warehouse, write_params

EMPTY = pa.table({"a": pa.array([], pa.string())})


def effect(value, *, known=True):
    return {"value": value, "standard_error": 1.0 if known else None}


def evaluation(**changes):
    return {
        "campaign_id": "spring", "currency": "USD", "metric": "margin", "segment_by": "segment",
        "assigned_from": "2024-03-01T00:00:00", "observed_until": "2024-04-01T00:00:00",
        "earned": [
            {"arm": "letter", "n_treated": 100, "cost": 200.0, "net": effect(100.0)},
            {"arm": "mail", "n_treated": 100, "cost": 0.0, "net": effect(50.0)},
            {"arm": "odd", "n_treated": 10, "cost": 10.0, "net": effect(None, known=False)},
        ],
        "segments": [
            {"segment": "vip", "arm": "letter", "n_treated": 25, "effect": effect(6.0)},
            {"segment": "core", "arm": "letter", "n_treated": 75, "effect": None},
        ],
        "verdicts": [{"arm": arm, "word": "works"} for arm in ("letter", "mail", "odd")],
        **changes,
    }  # fmt: skip


class TestCampaignReturns:
    def rows(self, folder, *evaluations, **options):
        for number, found in enumerate(evaluations):
            (folder / f"{number}.json").write_text(json.dumps(found))
        rows = campaign_rows(folder, currency="USD", **{"until": datetime(2024, 4, 1), **options}).to_dict("records")
        return {(row["kpi"], row["group_by"], row["group"]): row for row in rows}

    def test_returns_by_hand(self, tmp_path):
        again = evaluation(campaign_id="autumn", segment_by=None, segments=[])
        found = self.rows(tmp_path, evaluation(), again)
        assert found["campaign_roi", "campaign", "spring: letter"]["value"] == 0.5
        assert found["campaign_roi", "all", None]["value"] == (100 + 50) * 2 / (200 * 2)
        # 25 treated vips earned 6 each and cost 2 each.
        assert found["campaign_romi", "segment", "vip"]["value"] == 2.0
        free = found["campaign_roi", "campaign", "spring: mail"]
        assert (free["reason"], free["value"] == free["value"]) == ("the campaign cost nothing", False)
        assert not [key for key in found if "odd" in str(key) or "core" in str(key)]
        assert {key[0] for key in found} == set(CAMPAIGN_KPIS)

    def test_arms_that_differ_by_more_than_chance_returned_nothing_that_could_be_told(self, tmp_path):
        verdicts = [{"arm": "letter", "word": "not identified"}, {"arm": "mail", "word": "inconclusive"}]
        found = self.rows(tmp_path, evaluation(verdicts=verdicts))
        assert set(found) == {("campaign_roi", "campaign", "spring: mail"), ("campaign_roi", "all", None)}

    def test_a_campaign_lasts_from_day_to_day_of_the_business(self, tmp_path):
        nights = evaluation(assigned_from="2024-02-29T22:00:00", observed_until="2024-03-31T21:00:00")
        found = self.rows(tmp_path, nights, timezone="Europe/Kyiv")["campaign_roi", "all", None]
        assert (found["period_start"], found["period_end"]) == (date(2024, 3, 1), date(2024, 4, 1))

    def test_another_currency_and_no_campaign_at_all_are_nothing(self, tmp_path):
        assert campaign_rows(tmp_path / "none", currency="USD").empty
        assert self.rows(tmp_path, evaluation(currency="EUR")) == {}

    def test_what_was_observed_after_as_of_is_not_known(self, tmp_path):
        noon = evaluation(observed_until="2024-04-01T12:00:00")
        assert self.rows(tmp_path, evaluation())
        assert self.rows(tmp_path, noon) == {}

    def test_a_damaged_evaluation_is_named(self, tmp_path):
        (tmp_path / "spring.json").write_text('{"currency": "USD"}')
        with pytest.raises(MissingOutputError, match=r"spring\.json"):
            campaign_rows(tmp_path, currency="USD")


class TestFiles:
    def test_csv_is_plain_and_safe(self, tmp_path):
        table = pa.table(
            {
                "group": ["=1+1", 'a,"b"', "Київ", None],
                "value": [0.5, None, -2.0, 1e9],
                "start": [date(2024, 1, 31), None, date(2024, 2, 1), date(2024, 3, 1)],
            }
        )
        write_plain_csv(table, tmp_path / "t.csv")
        with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        assert rows == [
            ["group", "value", "start"],
            ["'=1+1", "0.5", "2024-01-31"],
            ['a,"b"', "", ""],
            ["Київ", "-2", "2024-02-01"],
            ["", "1000000000", "2024-03-01"],
        ]

    def test_all_files_are_replaced_together(self, tmp_path):
        for _ in range(2):
            write_kpi_files(tmp_path / "kpis", kpis=EMPTY, cohorts=EMPTY, goals=EMPTY)
        names = sorted(path.name for path in (tmp_path / "kpis").iterdir())
        assert names == [f"{name}.{kind}" for name in ("cohorts", "goals", "kpis") for kind in ("csv", "parquet")]

    def test_a_file_that_is_not_there_or_damaged_names_the_command(self, tmp_path):
        with pytest.raises(MissingOutputError, match="cvm kpis"):
            read_kpi_file(tmp_path, "kpis")
        (tmp_path / "kpis.parquet").write_text("no")
        with pytest.raises(MissingOutputError, match="cvm kpis"):
            read_kpi_file(tmp_path, "kpis")


def test_the_latest_complete_period_is_the_last_with_orders(outcome):
    rows = outcome.kpis.to_pandas()
    assert latest_complete(rows, "month") == date(2024, 6, 1)
    assert latest_complete(rows, "year") is None  # 2024 is not over
    assert latest_complete(rows[rows["period_start"] < date(2024, 6, 1)], "month") == date(2024, 5, 1)


def test_an_as_of_before_all_data_is_refused(tmp_path):
    with typed_warehouse(transactions=[order("a", on="2024-01-05", amount=1)]) as engine:
        asked = {"score_files": Scores(), "effects": tmp_path, "as_of": date(2024, 1, 5)}
        with pytest.raises(InsufficientDataError, match="no transaction before 2024-01-05: they begin on 2024-01-05"):
            compute_kpis(engine, KpiSettings(), **asked)


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ingested")
    lines = ["customer_id,occurred_at,amount,channel"]
    lines += [f"c{n % 7},2024-{1 + n % 6:02}-{1 + n % 27:02},{10 + n},=web" for n in range(60)]
    (folder / "transactions.csv").write_text("\n".join(lines))
    goal = {"name": "more", "metric": "revenue", "period": "month", "target": "+500%", "deadline": "2025-01-01"}
    write_params(folder, business={"active_days": 30}, goals=[goal], data={"transactions": {"path": "transactions.csv"}})
    assert cvm(folder, "ingest", "--quiet").code == 0
    return folder


class TestCommand:
    @pytest.fixture
    def folder(self, ingested, tmp_path):
        return shutil.copytree(ingested, tmp_path, dirs_exist_ok=True)

    def test_it_writes_files_and_prints_headlines_and_goals(self, folder):
        done = cvm(folder, "kpis", "--set", "windows.as_of=2024-07-01")
        assert (done.code, done.err) == (0, "")
        assert "29 KPIs before 2024-07-01" in done.out
        assert "goals: 1 behind" in done.out
        for shown in ("Jun 2024", "Q2 2024", "revenue, USD", "way gone", "no events, so none of users"):
            assert shown in done.out
        table = pq.read_table(folder / "outputs" / "kpis" / "kpis.parquet")
        assert set(table["period"].to_pylist()) == {"month", "quarter", "year"}
        assert "'=web" in (folder / "outputs" / "kpis" / "kpis.csv").read_text()
        assert cvm(folder, "kpis", "--quiet").out.count("\n") == cvm(folder, "kpis", "--quiet").out.count("note:")

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("goals=[{name: a, metric: churn_rat, target: 1, deadline: 2025-01-01}]", "did you mean 'churn_rate'?"),
            (
                "goals=[{name: a, metric: zz, target: 1, deadline: 2025-01-01}]",
                "'zz' is no KPI that a goal can have; there are ['customers_at_start'",
            ),
            (
                "goals=[{name: a, metric: clv, target: 5 %, deadline: 2025-01-01}]",
                "neither a figure such as 0.25",
            ),
            ("goals=[{name: a, metric: clv, target: 5, deadline: soon}]", "goals.0.deadline: 'soon' is no date"),
            ("goals=[{name: a, metric: clv, target: -150%, deadline: 2025-01-01}]", "-100% is the least there is"),
            ("goals=[{name: a, metric: clv, target: 5, deadline: 0001-01-01}]", "before 1970"),
            ("goals=[{name: ' ', metric: clv, target: 5, deadline: 2025-01-01}]", "goals.0.name: a name of 0 characters"),
            (
                "goals=[{name: a, metric: clv, target: 5, baseline_from: 2025-01-01, deadline: 2025-01-01}]",
                "baseline_from 2025-01-01 is not before the deadline 2025-01-01",
            ),
            ("kpis.periods=[]", "kpis.periods"),
            ("kpis.inactivity_days=0", "kpis.inactivity_days"),
            ("kpis.group_by=[town]", "kpis.group_by"),
        ],
    )
    def test_what_cannot_be_asked_is_refused(self, folder, override, message):
        done = cvm(folder, "kpis", "--set", override)
        assert done.code == 1
        assert message in done.err

    def test_two_goals_of_one_name_are_refused(self, folder):
        goal = "{name: a, metric: clv, target: 5, deadline: 2025-01-01}"
        assert "['a'] are names of several goals" in cvm(folder, "kpis", "--set", f"goals=[{goal}, {goal}]").err

    def test_without_a_warehouse_it_says_what_to_run(self, tmp_path):
        write_params(tmp_path)
        done = cvm(tmp_path, "kpis")
        assert done.code == 1
        assert "cvm ingest" in done.err
