from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.engines import DuckDBEngine, identifier
from cvm.errors import SourceError
from cvm.ingest.sources import FILE_NAME, ROW_NUMBER, load_files, read_frame, source_files
from memory import Memory

CSV = "id,amount\n007,1.50\n8,2\n"


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    with Memory() as opened:
        yield opened


def read(engine: DuckDBEngine, folder: Path, *paths: str) -> list[dict[str, Any]]:
    """The user's columns of all rows, in the order of their row numbers."""
    load_files(engine, "transactions", source_files("transactions", paths, folder=folder), shown=", ".join(paths))
    query = f"SELECT * EXCLUDE ({identifier(FILE_NAME)}, {identifier(ROW_NUMBER)}) FROM raw_transactions"
    return engine.table(f"{query} ORDER BY {identifier(ROW_NUMBER)}").to_pylist()


def places(engine: DuckDBEngine) -> list[tuple[str, int]]:
    query = f"SELECT {identifier(FILE_NAME)} AS f, {identifier(ROW_NUMBER)} AS n FROM raw_transactions ORDER BY n"
    return [(Path(row["f"]).name, row["n"]) for row in engine.table(query).to_pylist()]


def write(path: Path, text: str, *, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", CSV),
        ("t.tsv", CSV.replace(",", "\t")),
        ("t.txt", CSV.replace(",", "|")),
        ("T.CSV", CSV.replace(",", ";")),
        ("bom.csv", "\ufeff" + CSV),
        ("windows.csv", CSV.replace("\n", "\r\n")),
        ("no last line end.csv", CSV.rstrip("\n")),
        ("quoted.csv", 'id,"amount"\n"007","1.50"\n8,2\n'),
        ("t.jsonl", '{"id": "007", "amount": "1.50"}\n\n{"amount": 2, "id": 8}\n'),
        ("t.ndjson", '{"id": "007", "amount": "1.50"}\n{"id": 8, "amount": 2}'),
        ("t.json", '{"id": "007", "amount": "1.50"}\n{"id": 8, "amount": 2}\n'),
    ],
)
def test_text_formats_are_read_as_the_text_they_hold(engine: DuckDBEngine, tmp_path: Path, name: str, text: str) -> None:
    write(tmp_path / name, text)
    assert read(engine, tmp_path, name) == [{"id": "007", "amount": "1.50"}, {"id": "8", "amount": "2"}]


@pytest.mark.parametrize(
    ("name", "text"), [("t.csv.gz", CSV), ("t.jsonl.gz", '{"id":"007","amount":"1.50"}\n{"id":8,"amount":2}')]
)
def test_compressed_text_is_read_as_it_is(engine: DuckDBEngine, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    assert read(engine, tmp_path, name) == [{"id": "007", "amount": "1.50"}, {"id": "8", "amount": "2"}]


def test_zstandard_is_read_too(engine: DuckDBEngine, tmp_path: Path) -> None:
    with pa.CompressedOutputStream(str(tmp_path / "t.csv.zst"), "zstd") as stream:
        stream.write(CSV.encode())
    assert read(engine, tmp_path, "*.zst") == [{"id": "007", "amount": "1.50"}, {"id": "8", "amount": "2"}]


def test_parquet_keeps_its_types(engine: DuckDBEngine, tmp_path: Path) -> None:
    table = pa.table({"id": [17850.0], "n": pa.array([3], pa.int32()), "nothing": pa.nulls(1)})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read(engine, tmp_path, "t.parquet") == [{"id": 17850.0, "n": 3, "nothing": None}]
    types = engine.columns("raw_transactions")
    assert (types["id"], types["n"], types["nothing"]) == ("DOUBLE", "INTEGER", "VARCHAR")


def test_a_glob_is_read_in_the_order_of_names_and_numbers_run_on(engine: DuckDBEngine, tmp_path: Path) -> None:
    for name in ("orders-2.csv", "orders-10.csv", "orders-1.csv", "refunds-1.csv"):
        write(tmp_path / name, f"id,amount\n{name},1\n{name},2\n")
    read(engine, tmp_path, "orders-*.csv")
    names = ["orders-1.csv", "orders-1.csv", "orders-10.csv", "orders-10.csv", "orders-2.csv", "orders-2.csv"]
    assert places(engine) == list(zip(names, range(1, 7), strict=True))


def test_a_list_is_read_in_its_own_order(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "b.csv", "id\nb\n")
    write(tmp_path / "a" / "a.csv", "id\na\n")
    assert read(engine, tmp_path, "b.csv", "a/*.csv") == [{"id": "b"}, {"id": "a"}]


def test_a_file_matched_twice_is_read_once(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "orders-1.csv", CSV)
    (tmp_path / "latest.csv").symlink_to(tmp_path / "orders-1.csv")
    assert len(read(engine, tmp_path, "orders-*.csv", "orders-1.csv", "./orders-1.csv", "latest.csv")) == 2


def test_row_numbers_follow_the_file_over_many_rows_and_threads(engine: DuckDBEngine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(1, 300_001)}), tmp_path / "t.parquet", row_group_size=10_000)
    read(engine, tmp_path, "t.parquet")
    query = f"SELECT count(*) AS misplaced FROM raw_transactions WHERE n <> {identifier(ROW_NUMBER)}"
    assert engine.row(query) == {"misplaced": 0}


