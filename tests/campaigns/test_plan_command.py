"""From scores on file to the ledger, through the command line and through Python."""

from __future__ import annotations

import json
import shutil
from datetime import date

import pandas as pd
import pyarrow.parquet as pq
import pytest

import cvm
import shop
from cvm.campaigns.plan_settings import PlanError
from cvm.engines import DuckDBEngine
from cvm.errors import MissingOutputError, ParamsError, SourceError
from cvm.features.treatments import treatments_query
from cvm.params import load_params
from cvm.stages.context import workspace_of
from cvm.stages.data import run_ingest
from cvm.stages.plans import approve_plan
from planned import ids, profile, scored, write_scores

NAMES = ids(120)
CAMPAIGNS = {
    "treatments": {"letter": {"channel": "post", "cost": 1.1}, "mail": {"channel": "email", "cost": 0.05}},
    "plans": {"spring": {"treatments": ["letter"], "budget": 40.0}, "../odd name": {"treatments": ["mail"]}},
}


def lay_out(folder, **campaigns):
    """A base of 120 customers, scored on the day after its last order."""
    orders = [shop.order(name, on="2023-06-01", amount=20.0) for name in NAMES]
    orders += [shop.order(name, on="2024-02-29", amount=20.0 + number) for number, name in enumerate(NAMES[:60])]
    pd.DataFrame(orders).to_csv(folder / "transactions.csv", index=False)
    pd.DataFrame([profile(name, email=f"{name}@shop.example") for name in NAMES]).to_csv(
        folder / "customers.csv", index=False
    )
    return shop.params_for(
        folder,
        data={"transactions": {"path": "transactions.csv"}, "customers": {"path": "customers.csv"}},
        identity={"match": []},
        campaigns={**CAMPAIGNS, **campaigns},
    )


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    """The base, ingested and scored; read only."""
    checked = lay_out(tmp_path_factory.mktemp("ingested"))
    run_ingest(checked)
    write_scores(workspace_of(checked).scores, [scored(name, clv=50.0 + number) for number, name in enumerate(NAMES)])
    return checked.root


@pytest.fixture
def params(ingested, tmp_path):
    """Of a copy of it."""
    return load_params(shutil.copytree(ingested, tmp_path, dirs_exist_ok=True) / "params.yaml")


def tables(params):
    with DuckDBEngine(workspace_of(params).warehouse, read_only=True) as engine:
        if "assignments" not in engine.tables():
            return {}
        rows = engine.table("SELECT campaign_id, arm, count(*) AS n FROM assignments GROUP BY ALL").to_pylist()
        return {(row["campaign_id"], row["arm"]): row["n"] for row in rows}


def test_a_plan_is_a_draft_until_it_is_approved_then_a_ledger_that_ingest_reads(params):
    folder = params.root
    done = shop.cvm(folder, "plan", "spring")
    assert (done.code, done.err) == (0, "")
    assert "who of 120 customers, scored 2024-03-01, contacted 2024-03-01" in done.out
    assert "beyond budget or capacity" in done.out
    assert "nobody knows whom one moves" in done.out
    assert "cvm plan spring --approve" in done.out
    workspace = workspace_of(params)
    assert not workspace.ledger_of("spring").exists()
    done = shop.cvm(folder, "plan", "spring", "--approve")
    assert (done.code, done.err) == (0, "")
    assert "spring approved; ledger in" in done.out
    written = pq.read_table(workspace.ledger_of("spring")).to_pylist()
    files = workspace.audience_of("spring").glob("files/*.csv")
    listed = [name for file in files for name in pd.read_csv(file)["customer_id"]]
    assert sorted(listed) == [
        row["customer_id"] for row in sorted(written, key=lambda r: r["customer_id"]) if row["channel"]
    ]
    assert tables(params) == {}
    assert shop.cvm(folder, "ingest", "--quiet").code == 0
    counted = pd.Series([(row["campaign_id"], row["arm"]) for row in written]).value_counts().to_dict()
    assert tables(params) == counted
    again = shop.cvm(folder, "ingest")
    assert "nothing new" in again.out


