"""Every preset on a small export of its kind, through `cvm ingest`."""

from __future__ import annotations

import gzip
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest

import shop
from cvm.engines import DuckDBEngine
from cvm.errors import ParamsError
from cvm.features.attributes import attribute_features
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.presets import preset_names, read_preset
from cvm.params_data import Preset, SourceParams

SALES = "customer_id,occurred_at,amount\nc1,2024-01-01T00:00:00Z,1\n"


def write(path: Path, text: str) -> None:
    data = text.encode("utf-8")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def ingested(folder: Path, table: str, source: dict[str, Any], text: str) -> list[dict[str, Any]]:
    """The clean rows of an export, beside sales that every run needs; nothing is declared but what the source says."""
    write(folder / source["path"], text)
    write(folder / "sales.csv", SALES)
    path = shop.write_params(folder, data={"transactions": {"path": "sales.csv"}, table: source, "max_rejected_share": 0.0})
    path.write_text(path.read_text(encoding="utf-8").replace("timezone: UTC", "currency: USD", 1), encoding="utf-8")
    done = shop.cvm(folder, "ingest")
    assert (done.code, done.err) == (0, "")
    with DuckDBEngine(folder / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        return engine.table(f"SELECT * FROM {table} ORDER BY ALL").to_pylist()


def test_there_is_a_preset_for_every_name_and_a_name_for_every_preset() -> None:
    assert preset_names() == sorted(get_args(Preset))


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_could_be_pasted_into_params(name: str) -> None:
    (table,) = [table for table in CONTRACTS if name.endswith(("events", "utm")) == (table == "events")
                and name.endswith("orders") == (table == "transactions")
                and name.endswith("contacts") == (table == "customers")]  # fmt: skip
    section = read_preset(name, table=table)
    source = SourceParams.model_validate({"path": "export.csv", **section})
    contract = CONTRACTS[table]
    assert {*source.columns, *source.defaults, *source.skip_without, *source.key} <= {c.name for c in contract.columns}


def test_a_preset_is_of_one_table_and_known() -> None:
    with pytest.raises(ParamsError, match=r"data.transactions.preset: 'ga4-events' is made for \['data.events'\]"):
        read_preset("ga4-events", table="transactions")
    with pytest.raises(ParamsError, match=r"data.events.preset: 'ga5' is none; there are \['amocrm-contacts'"):
        read_preset("ga5", table="events")


def test_ga4_events(tmp_path: Path) -> None:
    text = (
        "event_date,event_timestamp,event_name,user_id,user_pseudo_id,event_value_in_usd,device_category,"
        "traffic_source_medium,manual_campaign_name,manual_medium\n"
        "20240115,1705312800123456,session_start,,1234.5678,,mobile,organic,,\n"
        "20240115,1705312860000000,purchase,C-17,1234.5678,49.9,desktop,organic,spring,email\n"
    )
    rows = ingested(tmp_path, "events", {"path": "ga4.csv", "preset": "ga4-events"}, text)
    assert rows == [
        {
            "customer_id": "1234.5678",
            "occurred_at": datetime(2024, 1, 15, 10, 0, 0, 123456),
            "event_type": "session_start",
            "channel": "organic",
            "device": "mobile",
            "value": None,
            "campaign_id": None,
        },
        {
            "customer_id": "C-17",
            "occurred_at": datetime(2024, 1, 15, 10, 1),
            "event_type": "purchase",
            "channel": "email",
            "device": "desktop",
            "value": 49.9,
            "campaign_id": "spring",
        },
    ]


def test_amplitude_events(tmp_path: Path) -> None:
    text = (
        '{"server_upload_time": "2024-01-15 10:00:03.250000", "event_time": "2024-01-15 10:00:00.500000", '
        '"user_id": "C-17", "amplitude_id": 987654321012, "event_type": "visit", "platform": "iOS", '
        '"device_family": "Apple iPhone", '
        '"event_properties": {"page": "home"}, "$insert_id": "a-1", "session_id": 1705312800000, "data": {}}\n'
        '{"server_upload_time": "2024-01-15 10:01:00.000000", "event_time": "2024-01-15 10:00:59.000000", "user_id": null, '
        '"amplitude_id": 987654321013, "event_type": "app_open", "platform": "Web", "device_family": null, '
        '"event_properties": {}, "$insert_id": "a-2", "session_id": -1, "data": {}}\n'
    )
    rows = ingested(tmp_path, "events", {"path": "123_2024-01-15_10#0.json.gz", "preset": "amplitude-events"}, text)
    assert rows == [
        {
            "customer_id": "987654321013",
            "occurred_at": datetime(2024, 1, 15, 10, 0, 59),
            "event_type": "app_open",
            "device": "Web",
            "recorded_at": datetime(2024, 1, 15, 10, 1),
        },
        {
            "customer_id": "C-17",
            "occurred_at": datetime(2024, 1, 15, 10, 0, 0, 500000),
            "event_type": "visit",
            "device": "Apple iPhone",
            "recorded_at": datetime(2024, 1, 15, 10, 0, 3, 250000),
        },
    ]


def test_shopify_orders(tmp_path: Path) -> None:
    text = (
        "Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,Discount Code,"
        "Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,Payment Method,Refunded Amount,Location,"
        "Id,Source,Phone\n"
        "#1001,ann@example.com,paid,2024-01-15 10:00:30 -0500,fulfilled,USD,100.00,5.00,0.00,95.00,SPRING,10.00,"
        "2024-01-15 10:00:00 -0500,1,Red shoes,60.00,Shopify Payments,0.00,,7410991464714,web,\n"
        "#1001,ann@example.com,,,,,,,,,,,2024-01-15 10:00:00 -0500,2,Socks,20.00,,,,,,\n"
        "#1002,,paid,2024-01-16 12:00:00 -0500,fulfilled,USD,20.00,0.00,0.00,20.00,,0.00,"
        "2024-01-16 12:00:00 -0500,1,Socks,20.00,Cash,0.00,Main Street,7410991464715,pos,'+15550100\n"
    )
    write(tmp_path / "orders_export.csv", text)
    source = {"path": "orders_export.csv", "preset": "shopify-orders"}
    path = shop.write_params(tmp_path, data={"transactions": source, "max_rejected_share": 0.0})
    path.write_text(path.read_text(encoding="utf-8").replace("timezone: UTC", "currency: USD", 1), encoding="utf-8")
    done = shop.cvm(tmp_path, "ingest")
    assert (done.code, done.err) == (0, "")
    assert "2 rows kept, 0 rejected" in done.out
    assert "skipped, as skip_without says: 1" in done.out
    with DuckDBEngine(tmp_path / "outputs" / "warehouse.duckdb", read_only=True) as engine:
        rows = engine.table("SELECT * FROM transactions ORDER BY order_id").to_pylist()
    assert rows == [
        {
            "customer_id": "ann@example.com",
            "occurred_at": datetime(2024, 1, 15, 15),
            "amount": Decimal(95),
            "order_id": "#1001",
            "discount": Decimal(10),
            "channel": "web",
            "payment_method": "Shopify Payments",
            "store_id": None,
            "currency": "USD",
        },
        {
            "customer_id": "'+15550100",
            "occurred_at": datetime(2024, 1, 16, 17),
            "amount": Decimal(20),
            "order_id": "#1002",
            "discount": Decimal(0),
            "channel": "pos",
            "payment_method": "Cash",
            "store_id": "Main Street",
            "currency": "USD",
        },
    ]


def assert_nothing_personal_is_learned_from(row: dict[str, Any], *learned: str) -> None:
    """The attributes that become features are these and no others."""
    names = [feature.name.removeprefix("attribute_") for feature in attribute_features(dict.fromkeys(row, "VARCHAR"))]
    assert [name for name in names if name != "days_since_signup"] == list(learned)


def test_bitrix24_contacts_of_a_csv_export(tmp_path: Path) -> None:
    text = (
        "ID;Имя;Фамилия;Дата рождения;Источник;Рабочий телефон;Мобильный телефон;Рабочий e-mail;Ответственный;"
        "Дата создания;Тип контакта;Комментарий\n"
        "17;Анна;Иванова;01.02.1990;Сайт;;+380501234567;ann@example.com;Пётр;15.01.2024 10:30:00;Клиенты;\n"
    )
    source = {"path": "contacts.csv", "preset": "bitrix24-contacts", "timezone": "Europe/Kyiv", "day_first": True}
    (row,) = ingested(tmp_path, "customers", source, text)
    assert row == {
        "customer_id": "17",
        "signed_up_at": datetime(2024, 1, 15, 8, 30),
        "email": "ann@example.com",
        "phone": "+380501234567",
        "acquisition_channel": "Сайт",
        "Тип контакта": "Клиенты",
    }
    assert_nothing_personal_is_learned_from(row, "acquisition_channel", "Тип контакта")


def test_bitrix24_contacts_of_rest(tmp_path: Path) -> None:
    text = (
        '{"ID": "17", "NAME": "Ann", "SECOND_NAME": null, "LAST_NAME": "Smith", "TYPE_ID": "CLIENT", "SOURCE_ID": "WEB", '
        '"DATE_CREATE": "2024-01-15T10:30:00+03:00", "ASSIGNED_BY_ID": "1", "UTM_SOURCE": "google", "UTM_MEDIUM": "cpc"}\n'
    )
    (row,) = ingested(tmp_path, "customers", {"path": "contacts.jsonl", "preset": "bitrix24-contacts"}, text)
    assert row["signed_up_at"] == datetime(2024, 1, 15, 7, 30)
    assert row["acquisition_channel"] == "cpc"
    assert_nothing_personal_is_learned_from(row, "acquisition_channel", "TYPE_ID", "UTM_SOURCE")


def test_amocrm_contacts(tmp_path: Path) -> None:
    text = (
        '"ID","Полное имя контакта","Имя","Фамилия","Ответственный","Дата создания","Кем создана","Дата редактирования",'
        '"Теги","Рабочий телефон","Мобильный телефон","Рабочий email","Должность"\n'
        '"33","Анна Иванова","Анна","Иванова","Пётр","15.01.2024 10:30:00","Пётр","16.01.2024 11:00:00","vip",'
        '"380441234567","","ann@example.com","Директор"\n'
    )
    source = {"path": "amocrm_export_contacts.csv", "preset": "amocrm-contacts", "timezone": "Europe/Kyiv"}
    (row,) = ingested(tmp_path, "customers", source, text)
    assert row == {
        "customer_id": "33",
        "signed_up_at": datetime(2024, 1, 15, 8, 30),
        "email": "ann@example.com",
        "phone": "380441234567",
        "Теги": "vip",
        "Должность": "Директор",
    }
    assert_nothing_personal_is_learned_from(row, "Теги", "Должность")


def test_amocrm_contacts_without_a_zone_are_refused_and_those_of_the_api_need_none(tmp_path: Path) -> None:
    write(tmp_path / "contacts.csv", "ID,Дата создания\n33,15.01.2024 10:30:00\n")
    write(tmp_path / "sales.csv", SALES)
    contacts = {"path": "contacts.csv", "preset": "amocrm-contacts"}
    path = shop.write_params(tmp_path, data={"transactions": {"path": "sales.csv"}, "customers": contacts})
    path.write_text(path.read_text(encoding="utf-8").replace("timezone: UTC", "currency: USD", 1), encoding="utf-8")
    done = shop.cvm(tmp_path, "ingest")
    assert done.code == 1
    assert (
        "column 'Дата создания' (signed_up_at) holds 1 times without a zone, for example '15.01.2024 10:30:00'" in done.err
    )
    columns = {"customer_id": "id", "signed_up_at": "created_at"}
    api = {"path": "api.jsonl", "preset": "amocrm-contacts", "columns": columns, "datetime_format": "epoch_s"}
    (row,) = ingested(tmp_path, "customers", api, '{"id": 33, "name": "Ann", "created_at": 1705312800}\n')
    assert (row["customer_id"], row["signed_up_at"]) == ("33", datetime(2024, 1, 15, 10))


def test_salesforce_contacts(tmp_path: Path) -> None:
    text = (
        '"Id","IsDeleted","AccountId","LastName","FirstName","Salutation","Name","MailingCity","MailingCountry",'
        '"MailingStreet","Phone","MobilePhone","Email","LeadSource","Birthdate","OwnerId","HasOptedOutOfEmail","DoNotCall",'
        '"CreatedDate","CreatedById","LastModifiedDate","SystemModstamp"\n'
        '"003D000001AbCdEIAV","0","001D000001XyZ","Smith","Ann","Ms.","Ann Smith","Kyiv","Ukraine","Main Street 1",'
        '"(044) 123-45-67","","ann@example.com","Web","1990-02-01","005D0001","0","0","2024-01-15 10:30:00","005D0001",'
        '"2024-02-01 09:00:00","2024-02-01 09:00:01"\n'
        '"003D000001AbCdFIAV","0","001D000001XyZ","Lee","Bo","Mr.","Bo Lee","Lviv","Ukraine","Main Street 2",'
        '"","+380501234567","bo@example.com","","","005D0001","1","0","2024-01-15T10:30:00.000Z","005D0001",'
        '"2024-02-01T09:00:00.000Z","2024-02-01T09:00:01.000Z"\n'
    )
    rows = ingested(tmp_path, "customers", {"path": "Contact.csv", "preset": "salesforce-contacts"}, text)
    assert [row["signed_up_at"] for row in rows] == [datetime(2024, 1, 15, 10, 30)] * 2
    assert [row["phone"] for row in rows] == ["(044) 123-45-67", "+380501234567"]
    assert [row["acquisition_channel"] for row in rows] == ["Web", None]
    learned = ("acquisition_channel", "IsDeleted", "AccountId", "MailingCity", "MailingCountry")
    assert_nothing_personal_is_learned_from(rows[0], *learned)


def test_utm(tmp_path: Path) -> None:
    text = (
        "client,at,utm_source,utm_medium,utm_campaign,utm_content\n"
        "c1,2024-01-15 10:00:00Z,newsletter,email,spring,top\n"
        "c2,2024-01-15 11:00:00Z,partner,,,\n"
        "c3,2024-01-15 12:00:00Z,,,,\n"
    )
    columns = {"customer_id": "client", "occurred_at": "at"}
    rows = ingested(tmp_path, "events", {"path": "visits.csv", "preset": "utm", "columns": columns}, text)
    assert [(row["customer_id"], row["channel"], row["campaign_id"], row["event_type"]) for row in rows] == [
        ("c1", "email", "spring", "visit"),
        ("c2", "partner", None, "visit"),
        ("c3", None, None, "visit"),
    ]