def test_files_with_different_columns_are_united_by_name(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "id,amount\na,1\n")
    write(tmp_path / "2.csv", "amount,id,store\n2,b,x\n")
    rows = [{"id": "a", "amount": "1", "store": None}, {"id": "b", "amount": "2", "store": "x"}]
    assert read(engine, tmp_path, "*.csv") == rows


def test_absolute_paths_and_parents_are_followed(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "exports" / "t.csv", CSV)
    (tmp_path / "project").mkdir()
    for path in (
        "../exports/t.csv",
        "../exports/*.csv",
        str(tmp_path / "exports" / "t*.csv"),
        str(tmp_path / "exports" / "t.csv"),
    ):
        assert len(read(engine, tmp_path / "project", path)) == 2


@pytest.mark.parametrize("folder", ["data [2024]", "what?", "a*b", "it's; DROP", "дані"])
def test_signs_of_a_glob_in_the_name_of_the_project_are_plain_letters(
    engine: DuckDBEngine, tmp_path: Path, folder: str
) -> None:
    write(tmp_path / folder / "t.csv", CSV)
    write(tmp_path / "a_b" / "t.csv", "id,amount\nstranger,1\n")
    for path in ("t.csv", "*.csv"):
        assert [row["id"] for row in read(engine, tmp_path / folder, path)] == ["007", "8"]


def test_a_file_named_like_a_glob_is_that_file_alone(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "orders*.csv", "id\nmeant\n")
    write(tmp_path / "orders1.csv", "id\nstranger\n")
    write(tmp_path / "orders[1].csv", "id\nalso meant\n")
    assert read(engine, tmp_path, "orders*.csv", "orders[1].csv") == [{"id": "meant"}, {"id": "also meant"}]


def test_no_row_is_lost_to_a_comment_sign(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "id,amount\n#1,5\n2,6\n#3,7\n")
    assert [row["id"] for row in read(engine, tmp_path, "t.csv")] == ["#1", "2", "#3"]


def test_only_double_quotes_quote(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "id,amount\n'a',1\n'b',2\n")
    write(tmp_path / "2.csv", 'id,amount\n"c ""d"", \'e\'\nf",3\n')
    assert [row["id"] for row in read(engine, tmp_path, "1.csv", "2.csv")] == ["'a'", "'b'", "c \"d\", 'e'\nf"]


def test_a_comma_inside_values_does_not_make_it_the_delimiter(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "t.csv", 'id;"last, first, title";amount\n1;"a, b, c";1,50\n2;"d, e, f";2,50\n')
    assert [row["amount"] for row in read(engine, tmp_path, "t.csv")] == ["1,50", "2,50"]


