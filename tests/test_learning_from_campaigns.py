"""From a ledger of past campaigns to an action for every customer, by the stages as a user runs them."""

from __future__ import annotations

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import shop
from cvm.models.bundle import read_bundle
from cvm.models.uplift.lessons import season_level

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("untracked")]

# A mail makes every second reader order once more, for 40; a letter moves nobody.
DRAWN_ON = {"spring": shop.FIRST_DAY + timedelta(days=380), "summer": shop.FIRST_DAY + timedelta(days=430)}
PARAMS = {
    "data": {"transactions": {"path": "transactions.csv"}, "assignments": {"path": "ledger.csv"}},
    "windows": {"horizon_days": 60, "clv_days": 60},
    "train": {"snapshots": 1, "seed": 7},
    "campaigns": {
        "outcome_days": 30,
        "treatments": {"mail": {"channel": "email", "cost": 3.0}, "letter": {"channel": "post", "cost": 1.0}},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop whose two campaigns are over; everything up to the scores was run."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(3)
    purchases = shop.purchases(n_customers=1_200, seed=4)
    known = sorted(set(purchases.loc[purchases["occurred_at"] < DRAWN_ON["spring"], "customer_id"]))
    ledger, extra = [], []
    for name, day in DRAWN_ON.items():
        arms = rng.choice(["control", "letter", "mail"], size=len(known), p=[0.4, 0.2, 0.4])
        share = pd.Series(arms).map({"control": 0.4, "letter": 0.2, "mail": 0.4})
        drawn = {"campaign_id": name, "customer_id": known, "assigned_at": day, "arm": arms, "propensity": share}
        ledger.append(pd.DataFrame(drawn).assign(cost=np.where(arms == "control", 0.0, 2.0)))
        moved = [who for who, arm in zip(known, arms, strict=True) if arm == "mail" and rng.random() < 0.5]
        extra.append(pd.DataFrame({"customer_id": moved, "occurred_at": day + timedelta(days=4), "amount": 40.0}))
    pd.concat([purchases, *extra]).to_csv(folder / "transactions.csv", index=False)
    pd.concat(ledger).to_csv(folder / "ledger.csv", index=False)
    shop.write_params(folder, **PARAMS)
    for stage in ("ingest", "features", "train", "score"):
        done = shop.cvm(folder, stage, "--quiet")
        assert (done.code, done.err) == (0, ""), done
    return folder


def scores(folder: Path) -> pd.DataFrame:
    (path,) = (folder / "outputs" / "scores").glob("as_of=*/scores.parquet")
    return pq.read_table(path, partitioning=None).to_pandas()


def test_the_effect_of_the_mail_is_found_and_the_letter_is_not_sent(folder):
    found = scores(folder)
    assert set(found["next_best_action"].dropna()) == {"mail"}
    assert found["next_best_action"].notna().mean() > 0.9
    # Half of them order for 40 more, of which all is margin, and the mail costs 3: the cost of params, not of the ledger.
    assert found["expected_uplift"].mean() == pytest.approx(20, abs=5)
    np.testing.assert_allclose(found["expected_uplift"] - found["expected_net_value"], 3.0)


def test_every_treatment_has_a_row_for_every_customer(folder):
    (path,) = (folder / "outputs" / "uplift").glob("as_of=*/uplift.parquet")
    table = pq.read_table(path, partitioning=None).to_pandas()
    assert table["arm"].value_counts().to_dict() == {"letter": len(scores(folder)), "mail": len(scores(folder))}
    assert table.groupby("arm")["cost"].first().to_dict() == {"letter": 1.0, "mail": 3.0}
    assert table.loc[table["arm"] == "letter", "expected_uplift"].mean() == pytest.approx(0, abs=6)
    assert set(table["outcome_days"]) == {30}


def test_the_bundle_keeps_what_it_was_judged_by(folder):
    bundle = json.loads((folder / "models" / "champion" / "bundle.json").read_text(encoding="utf-8"))
    letter, mail = bundle["evidence"]["uplift"]["treatments"]
    assert (letter["arm"], mail["arm"]) == ("letter", "mail")
    assert sorted(mail["campaigns"]) == ["spring", "summer"]
    clock = read_bundle(folder / "models" / "champion").btyd.clock
    level = np.mean([season_level(clock, day, 30) for day in DRAWN_ON.values()])
    assert mail["mean_effect"]["lower"] < 20 / level < mail["mean_effect"]["upper"]


def test_the_stages_say_what_they_learned_from_and_for_whom_a_contact_pays(folder):
    for stage, said in (("features", "and 2 campaigns that drew"), ("score", "; a contact pays with")):
        done = shop.cvm(folder, stage)
        assert done.code == 0, done.err
        assert said in " ".join(done.out.split())


def test_scores_on_file_say_for_whom_a_contact_pays_by_the_model_and_are_made_again_without_its_effects(folder, tmp_path):
    folder = shutil.copytree(folder, tmp_path / "shop")
    goals = [{"name": "keep", "metric": "churn_rate", "target": "-15%", "deadline": "2030-12-31"}]
    playbook = [{"name": "call", "goal": "keep", "when": {"value_tiers": ["top"]}}]
    shop.write_params(folder, **PARAMS, goals=goals, playbook=playbook)
    (uplift,) = (folder / "outputs" / "uplift").glob("as_of=*/uplift.parquet")
    asked = ["score", "--as-of", uplift.parent.name.removeprefix("as_of=")]
    first, again = (" ".join(shop.cvm(folder, *asked).out.split()) for _ in range(2))
    pays = [
        re.search("a contact pays with [0-9,]+; the playbook names an action for [0-9,]+", out) for out in (first, again)
    ]
    assert pays[0][0] == pays[1][0]
    assert "on file, left alone" in again
    uplift.unlink()
    assert "on file, left alone" not in shop.cvm(folder, *asked).out
    assert uplift.is_file()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["autumn"], r"learn_from names ['autumn']; the ledger has ['spring', 'summer']"),
        (["spring", "summer"], ""),
    ],
)
def test_a_name_is_checked_by_the_features_stage(folder, names, said, tmp_path):
    folder = shutil.copytree(folder, tmp_path / "shop")
    shop.write_params(folder, **{**PARAMS, "campaigns": {**PARAMS["campaigns"], "learn_from": names}})
    done = shop.cvm(folder, "features", "--quiet")
    assert done.code == (1 if said else 0)
    assert said in " ".join(done.err.split())


def test_learning_from_nothing_takes_everything_back(folder, tmp_path):
    folder = shutil.copytree(folder, tmp_path / "shop")
    shop.write_params(folder, **{**PARAMS, "campaigns": {**PARAMS["campaigns"], "learn_from": []}})
    for stage in ("features", "train", "promote", "score"):
        assert shop.cvm(folder, stage, "--quiet").code == 0
    assert scores(folder)[["next_best_action", "expected_uplift", "expected_net_value"]].isna().all(axis=None)
    assert not list((folder / "outputs" / "uplift").glob("as_of=*/uplift.parquet"))
    assert [path.name for path in (folder / "outputs" / "experiments").iterdir()] == ["experiments.json"]
