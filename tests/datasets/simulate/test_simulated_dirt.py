"""Dirt comes at its rates, never touches what customers did, and is gone when its rates are 0."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cvm.datasets.simulate import Dirt, SimulationOutcome, World, simulate
from cvm.datasets.simulate.names import PLACEHOLDER_EMAIL

N_CUSTOMERS = 2_000


def table(folder: Path, name: str) -> pd.DataFrame:
    return pq.read_table(folder / f"{name}.parquet").to_pandas()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    simulate(folder, n_customers=N_CUSTOMERS, seed=7, world=World(dirt=Dirt.none()))
    return folder


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dirty")
    simulate(folder, n_customers=N_CUSTOMERS, seed=7)
    return folder


def test_without_dirt_the_tables_are_clean(clean: Path) -> None:
    lines, events = table(clean, "tables/transactions"), table(clean, "tables/events")
    assert (lines["amount"] > 0).all()
    assert not lines["is_test"].any()
    assert not lines.duplicated().any()
    for rows in (lines, events):
        assert (rows["recorded_at"] == rows["occurred_at"]).all()
        assert rows["customer_id"].notna().all()
        assert (rows["customer_id"] != "").all()
    customers = table(clean, "tables/customers")
    assert len(customers) == N_CUSTOMERS
    assert customers["email"].dropna().is_unique
    assert customers["phone"].dropna().is_unique
    identities = table(clean, "tables/identities")
    assert (identities["source_id"] == identities["customer_id"]).all()
    assert len(table(clean, "truth/second_accounts")) == 0


def test_no_rate_is_forgotten_by_clean() -> None:
    assert all(getattr(Dirt.none(), field.name) == 0 for field in fields(Dirt) if field.name.endswith("share"))


def test_dirt_changes_nothing_of_what_customers_did(clean: Path, dirty: Path) -> None:
    """Only expectations net of returns and their kind of figure differ."""
    one, other = table(clean, "truth/truth"), table(dirty, "truth/truth")
    same = [name for name in one if not name.startswith(("expected_", "effect_"))]
    assert one[same].equals(other[same])
    bought, kept = (set(table(folder, "tables/transactions")["order_id"]) for folder in (clean, dirty))
    # What is missing was recorded too late: 2 % of the rows are late, by three days out of a thousand.
    assert len(bought - kept) / len(bought) < 1e-3


def test_rates_of_spoilt_rows(dirty: Path) -> None:
    dirt, lines, events = Dirt(), table(dirty, "tables/transactions"), table(dirty, "tables/events")
    n = len(lines)
    # Some 25,000 lines: rates of two to twenty per mille are found within a third.
    assert lines["is_test"].mean() == pytest.approx(dirt.test_order_share, rel=0.35)
    assert lines.duplicated().mean() == pytest.approx(dirt.duplicated_row_share, rel=0.35)
    blank = lines["customer_id"].fillna("") == ""
    assert blank.mean() == pytest.approx(dirt.blank_id_share, rel=0.35)
    assert 0 < (lines["customer_id"] == "").sum() < blank.sum()
    late = lines["recorded_at"] > lines["occurred_at"]
    assert late.mean() == pytest.approx(dirt.late_row_share, rel=0.2)
    wait = (lines["recorded_at"] - lines["occurred_at"])[late] / pd.Timedelta(days=1)
    assert wait.mean() == pytest.approx(dirt.late_mean_days, rel=0.25)
    assert events.duplicated().mean() == pytest.approx(dirt.duplicated_row_share, rel=0.35)
    assert ((events["customer_id"].fillna("")) == "").mean() == pytest.approx(dirt.blank_id_share, rel=0.35)
    assert n > 20_000


def test_returns_undo_lines_of_their_order_later(dirty: Path) -> None:
    lines = table(dirty, "tables/transactions").drop_duplicates()
    lines = lines[~lines["is_test"] & (lines["customer_id"].fillna("") != "")]
    back, bought = lines[lines["amount"] < 0], lines[lines["amount"] > 0]
    pairs = back.merge(bought, on=["order_id", "product_id"], suffixes=("", "_bought"))
    undone = pairs[pairs["amount"] == -pairs["amount_bought"]].drop_duplicates(["order_id", "product_id", "amount"])
    # A pair is missing when its order was recorded too late; lines of one order may share a product.
    assert len(undone) > 0.99 * len(back.drop_duplicates(["order_id", "product_id", "amount"]))
    days = (undone["occurred_at"] - undone["occurred_at_bought"]) / pd.Timedelta(days=1)
    # Two to thirty days; the squeeze into opening hours moves each end by at most a third of a day.
    assert days.min() > 1.6
    assert days.max() < 30.4
    assert (undone["customer_id"] == undone["customer_id_bought"]).all()
    assert (undone["margin"] == -undone["margin_bought"]).all()
    free = ~bought["category"].isin([category.name for category in World().habit_categories])
    returned = back["order_id"].nunique() / bought.loc[free, "order_id"].nunique()
    # Some 9,000 free orders: a standard error of 5 per cent; returns of the last month are still to come.
    assert returned == pytest.approx(Dirt().returned_order_share, rel=0.2)


def test_second_accounts_share_an_address_or_a_telephone_spelled_otherwise(simulated: SimulationOutcome) -> None:
    second = table(simulated.folder, "truth/second_accounts")
    customers = table(simulated.folder, "tables/customers").set_index("customer_id")
    # 4,000 customers, of whom nearly all are older than a month.
    assert len(second) / simulated.n_customers == pytest.approx(Dirt().duplicated_identity_share, rel=0.3)
    first, other = customers.loc[second["customer_id"]], customers.loc[second["source_id"]]
    by_email = second["by_email"].to_numpy()
    email, spelled = first["email"].to_numpy()[by_email], other["email"].to_numpy()[by_email]
    assert all(a != b and a == b.strip().lower() for a, b in zip(email, spelled, strict=True))
    phone, spelled = first["phone"].to_numpy()[~by_email], other["phone"].to_numpy()[~by_email]
    assert all(a != b and digits(a) == digits(b) for a, b in zip(phone, spelled, strict=True))
    identities = table(simulated.folder, "tables/identities")
    listed = identities[identities["source"] == "web"]
    assert set(listed["source_id"]) == set(second.loc[second["is_listed"], "source_id"])
    lines = table(simulated.folder, "tables/transactions")
    # Half of what comes after the second account was opened carries it.
    assert 0.2 * len(second) < lines["customer_id"].isin(second["source_id"]).sum()


def test_somebody_is_assigned_twice_under_two_accounts(simulated: SimulationOutcome) -> None:
    second = table(simulated.folder, "truth/second_accounts").set_index("source_id")["customer_id"]
    ledger = table(simulated.folder, "tables/assignments")
    twice = ledger[ledger["customer_id"].isin(second.index)]
    assert len(twice) > 0
    assert twice["exposed_at"].isna().all()
    known = set(zip(ledger["campaign_id"], ledger["customer_id"], strict=True))
    assert all((c, second[i]) in known for c, i in zip(twice["campaign_id"], twice["customer_id"], strict=True))


def test_contact_data_can_belong_to_nobody(simulated: SimulationOutcome) -> None:
    customers = table(simulated.folder, "tables/customers")
    email, phone = customers["email"].dropna(), customers["phone"].dropna()
    assert email.str.strip().str.lower().str.fullmatch(r"[a-z]+(\.\d{8})?@example\.(com|org|net)").all()
    assert phone.map(digits).str.fullmatch(r"999\d{10}").all()
    shared = (email == PLACEHOLDER_EMAIL).sum()
    assert shared / len(customers) == pytest.approx(Dirt().placeholder_email_share, abs=0.003)
    assert shared > 1


def test_consent_to_mail_ends_with_unsubscribing(simulated: SimulationOutcome) -> None:
    events = table(simulated.folder, "tables/events")
    left = set(events.loc[events["event_type"] == "unsubscribe", "customer_id"])
    customers = table(simulated.folder, "tables/customers").set_index("customer_id")
    assert not customers.loc[sorted(left - {None, ""}), "consent_email"].any()
    assert customers["consent_post"].mean() > customers["consent_email"].mean()


def test_orders_of_the_dirty_table_belong_to_the_people_of_the_clean_one(clean: Path, dirty: Path) -> None:
    second = table(dirty, "truth/second_accounts").set_index("source_id")["customer_id"]
    lines = table(dirty, "tables/transactions")
    lines = lines[~lines["is_test"] & (lines["customer_id"].fillna("") != "") & (lines["amount"] > 0)].drop_duplicates()
    person = lines["customer_id"].map(second).fillna(lines["customer_id"])
    spent = lines["amount"].groupby(person).sum()
    true = table(clean, "tables/transactions").groupby("customer_id")["amount"].sum()
    both = pd.concat([spent, true], axis=1, keys=["found", "true"]).fillna(0.0)
    assert np.isclose(both["found"], both["true"], atol=0.005).mean() > 0.99


def digits(phone: str) -> str:
    return re.sub(r"\D", "", phone).removeprefix("00")


def test_a_single_rate_can_be_chosen(tmp_path: Path) -> None:
    dirt = replace(Dirt.none(), test_order_share=0.2)
    simulate(tmp_path, n_customers=100, seed=7, world=World(dirt=dirt))
    lines = table(tmp_path, "tables/transactions")
    # 1,200 lines, a fifth of them copied: a sixth of the whole.
    assert lines["is_test"].mean() == pytest.approx(1 / 6, abs=0.04)
    assert not lines[~lines["is_test"]].duplicated().any()
