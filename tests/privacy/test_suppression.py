"""Who was forgotten stands on a list of hashes that only its owner reads."""

from __future__ import annotations

import pytest

from cvm.engines import DuckDBEngine
from cvm.errors import CvmError
from cvm.privacy.suppression import KEY_FILE, LIST_FILE, read_forgotten, remember_forgotten


def test_the_list_holds_hashes_alone_and_is_private(tmp_path):
    remember_forgotten(tmp_path / "privacy", ["customer-1", "shop:c2"])
    files = {path.name: path for path in (tmp_path / "privacy").iterdir()}
    assert set(files) == {KEY_FILE, LIST_FILE}
    assert [path.stat().st_mode & 0o777 for path in files.values()] == [0o600, 0o600]
    assert b"customer-1" not in b"".join(path.read_bytes() for path in files.values()).split()
    found = read_forgotten(tmp_path / "privacy")
    assert ("customer-1" in found, "shop:c2" in found, "c2" in found) == (True, True, False)


def test_the_key_stays_when_more_are_forgotten(tmp_path):
    first = remember_forgotten(tmp_path, ["c1"])
    second = remember_forgotten(tmp_path, ["c2"])
    assert first.hashes < second.hashes
    assert "c1" in read_forgotten(tmp_path)


def test_nobody_is_forgotten_without_a_list(tmp_path):
    found = read_forgotten(tmp_path)
    assert not found
    assert found.sql(["customer_id"]) == "false"


def test_a_query_finds_the_forgotten_by_any_of_their_names(tmp_path):
    found = remember_forgotten(tmp_path, ["customer-1", "shop:c2"])
    with DuckDBEngine() as engine:
        found.install(engine)
        test = found.sql(["id", "source || ':' || id"])
        rows = "(VALUES ('customer-1', NULL), ('c2', 'shop'), ('c2', 'crm'), (NULL, 'shop')) AS t(id, source)"
        assert engine.table(f"SELECT {test} AS is_out FROM {rows}").column(0).to_pylist() == [True, True, False, False]


@pytest.mark.parametrize("damage", [KEY_FILE, LIST_FILE])
def test_a_damaged_list_is_refused_because_it_would_bring_people_back(tmp_path, damage):
    remember_forgotten(tmp_path, ["c1"])
    (tmp_path / damage).write_text("no hash\n")
    with pytest.raises(CvmError, match=r"list of people to forget .* cannot be read"):
        read_forgotten(tmp_path)