def test_python_returns_what_the_command_prints(params):
    found = cvm.plan_campaign(params, "spring", exclude=["c119"])
    listed = params.root / "out.csv"
    listed.write_text("name,customer_id\nno one,c119\n")
    printed = shop.cvm(params.root, "plan", "spring", "--exclude", "out.csv", "--json")
    assert json.loads(printed.out) == json.loads(json.dumps(found.to_dict()))
    draft = json.loads((workspace_of(params).audience_of("spring") / "plan.json").read_text())
    assert draft["by_hand"] == {"included": [], "excluded": ["c119"]}
    approved = approve_plan(params, "spring")
    assert approved.n_drawn == sum(cell.n for cell in found.cells)
    assert approved.cost == pytest.approx(found.spent)


def test_a_name_never_leaves_the_outputs_folder(params):
    cvm.plan_campaign(params, "../odd name")
    approved = approve_plan(params, "../odd name")
    outputs = workspace_of(params).outputs.resolve()
    assert approved.ledger.resolve().parent == outputs / "ledger"
    assert all(file.path.resolve().is_relative_to(outputs / "audiences") for file in approved.files)
    assert workspace_of(params).audience_of("..").parent == workspace_of(params).outputs / "audiences"
    assert ".." not in workspace_of(params).audience_of("..").parts


def test_a_campaign_is_drawn_once(params):
    cvm.plan_campaign(params, "spring")
    approve_plan(params, "spring")
    with pytest.raises(PlanError, match=r"The ledger has 'spring', 'spring\.explore' already"):
        cvm.plan_campaign(params, "spring")
    with pytest.raises(PlanError, match="was approved before"):
        approve_plan(params, "spring")
    run_ingest(params)
    workspace_of(params).ledger_of("spring").rename(params.root / "kept.parquet")
    with pytest.raises(PlanError, match=r"The ledger has 'spring', 'spring\.explore' already"):
        cvm.plan_campaign(params, "spring")


def test_an_approval_that_was_cut_short_is_taken_up_again(params):
    cvm.plan_campaign(params, "spring")
    files = approve_plan(params, "spring").files
    shutil.rmtree(files[0].path.parent)
    ledger = workspace_of(params).ledger_of("spring").read_bytes()
    assert approve_plan(params, "spring").files == files
    assert workspace_of(params).ledger_of("spring").read_bytes() == ledger


def test_a_draft_of_other_data_is_not_approved(params):
    with pytest.raises(PlanError, match="There is no draft of 'spring' to approve"):
        approve_plan(params, "spring")
    cvm.plan_campaign(params, "spring")
    changed = cvm.load_params(params.root / "params.yaml", overrides=["campaigns.plans.spring.budget=41.0"])
    with pytest.raises(PlanError, match=r"Other than when the draft of 'spring' was made: params\.yaml"):
        approve_plan(changed, "spring")
    cvm.plan_campaign(params, "../odd name")
    approve_plan(params, "../odd name")
    with pytest.raises(PlanError, match="was made: the ledger"):
        approve_plan(params, "spring")
    cvm.plan_campaign(params, "spring")
    write_scores(workspace_of(params).scores, [scored(name) for name in NAMES])
    with pytest.raises(PlanError, match="was made: the scores"):
        approve_plan(params, "spring")
    cvm.plan_campaign(params, "spring")
    draft = workspace_of(params).audience_of("spring") / "plan.parquet"
    draft.write_bytes(draft.read_bytes()[:-9])
    with pytest.raises(PlanError, match="was changed or damaged"):
        approve_plan(params, "spring")


