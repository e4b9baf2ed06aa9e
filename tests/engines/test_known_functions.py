"""Every function in the printed queries is on a list of its warehouse; what they mean there is in docs/engines.md."""

from __future__ import annotations

import re
from datetime import date

import pytest
import sqlglot

from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.campaigns.printed import sums_script
from cvm.engines import DuckDBEngine, identifier, literal
from cvm.engines.warehouses import WAREHOUSES
from cvm.features.churn import ChurnDefinition
from cvm.features.economics import Economics
from cvm.features.printed import features_script, labels_script
from cvm.features.query import Schema
from cvm.ingest.contracts import CONTRACTS
from cvm.kpis.printed import kpis_script
from cvm.kpis.settings import KpiSettings

pytestmark = pytest.mark.slow

_WORDS = """
    AVG CAST COALESCE COUNT LAG LEAD LOWER MAX MIN NULLIF ROW_NUMBER STDDEV_SAMP SUM TRIM REGEXP_REPLACE RIGHT
    GREATEST LEAST ROUND DECIMAL
"""
_COMMON = _WORDS.split()
# Where the reference of the vendor says so is in docs/engines.md; run were only those of PostgreSQL and Spark.
KNOWN = {
    "snowflake": """BOOLOR_AGG CONVERT_TIMEZONE DATEADD DATEDIFF DATE_PART FLOOR GREATEST_IGNORE_NULLS
        LEAST_IGNORE_NULLS MEDIAN QUARTER STARTSWITH""",
    "bigquery": "DATE DATETIME DIV EXTRACT LOGICAL_OR MOD SAFE_CAST STARTS_WITH TIMESTAMP UNIX_DATE UNIX_MICROS",
    "databricks": """BOOL_OR CONVERT_TIMEZONE DATEADD EXTRACT MEDIAN QUARTER STARTSWITH TIMESTAMPDIFF TRY_CAST
        UNIX_DATE""",
    "spark": "BOOL_OR CONVERT_TIMEZONE DATEADD EXTRACT MEDIAN QUARTER STARTSWITH TIMESTAMPDIFF TRY_CAST UNIX_DATE",
    "redshift": "BOOL_OR CONVERT_TIMEZONE DATEADD DATEDIFF EXTRACT FLOOR LEFT LEN TRUNC VARCHAR",
    "postgres": "BOOL_OR DIV EXTRACT FLOOR MAKE_INTERVAL PERCENTILE_CONT STARTS_WITH TIMEZONE",
}
AS_OF = date(2025, 6, 1)
ECONOMICS = Economics(
    margin_rate_by_category={"shoes": 0.4}, cost_per_return=2.0, cost_per_event={"visit": 0.1, "cashback": "value"}
)
TYPES = ("email_sent", "email_open", "visit", "nps", "Cart-Add!", "перегляд", "coupon_redeemed", "unsubscribe")


def everything() -> Schema:
    """A warehouse with every column that a contract knows, and attributes of every kind."""
    columns = {
        table: {column.name: column.kind.value for column in contract.columns}
        for table, contract in CONTRACTS.items()
        if table not in ("identities", "features", "exchange_rates")
    }
    columns["customers"] |= {"Loyalty Level": "VARCHAR", "is_member": "BOOLEAN", "age": "INTEGER", "select": "DOUBLE"}
    return Schema(columns, TYPES)


@pytest.fixture(scope="module")
def scripts():
    schema = everything()
    found = {
        "features": features_script(schema, AS_OF, timezone="Europe/Kyiv", economics=ECONOMICS),
        "kpis": kpis_script(schema, KpiSettings(timezone="Europe/Kyiv", economics=ECONOMICS), AS_OF),
    }
    for definition in ("inactivity", "subscription"):
        churn = ChurnDefinition(definition)
        found[definition] = labels_script(schema, AS_OF, horizon_days=90, lead_days=7, timezone="Europe/Kyiv", churn=churn)
    with DuckDBEngine() as engine:
        for table, columns in schema.columns.items():
            kinds = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())
            engine.execute(f"CREATE TABLE {table} ({kinds})")
        for event_type in TYPES:
            engine.execute(f"INSERT INTO events (event_type) VALUES ({literal(event_type)})")
        settings = EvaluationSettings(
            56, timezone="Europe/Kyiv", economics=ECONOMICS, covariates=("age",), segment_by="Loyalty Level"
        )
        found["campaign"] = sums_script(
            engine, "spring", settings, start="assigned_at", is_weighted=True, has_after=True, tables=schema.columns
        )
    return found


@pytest.mark.parametrize("name", [one.name for one in WAREHOUSES.values() if not one.is_ours])
def test_every_function_is_known_there(scripts, name):
    for what, script in scripts.items():
        sql = script.sql(WAREHOUSES[name], schema="analytics", with_markers=False)
        statements = sqlglot.parse(sql, read=name, error_level=sqlglot.ErrorLevel.RAISE)
        assert (len(statements) > 1) == (what == "kpis" and name in ("bigquery", "databricks", "spark")), what
        code = re.sub(r"/\*.*?\*/|--[^\n]*|'(?:[^']|'')*'", "", sql, flags=re.DOTALL)
        called = set(re.findall(r"\b([A-Za-z_][A-Za-z_0-9]*)\(", code))
        assert not called - {*_COMMON, *KNOWN.get(name, "").split()}, what
        for word in ("FILTER (", "WINDOW ", "ASOF", "EXCLUDE", "GROUP BY ALL", "BY NAME", "temp."):
            assert word not in code, what


def test_personal_data_is_in_no_query(scripts):
    for script in scripts.values():
        sql = script.sql(WAREHOUSES["snowflake"])
        assert "email," not in sql
        assert "phone" not in sql
