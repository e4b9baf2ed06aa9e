"""Lists kept by hand."""

from __future__ import annotations

import pytest

from cvm.campaigns.customer_lists import read_customer_list
from cvm.errors import SourceError
from cvm.privacy.keyed_hash import KeyedHash


@pytest.mark.parametrize(
    "text",
    [
        "a1\nb2\na1\n",
        "\ufeffcustomer_id\r\na1\r\nb2\r\n",
        "name;customer_id\nAda;a1\nBob;b2\n",
        'customer_id,note\n"a1","one, two"\n\nb2,\n',
        "customer_id\tnote\na1\tx\nb2\ty",
    ],
)
def test_one_id_a_line_or_the_column_of_ids(tmp_path, text):
    (tmp_path / "list.csv").write_bytes(text.encode())
    assert read_customer_list(tmp_path / "list.csv") == ("a1", "b2")


def test_an_empty_list_names_nobody(tmp_path):
    (tmp_path / "list.txt").write_text("")
    assert read_customer_list(tmp_path / "list.txt") == ()


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"id,name\na1,Ada\n", "has 2 columns and none is 'customer_id'"),
        ("имя".encode("cp1251"), "it is not UTF-8 text"),
        (b'a1\nb2\n"c3\nd4\n', "cannot be read after line 2: unexpected end of data"),
        (b"a1\n" + b'"c3\n' + 50_000 * b"d4\n" + b"e5\n" * 20_000, "cannot be read after line 1: .* Close every quote"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(tmp_path, content, cause):
    (tmp_path / "list.csv").write_bytes(content)
    with pytest.raises(SourceError, match=cause):
        read_customer_list(tmp_path / "list.csv")


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        read_customer_list(tmp_path / "none.csv")


def test_a_list_of_original_ids_or_pseudonyms_is_read_as_customers_are_stored(tmp_path):
    key = KeyedHash(b"k" * 32, name="pseudonym")
    path = tmp_path / "nobody.txt"
    path.write_text(f"c1\n{key.pseudonym('c2')}\n c1\n")
    assert read_customer_list(path, pseudonyms=key) == (key.pseudonym("c1"), key.pseudonym("c2"))
