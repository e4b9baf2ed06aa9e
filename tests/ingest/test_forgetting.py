"""Who is called what, as far as the warehouse knows."""

from __future__ import annotations

from pathlib import Path

from cvm.engines import DuckDBEngine
from cvm.ingest.forgetting import accounts_of
from cvm.workspace import Workspace


def test_whoever_ordered_twice_is_one_person(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path / "models" / "champion")
    with DuckDBEngine(workspace.warehouse) as engine:
        engine.execute("CREATE TABLE transactions AS SELECT * FROM (VALUES ('a'), ('a'), ('b')) AS t(customer_id)")
    found = accounts_of(workspace, ["a"], country_code=None)
    assert (found.ids, found.found, found.ambiguous) == ({"a"}, {"a"}, set())


def test_contacts_are_found_in_the_warehouse_where_parts_are_rewritten(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, tmp_path / "models" / "champion")
    rows = "VALUES ('a', 'a@example.org', '5551234567'), ('b', 'b@example.org', '5551234567')"
    with DuckDBEngine(workspace.warehouse) as engine:
        engine.execute(f"CREATE TABLE customers AS SELECT * FROM ({rows}) AS t(customer_id, email, phone)")
    found = accounts_of(workspace, ["a"], country_code=None)
    assert (found.addresses, found.numbers) == ({"a@example.org"}, set())
