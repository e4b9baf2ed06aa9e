from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cvm.errors import SourceError
from cvm.proposing.files import check_encoding, grouped, table_files

CYRILLIC = "Клиент;Сумма\nиван;1\nмария;2\nалександр;3\n"


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_text("a,b\n1,2\n", encoding="utf-8")
    return [folder / name for name in names]


def test_a_folder_stands_for_its_tables(tmp_path: Path) -> None:
    touch(tmp_path, "b.csv", "a.csv.gz", "c.parquet", ".hidden.csv", "~lock.csv", "notes.md")
    found = table_files([tmp_path, tmp_path / "b.csv"])
    assert [path.name for path in found] == ["a.csv.gz", "b.csv", "c.parquet"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.csv", "There is no file '.*nothing.csv'. Correct the path."),
        ("book.xlsx", 'is a spreadsheet, which is not read. .* save it as "CSV UTF-8", and run: cvm init book.csv'),
        ("sheets", "sheets/b.xlsx' is a spreadsheet, which is not read"),
        ("shop.sqlite", "is a database, whose tables are not proposed. Write params.yaml by hand"),
        ("notes.md", r"is of no known format; give files of \['.csv'"),
        ("empty", r"No table lies in '.*empty'; there are \['notes.md'\]. Name your exports: cvm init orders.csv"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "sheets").mkdir()
    touch(tmp_path, "book.xlsx", "shop.sqlite", "notes.md", "empty/notes.md", "sheets/notes.md", "sheets/b.xlsx")
    with pytest.raises(SourceError, match=message):
        table_files([tmp_path / name])


def test_files_of_one_layout_are_one_table(tmp_path: Path) -> None:
    years = touch(tmp_path, "orders-2024.csv", "orders-2025.csv")
    [group] = grouped(years, lambda _: ["a", "b"], folder=tmp_path)
    assert (group.path, group.shown) == ("orders-202*.csv", "orders-202*.csv (2 files)")
    others = touch(tmp_path, "orders-2026.csv", "people.csv")
    # The new year has another layout, so a glob would take it, too.
    groups = grouped([*years, *others], lambda path: ["x"] if path in others[:1] else [path.stem[:6]], folder=tmp_path)
    assert [group.path for group in groups] == [["orders-2024.csv", "orders-2025.csv"], "orders-2026.csv", "people.csv"]


def test_paths_are_relative_to_the_params_file_where_they_lie_below_it(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    file = touch(tmp_path, "exports/a.csv")
    assert grouped(file, lambda _: ["a"], folder=tmp_path)[0].path == "exports/a.csv"
    assert grouped(file, lambda _: ["a"], folder=tmp_path / "elsewhere")[0].path == str(file[0])


@pytest.mark.parametrize(
    ("encoding", "named"), [("cp1251", "CP1251"), ("cp866", "CP866"), ("koi8-u", "KOI8-U"), ("utf-16", "UTF-16")]
)
def test_text_of_another_encoding_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, encoding: str, named: str
) -> None:
    (tmp_path / "orders.csv").write_bytes(CYRILLIC.encode(encoding))
    with pytest.raises(SourceError, match=f"reads as {named}.*iconv -f {named} -t UTF-8 orders.csv > orders-utf8.csv"):
        check_encoding(tmp_path / "orders.csv")


def test_accents_are_western_and_compressed_files_are_looked_into(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "orders.csv.gz", "wb") as file:
        file.write("client,montant\nRené,1\nZoë,2\n".encode("cp1252"))
    with pytest.raises(SourceError, match=r"gzip -dc orders.csv.gz \| iconv -f CP1252 -t UTF-8 > orders-utf8.csv"):
        check_encoding(tmp_path / "orders.csv.gz")


def test_damaged_compression_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.gz"
    path.write_bytes(gzip.compress(b"client,amount\n")[:10] + b"\xff" * 100)
    with pytest.raises(SourceError, match=r"orders.csv.gz' cannot be read: .*decompressing data.*Export it again"):
        check_encoding(path)


def test_utf8_passes_and_nothing_does_not(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(CYRILLIC, encoding="utf-8")
    check_encoding(tmp_path / "orders.csv")
    (tmp_path / "orders.csv").write_text("\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"is empty. Check the export."):
        check_encoding(tmp_path / "orders.csv")