def test_a_table_of_one_column_needs_no_delimiter(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "id\na\nb\n")
    assert read(engine, tmp_path, "t.csv") == [{"id": "a"}, {"id": "b"}]


def test_json_values_keep_what_the_file_says(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(
        tmp_path / "t.jsonl",
        '{"a": "2024-01-01", "b": true, "c": {"d": 1}}\n{"a": null, "b": 12345678901234567890, "c": "x"}\n',
    )
    first, second = read(engine, tmp_path, "t.jsonl")
    assert first == {"a": "2024-01-01", "b": "true", "c": '{"d":1}'}
    assert second == {"a": None, "b": "12345678901234567890", "c": "x"}


def test_an_array_of_json_is_never_taken_for_rows(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "t.json", '[{"id": 1}, {"id": 2}]')
    assert [set(row) & {"id"} for row in read(engine, tmp_path, "t.json")] == [set()]


def test_the_files_of_a_source_are_listed_in_order_and_once(tmp_path: Path) -> None:
    for name in ("b.csv", "a1.csv", "a2.csv"):
        write(tmp_path / name, CSV)
    found = source_files("transactions", ["b.csv", "a*.csv", "./b.csv"], folder=tmp_path)
    assert [file.name for file in found] == ["b.csv", "a1.csv", "a2.csv"]


def test_a_list_of_files_is_loaded_in_its_order(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "id\na\n")
    write(tmp_path / "[2].csv", "id\nb\n")
    load_files(engine, "transactions", [tmp_path / "[2].csv", tmp_path / "1.csv"], shown="two files")
    assert places(engine) == [("[2].csv", 1), ("1.csv", 2)]


def test_a_frame_is_read_like_a_file(engine: DuckDBEngine) -> None:
    read_frame(engine, "transactions", pa.table({"id": ["a", "b"]}), name="it's mine")
    assert places(engine) == [("it's mine", 1), ("it's mine", 2)]


def test_a_frame_without_rows_is_refused(engine: DuckDBEngine) -> None:
    with pytest.raises(SourceError, match="'transactions': 'mine' has no rows"):
        read_frame(engine, "transactions", pa.table({"id": pa.array([], pa.string())}), name="mine")


@pytest.mark.parametrize(
    "path", ["nowhere.csv", "nowhere/*.csv", "", ".", "**x", "nowhere/../t.csv", "https://example.org/t.csv"]
)
def test_a_path_without_a_file_is_named(engine: DuckDBEngine, tmp_path: Path, path: str) -> None:
    with pytest.raises(SourceError, match=r"no file matches .*Correct data.transactions.path in params.yaml"):
        read(engine, tmp_path, path)


def test_a_path_the_file_system_refuses_is_named(engine: DuckDBEngine, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read: File name too long"):
        read(engine, tmp_path, "a" * 300 + ".csv")


@pytest.mark.parametrize("text", ["", "id,amount\n", "\n"])
def test_a_file_without_rows_is_refused(engine: DuckDBEngine, tmp_path: Path, text: str) -> None:
    write(tmp_path / "t.csv", text)
    with pytest.raises(SourceError, match=r"'t.csv' has no rows. Check the export"):
        read(engine, tmp_path, "t.csv")


def test_one_empty_file_among_others_is_no_fault(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "id,amount\n")
    write(tmp_path / "2.csv", CSV)
    assert len(read(engine, tmp_path, "*.csv")) == 2


@pytest.mark.parametrize("name", ["t.xlsx", "t.xml", "t", "t.gz", "csv"])
def test_an_unknown_format_is_refused_with_the_known_ones(engine: DuckDBEngine, tmp_path: Path, name: str) -> None:
    write(tmp_path / name, CSV)
    with pytest.raises(SourceError, match=rf"'{name}' is of no known format; name the file with one of \['.csv'"):
        read(engine, tmp_path, name)


def test_mixed_formats_are_refused(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "t.csv", CSV)
    write(tmp_path / "t.jsonl", '{"id": 1}')
    with pytest.raises(SourceError, match=r"\['t.\*'\] mix \['csv', 'json'\] files; give one format per table"):
        read(engine, tmp_path, "t.*")


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("long last row.csv", b"id,at,amount\n" + b"1,2,3\n" * 500 + b"1,2,3,4\n", "differ in their number of columns"),
        ("short header.csv", b"id,at\n1,2,3\n1,2,3\n", "differ in their number of columns"),
        ("short row.csv", b"id,at,amount\n1,2,3\n1,2\n1,2,3\n", "differ in their number of columns"),
        ("open quote.csv", b'id,amount\n1,"2\n3,4\n', "a quote is never closed"),
        ("latin.csv", "id,amount\né,2\n".encode("latin-1"), "not utf-8 encoded"),
        ("utf-16.csv", "id,amount\n1,2\n".encode("utf-16"), "UTF-8|utf-8"),
        ("binary.csv", bytes(range(256)) * 10, "CSV Error on Line: 1"),
        (
            "late.csv",
            b"id,amount\n" + b"1,2\n" * 50_000 + b"1\n",
            "CSV Error on Line: 50002: Expected Number of Columns: 2 Found: 1",
        ),
        ("torn.jsonl", b'{"id": 1\n{"id": 2}\n', "line 2"),
        ("array.json", b'[\n{"id": 1},\n{"id": 2}\n]', "JSON must be one object a line"),
        ("text.parquet", b"id,amount\n1,2\n", "too small to be a Parquet file|No magic bytes"),
        ("cut.parquet", None, "No magic bytes"),
        ("no.csv.gz", b"id,amount\n1,2\n", "GZIP|gzip"),
    ],
)
def test_a_damaged_file_is_refused_with_its_cause(
    engine: DuckDBEngine, tmp_path: Path, name: str, content: bytes | None, cause: str
) -> None:
    path = tmp_path / name
    if content is None:
        pq.write_table(pa.table({"id": range(1000)}), path)
        content = path.read_bytes()[:-8]
    path.write_bytes(content)
    with pytest.raises(SourceError, match=cause) as caught:
        read(engine, tmp_path, name)
    assert f"'{name}' cannot be read: " in str(caught.value)
    assert "Export the file again, or correct data.transactions.path" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_above_the_header_are_never_skipped(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "exported by the shop\n\nid,amount\n1,2\n")
    assert {name for row in read(engine, tmp_path, "t.csv") for name in row} == {"exported by the shop"}


