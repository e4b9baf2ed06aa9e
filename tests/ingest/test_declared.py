from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import shop
from cvm.errors import ParamsError
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.declared import declared_source
from cvm.ingest.origins import DatabaseSource, FileSource, FrameSource, Source
from cvm.params import Params, load_params
from cvm.params_data import DataParams
from cvm.stages import train
from cvm.stages.context import workspace_of
from cvm.stages.data import run_features, run_ingest

FOLDER = Path("project")
SECRET = "hunter2"  # noqa: S105 - made up


def declared(table: str = "transactions", /, *, zone: str | None = None, frame: object = None, **section: Any) -> Source:
    return declared_source(table, section, folder=FOLDER, zone=zone, frame=frame)


def test_files_databases_and_frames_are_told_apart() -> None:
    files = declared(path=["a.csv", "b.csv"])
    assert isinstance(files, FileSource)
    assert (files.paths, files.folder) == (["a.csv", "b.csv"], FOLDER)
    file = declared(path="shop.db", table='my "orders"')
    assert isinstance(file, DatabaseSource)
    assert (file.database, file.query) == (FOLDER / "shop.db", 'SELECT * FROM "my ""orders"""')
    server = declared(url=f"postgresql://u:{SECRET}@host/db", query="SELECT 1")
    assert isinstance(server, DatabaseSource)
    assert SECRET in str(server.database)
    assert SECRET not in repr(server)
    frame = declared(path="nowhere.csv", frame=pa.table({"n": [1]}))
    assert isinstance(frame, FrameSource)


def test_a_table_without_an_origin_is_refused() -> None:
    with pytest.raises(
        ParamsError,
        match=r"data.events has no origin that engine: duckdb can read. Set path, or url and query; or hand a frame over",
    ):
        declared("events", columns={})


def test_the_zone_of_a_table_is_its_own_else_its_presets_else_that_of_the_business() -> None:
    amplitude = {"path": "x", "preset": "amplitude-events", "zone": "Europe/Kyiv"}
    assert declared("events", **amplitude, timezone="Asia/Tokyo").reading.timezone == "Asia/Tokyo"
    assert declared("events", **amplitude).reading.timezone == "UTC"
    assert declared("events", path="x", zone="Europe/Kyiv").reading.timezone == "Europe/Kyiv"
    assert declared("events", path="x").reading.timezone is None


def test_what_the_user_says_stands_before_the_preset() -> None:
    reading = declared(path="x", preset="shopify-orders", columns={"customer_id": "Customer"}, key=["product_id"]).reading
    assert reading.columns == {"customer_id": "Customer"}
    assert "customer_id" not in reading.preset
    assert reading.preset["amount"] == "Total"
    assert (list(reading.key), list(reading.skip_without)) == (["product_id"], ["amount"])
    own_format = declared("customers", path="x", preset="amocrm-contacts", datetime_format="%Y").reading
    assert (own_format.datetime_format, own_format.day_first) == ("%Y", False)
    own_habit = declared("events", path="x", preset="ga4-events", day_first=True).reading
    assert (own_habit.datetime_format, own_habit.day_first) == (None, True)


def test_without_a_key_profiles_identities_and_features_are_one_row_each() -> None:
    assert {table: contract.key for table, contract in CONTRACTS.items() if contract.key} == {
        "customers": ("customer_id",),
        "identities": ("source", "source_id"),
        "features": ("customer_id", "as_of", "recorded_at"),
    }
    assert not any(declared(table, path="x").reading.key for table in CONTRACTS)


def test_params_have_a_section_for_every_contract() -> None:
    sections = [name for name, field in DataParams.model_fields.items() if "SourceParams" in str(field.annotation)]
    assert sections == list(CONTRACTS)


# --- through the pipeline --------------------------------------------------------------------------------------------


def without_zone(path: Path) -> Params:
    path.write_text(path.read_text(encoding="utf-8").replace("timezone: UTC", "currency: USD", 1), encoding="utf-8")
    return load_params(path)


def test_a_zone_that_nobody_wrote_down_is_none(tmp_path: Path) -> None:
    (tmp_path / "transactions.csv").write_text("customer_id,occurred_at,amount\nc1,2024-01-01,1\n", encoding="utf-8")
    path = shop.write_params(tmp_path)
    assert "1 rows kept" in run_ingest(load_params(path)).message
    with pytest.raises(ParamsError, match="holds 1 times without a zone, for example '2024-01-01'"):
        run_ingest(without_zone(path))
    declared_in_table = shop.params_for(tmp_path, data={"transactions": {"path": "transactions.csv", "timezone": "UTC"}})
    assert "1 rows kept" in run_ingest(declared_in_table).message


def test_all_six_tables_are_ingested_and_contracts_become_features(tmp_path: Path) -> None:
    shop.purchases(n_customers=40, days=400).to_csv(tmp_path / "transactions.csv", index=False)
    data: dict[str, Any] = {"transactions": {"path": "transactions.csv"}}
    windows = {"horizon_days": 90, "clv_days": 180}
    params = shop.params_for(tmp_path, data=data, windows=windows)
    run_ingest(params)
    before = run_features(params).message
    for table, text in {
        "subscriptions": "customer_id,started_at,ended_at,price_per_month,plan\nc00001,2023-02-01,2099-01-01,9.99,basic\n",
        "assignments": "campaign_id,customer_id,assigned_at,arm,source\nspring,c00001,2023-03-01,control,crm\n",
        "identities": "source,source_id,customer_id\ncrm,17,c00001\ncrm,17,c00002\nshop,17,c00003\n",
    }.items():
        (tmp_path / f"{table}.csv").write_text(text, encoding="utf-8")
        data[table] = {"path": f"{table}.csv"}
    params = shop.params_for(tmp_path, data=data, windows=windows)
    message = run_ingest(params).message
    assert "subscriptions 1 rows kept" in message
    assert "assignments 1 rows kept" in message
    assert "identities 2 rows kept" in message
    after = run_features(params).message
    assert int(after.split()[0]) > int(before.split()[0])
    assert after.split()[1:] == before.split()[1:]


def test_no_stage_hands_a_password_to_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql://u:{SECRET}@host/db"
    params = shop.params_for(tmp_path, data={"transactions": {"url": url, "query": "SELECT 1"}})
    handed: list[Any] = []
    monkeypatch.setattr("cvm.tracking.training_run.training_run", lambda values, *_, **__: handed.append(values))
    monkeypatch.setattr(train, "store_of", lambda _: type("Store", (), {"log": lambda *_: "1"})())
    workspace = workspace_of(params)
    train._log(params, workspace, None, type("Trained", (), {"bundle": None})())  # type: ignore[arg-type]
    assert handed[0]["data"]["transactions"]["query"] == "SELECT 1"
    assert SECRET not in str(handed)


def test_a_product_in_params_reaches_the_reading() -> None:
    data = DataParams(transactions={"path": "x", "columns": {"amount": {"product": ["n", "p"]}}})  # type: ignore[arg-type]  # as YAML
    section = data.tables["transactions"].model_dump(exclude_unset=True)
    assert declared(**section).reading.columns == {"amount": {"product": ["n", "p"]}}


def test_a_product_has_two_factors_at_least() -> None:
    with pytest.raises(ValueError, match="List should have at least 2 items"):
        DataParams(transactions={"path": "x", "columns": {"amount": {"product": ["n"]}}})  # type: ignore[arg-type]  # as YAML
