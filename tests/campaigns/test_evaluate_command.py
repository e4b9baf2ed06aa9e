"""From the user's files to the effect, through the command line and through Python."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

import cvm
import shop
from campaign_ledger import campaign
from cvm.campaigns.effect_table import effect_table
from cvm.errors import ExperimentError, MissingOutputError, ParamsError
from cvm.params import load_params
from cvm.stages.campaigns import evaluate_cells
from cvm.stages.context import workspace_of
from cvm.stages.data import run_ingest


@pytest.fixture(scope="module")
def ingested(tmp_path_factory):
    """A campaign and its base, ingested; read only."""
    folder, tables = tmp_path_factory.mktemp("ingested"), campaign(n=300)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    run_ingest(shop.params_for(folder, data={name: {"path": f"{name}.csv"} for name in tables}))
    return folder


@pytest.fixture
def params(ingested, tmp_path):
    """Of a copy of it."""
    return load_params(shutil.copytree(ingested, tmp_path, dirs_exist_ok=True) / "params.yaml")


def test_the_command_prints_and_writes_what_python_returns(params):
    found = cvm.evaluate_campaign(params)
    assert found.campaign_id == "spring"
    written = json.loads(workspace_of(params).effect_of("spring").read_text())
    assert written == found.to_dict()
    assert effect_table(params.resolve("outputs/effects")).num_rows == len(found.effects)
    printed = shop.cvm(params.root, "evaluate", "spring", "--segment-by", "city", "--days", "20", "--json")
    assert printed.code == 0
    assert {row["segment"] for row in json.loads(printed.out)["segments"]} == {"a", "b"}
    assert json.loads(printed.out)["window_days"] == 20
    table = shop.cvm(params.root, "evaluate")
    assert "Effect per customer against control" in table.out


def test_cells_are_shown_together(params):
    ledger = pd.read_csv(params.root / "assignments.csv")
    ledger["campaign_id"] = ["autumn.letter" if number % 2 else "autumn.call" for number in range(len(ledger))]
    ledger.to_csv(params.root / "assignments.csv", index=False)
    run_ingest(params)
    found = evaluate_cells(params, "autumn")
    assert json.loads(workspace_of(params).cells_effect_of("autumn").read_text()) == found.to_dict()
    for cell in found.cells:
        assert json.loads(workspace_of(params).effect_of(cell.campaign_id).read_text()) == cell.to_dict()
    table = shop.cvm(params.root, "evaluate", "autumn")
    assert table.code == 0
    assert "all together" in table.out
    assert "autumn.letter" in table.out
    printed = shop.cvm(params.root, "evaluate", "autumn", "--json")
    assert {cell["campaign_id"] for cell in json.loads(printed.out)["cells"]} == {"autumn.call", "autumn.letter"}
    one = shop.cvm(params.root, "evaluate", "autumn.call")
    assert (one.code, "Effect per customer" in one.out) == (0, True)
    wrong = shop.cvm(params.root, "evaluate", "--cells")
    assert (wrong.code, "no campaign whose name begins with" in wrong.err.replace("\n", " ")) == (1, True)
    wrong = shop.cvm(params.root, "evaluate", "autum")
    assert (wrong.code, "did you mean 'autumn'" in wrong.err.replace("\n", " ")) == (1, True)


def test_a_cell_of_its_own_name_tells_of_the_others(params):
    ledger = pd.read_csv(params.root / "assignments.csv")
    ledger["campaign_id"] = ["spring.explore" if number % 3 == 0 else "spring" for number in range(len(ledger))]
    ledger.to_csv(params.root / "assignments.csv", index=False)
    run_ingest(params)
    alone, together = shop.cvm(params.root, "evaluate", "spring"), shop.cvm(params.root, "evaluate", "spring", "--cells")
    assert "`cvm evaluate spring --cells` adds them up" in alone.out.replace("\n", " ")
    assert "all together" in together.out


def test_looks_and_scores_from_the_command_line(params):
    folder = workspace_of(params).scores
    ids = [str(name) for name in pd.read_csv(params.root / "assignments.csv")["customer_id"]]
    for as_of, tier in (("2024-02-01", "known"), ("2024-04-01", "later")):
        (folder / f"as_of={as_of}").mkdir(parents=True)
        scores = pd.DataFrame({"customer_id": ids, "value_tier": tier})
        scores.to_parquet(folder / f"as_of={as_of}" / "scores.parquet")
    (folder / "as_of=unknown").mkdir()
    printed = shop.cvm(params.root, "evaluate", "--segment-by", "value_tier", "--sequential", "--json")
    found = json.loads(printed.out)
    assert (found["segment_by"], found["scores_as_of"]) == ("value_tier", "2024-02-01")
    assert {row["segment"] for row in found["segments"]} == {"known"}
    assert found["effects"][0]["always_valid"]["lower"] < found["effects"][0]["plain"]["lower"]
    table = shop.cvm(params.root, "evaluate", "--sequential")
    assert "at any" in table.out


def test_refusals_are_messages(params):
    with pytest.raises(ExperimentError, match="knows no campaign 'autumn'"):
        cvm.evaluate_campaign(params, "autumn")
    done = shop.cvm(params.root, "evaluate", "--days", "400")
    assert (done.code, "it is not over" in done.err.replace("\n", " ")) == (1, True)


def test_before_ingest_there_is_nothing_to_evaluate(tmp_path):
    with pytest.raises(MissingOutputError, match="Run `cvm ingest`"):
        cvm.evaluate_campaign(shop.params_for(tmp_path))


def test_a_known_end_is_the_midnight_of_the_business(params):
    (params.root / "params.yaml").write_text(
        (params.root / "params.yaml").read_text().replace("timezone: UTC", "timezone: Europe/Kyiv")
        + "windows: {as_of: 2024-04-20, horizon_days: 30, clv_days: 30}\n"
    )
    found = cvm.evaluate_campaign(cvm.load_params(params.root / "params.yaml"))
    assert found.observed_until.isoformat() == "2024-04-19T21:00:00"


@pytest.mark.parametrize(
    "setting", ["outcome_days=0", "evaluate.level=1", "evaluate.fixed_cost=-1", "evaluate.shares={mail: 0}"]
)
def test_settings_out_of_range_are_refused(params, setting):
    with pytest.raises(ParamsError, match="campaigns"):
        cvm.load_params(params.root / "params.yaml", overrides=[f"campaigns.{setting}"])


def test_campaigns_of_like_names_never_share_a_file(params):
    names = ["spring", "spring/1", "spring 1", "весна", "весна?"]
    files = {workspace_of(params).effect_of(name) for name in names}
    assert len(files) == len(names)
    assert {file.parent for file in files} == {workspace_of(params).outputs / "effects"}