def test_column_names_of_ours_are_reserved(engine: DuckDBEngine, tmp_path: Path) -> None:
    write(tmp_path / "t.csv", f"id,{ROW_NUMBER}\n1,2\n")
    with pytest.raises(SourceError, match=r"has columns \['cvm:source_row'\]; rename them"):
        read(engine, tmp_path, "t.csv")
    write(tmp_path / "t.csv", f"id,{FILE_NAME}\n1,2\n")
    with pytest.raises(SourceError, match="a column with this name is also in the file"):
        read(engine, tmp_path, "t.csv")


def test_the_files_of_a_table_are_listed_as_they_are_read(engine: DuckDBEngine, tmp_path: Path) -> None:
    for name in ("b.csv", "a-2.csv", "a-1.csv"):
        write(tmp_path / name, f"id\n{name}\n")
    paths = ("b.csv", "a-*.csv", "*.csv")
    listed = [file.name for file in source_files("transactions", paths, folder=tmp_path)]
    assert listed == [row["id"] for row in read(engine, tmp_path, *paths)] == ["b.csv", "a-1.csv", "a-2.csv"]


def test_a_glob_may_match_nothing_where_its_files_may_be_gone_but_a_path_may_not(tmp_path: Path) -> None:
    assert source_files("transactions", ["*.csv", "exports/**/?.csv"], folder=tmp_path, may_be_gone=True) == []
    with pytest.raises(SourceError, match=r"no file matches 'orders.csv'"):
        source_files("transactions", ["*.csv", "orders.csv"], folder=tmp_path, may_be_gone=True)