def test_scores_older_than_the_warehouse_are_refused_unless_asked_for(params):
    with (params.root / "transactions.csv").open("a") as file:
        file.write("c000,2024-03-05,9.0\n")
    run_ingest(params)
    with pytest.raises(PlanError, match="The scores are of 2024-03-01, and the warehouse holds orders up to 2024-03-05"):
        cvm.plan_campaign(params, "spring")
    then = cvm.load_params(params.root / "params.yaml", overrides=["windows.as_of=2024-03-01"])
    assert cvm.plan_campaign(then, "spring").as_of == date(2024, 3, 1)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ([], "Name the campaign to plan; campaigns.plans in params.yaml has ['../odd name', 'spring']"),
        (["summer"], "There is no plan 'summer'"),
        (["spring", "--include", "nowhere.txt"], "The list of customers 'nowhere.txt' cannot be read: No such file"),
        (["spring", "--set", "campaigns.plans.spring.budget=0"], "budget: 0: input should be greater than 0"),
        (["spring", "--set", "campaigns.treatments.letter.cost=-1"], "cost: -1: input should be greater than or equal to 0"),
        (
            ["spring", "--set", "campaigns.plans.spring.budgets=9"],
            "budgets: unknown key; did you mean 'budget'?",
        ),
        (["spring", "--set", "campaigns.plans.spring=9"], "campaigns.plans.spring: 9: must be a section with keys of"),
        (["spring", "--set", "campaigns.plans.spring.treatments=[call]"], "plans.spring.treatments names ['call']"),
        (["spring", "--set", "campaigns.plans.spring.capacity={sms: 3}"], "plans.spring.capacity names ['sms']"),
        (["spring", "--set", "campaigns.plans.spring.audience.segments=[nobodies]"], "names the segment 'nobodies'"),
        (["spring", "--set", "campaigns.plans.spring.audience.segments=[lost]"], "120 another segment"),
        (["spring", "--set", "campaigns.consent.columns={post: letters}"], "customers has no column ['letters']"),
        (["spring", "--set", "campaigns.suppression=[gone.csv]"], "gone.csv' cannot be read"),
        (["spring", "--set", "campaigns.plans.spring.starts_on=2024-01-01"], "before its scores of 2024-03-01"),
        (["spring", "--set", "campaigns.contact_policy.quiet_weekdays=[friday, sundae]"], "quiet_weekdays"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_in_words(params, arguments, cause):
    done = shop.cvm(params.root, "plan", *arguments)
    assert done.code == 1
    assert cause in done.err
    assert "Traceback" not in done.err


def test_lists_belong_to_the_draft(params):
    done = shop.cvm(params.root, "plan", "spring", "--approve", "--include", "x.csv")
    assert done.code == 2
    assert "belong to the draft" in done.err


def test_without_scores_or_treatments_there_is_no_plan(tmp_path):
    params = lay_out(tmp_path, treatments={}, plans={"spring": {}})
    run_ingest(params)
    with pytest.raises(PlanError, match="has no treatment"):
        cvm.plan_campaign(params)
    params = lay_out(tmp_path)
    with pytest.raises(MissingOutputError, match="Run `cvm score` first"):
        cvm.plan_campaign(params, "spring")


def test_all_weekdays_cannot_be_quiet(tmp_path):
    week = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    with pytest.raises(ParamsError, match="names all seven weekdays"):
        lay_out(tmp_path, contact_policy={"quiet_weekdays": week})


def test_ingest_reads_plans_beside_a_ledger_of_other_names(params):
    cvm.plan_campaign(params, "spring")
    approve_plan(params, "spring")
    (params.root / "own.csv").write_text("kampagne;kunde;wann;gruppe\nwinter;c000;01.02.2024;letter\n")
    mapped = {"campaign_id": "kampagne", "customer_id": "kunde", "assigned_at": "wann", "arm": "gruppe"}
    own = {"path": "own.csv", "columns": mapped, "datetime_format": "%d.%m.%Y"}
    data = {**params.data.model_dump(exclude_unset=True), "assignments": own}
    both = shop.params_for(params.root, data=data, identity={"match": []}, campaigns=CAMPAIGNS)
    run_ingest(both)
    found = tables(both)
    assert found[("winter", "letter")] == 1
    assert ("spring", "letter") in found
    with DuckDBEngine(workspace_of(both).warehouse, read_only=True) as engine:
        row = engine.row("SELECT DISTINCT assigned_at FROM assignments WHERE campaign_id = 'spring'")
        assert row["assigned_at"].isoformat() == "2024-03-01T00:00:00"


def test_a_damaged_ledger_is_named(params):
    cvm.plan_campaign(params, "spring")
    ledger = approve_plan(params, "spring").ledger
    ledger.write_bytes(b"nothing")
    with pytest.raises(SourceError, match=r"outputs/ledger/spring\.parquet"):
        run_ingest(params)
    with pytest.raises(PlanError, match=r"spring\.parquet is no ledger of an approved plan, or damaged: it lacks every row"):
        cvm.plan_campaign(params, "../odd name")


def test_damaged_effects_are_named(params):
    path = workspace_of(params).uplift_of(date(2024, 3, 1))
    path.parent.mkdir(parents=True)
    pd.DataFrame({"customer_id": ["c000"], "arm": ["letter"]}).to_parquet(path)
    with pytest.raises(MissingOutputError, match=r"uplift\.parquet is damaged"):
        cvm.plan_campaign(params, "spring")


def test_scores_and_effects_that_spark_wrote_as_folders_are_read(params):
    workspace, as_of = workspace_of(params), date(2024, 3, 1)
    expected = cvm.plan_campaign(params, "spring").to_dict()
    file = workspace.scores_of(as_of)
    part = file.rename(file.with_name("part-00000.parquet"))
    assert cvm.plan_campaign(params, "spring").to_dict() == expected
    pd.read_parquet(part, partitioning=None).to_parquet(part, compression=None)
    with pytest.raises(PlanError, match=r"the scores"):
        approve_plan(params, "spring")
    effects = workspace.uplift_of(as_of) / "part-00000.parquet"
    effects.parent.mkdir(parents=True)
    pd.DataFrame({"customer_id": ["c000"], "arm": ["letter"]}).to_parquet(effects)
    with pytest.raises(MissingOutputError, match=r"uplift\.parquet is damaged"):
        cvm.plan_campaign(params, "spring")


def test_the_first_campaign_of_a_period_writes_the_global_holdout_down(tmp_path):
    params = lay_out(tmp_path, global_holdout={"share": 0.2, "starts_on": "2024-01-01", "rotation_days": 366})
    run_ingest(params)
    workspace = workspace_of(params)
    write_scores(workspace.scores, [scored(name, clv=50.0 + number) for number, name in enumerate(NAMES)])
    cvm.plan_campaign(params, "spring")
    approve_plan(params, "spring")
    period = workspace.ledger_of("global_holdout_2024-01-01")
    rows = pq.read_table(period).to_pandas()
    assert sorted(rows["customer_id"]) == sorted(NAMES)
    assert set(rows["arm"]) == {"control", "reachable"}
    left_alone = set(rows.loc[rows["arm"] == "control", "customer_id"])
    assert not left_alone & set(pq.read_table(workspace.ledger_of("spring"))["customer_id"].to_pylist())
    before = period.read_bytes()
    cvm.plan_campaign(params, "../odd name")
    approve_plan(params, "../odd name")
    assert period.read_bytes() == before
    run_ingest(params)
    assert tables(params)["global_holdout_2024-01-01", "control"] == len(left_alone)
    with DuckDBEngine(workspace.warehouse, read_only=True) as engine:
        query = treatments_query(
            frozenset(engine.columns("assignments")), date(2024, 1, 1), horizon_days=90, lead_days=0, timezone="UTC"
        )
        treated = {row["customer_id"] for row in engine.table(query).to_pylist() if row["is_treated"]}
    plans = [pq.read_table(workspace.ledger_of(plan)).to_pandas() for plan in ("spring", "../odd name")]
    drawn = pd.concat(plans)
    assert treated == set(drawn.loc[drawn["arm"] != "control", "customer_id"])
