"""A printed query of labels follows each of its parameters."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

import shop
from cvm.engines.script import Parameter
from cvm.engines.warehouses import WAREHOUSES
from cvm.features.churn import ChurnDefinition
from cvm.features.printed import labels_script
from cvm.features.query import Schema, outcome_query
from same_rows import assert_same_rows

GIVEN = {"as_of": date(2024, 3, 1), "lead_days": 0, "horizon_days": 30}
CHANGED = {"as_of": date(2024, 4, 10), "lead_days": 5, "horizon_days": 50}
DEFINITIONS = {
    "no order": ChurnDefinition(),
    "shorter than the window": ChurnDefinition("inactivity", inactivity_days=10),
    "as long": ChurnDefinition("inactivity", inactivity_days=30),
    "longer": ChurnDefinition("inactivity", inactivity_days=45),
    "subscription": ChurnDefinition("subscription"),
}


@pytest.fixture(scope="module")
def engine():
    """Somebody for every day who orders on it, who comes by on it, and whose subscription ends on it."""
    days = [date(2024, 2, 20) + timedelta(days=n) for n in range(120)]
    return shop.typed_warehouse(
        transactions=[shop.order(f"orders {day}", on=day, amount=5.0) for day in days],
        events=[shop.event(f"visits {day}", "visit", on=day) for day in days],
        subscriptions=[shop.subscription(f"holds {day}", "2024-01-01", str(day)) for day in days],
    )


@pytest.mark.parametrize("changed", [None, *CHANGED])
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_labels_follow_each_parameter(engine, definition, changed):
    schema, churn = Schema.of(engine), DEFINITIONS[definition]
    wanted = GIVEN | ({changed: CHANGED[changed]} if changed else {})
    printed = labels_script(schema, **GIVEN, timezone="UTC", churn=churn)
    parameters = [Parameter(one.name, one.kind, str(wanted[one.name])) for one in printed.parameters]
    assert [one.name for one in parameters] == list(GIVEN)
    sql = replace(printed, parameters=parameters).sql(WAREHOUSES["duckdb"])
    expected = engine.table(outcome_query(schema, **wanted, timezone="UTC", churn=churn))
    assert expected.num_rows > 0
    assert_same_rows(engine.table(sql.rstrip().removesuffix(";")), expected, key=("customer_id",))
