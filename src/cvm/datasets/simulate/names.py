"""Invented identities: customer numbers, e-mail addresses and telephone numbers that can belong to nobody.

Addresses lie under ``example.*`` (reserved by RFC 2606); ``+999`` is no country's code.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cvm.datasets.simulate.chance import Bools, Codes, Floats, Ints

_FIRST_NAMES = (
    "anna", "boris", "clara", "daryna", "emil", "farid", "greta", "hanna", "ivan", "julia", "kofi", "lena",
    "mykola", "nadia", "oksana", "pavlo", "rosa", "stefan", "taras", "uma", "vera", "wanda", "yusuf", "zoe",
)  # fmt: skip
_DOMAINS = ("com", "org", "net")
PLACEHOLDER_EMAIL = "none@example.com"


def customer_ids(number: Ints) -> pa.Array:
    """Main accounts, e.g. C00000042."""
    return pc.binary_join_element_wise("C", _padded(number, 8), "")


def second_ids(number: Ints) -> pa.Array:
    """Second accounts, e.g. W2654435761; the number does not give the first account away."""
    return pc.binary_join_element_wise("W", _padded(_scattered(number), 10), "")


def emails(number: Ints) -> pa.Array:
    """One address per customer."""
    name = pa.array(_FIRST_NAMES).take(pa.array(_scattered(number) % len(_FIRST_NAMES)))
    domain = pa.array(_DOMAINS).take(pa.array(_scattered(number) % len(_DOMAINS)))
    return pc.binary_join_element_wise(name, ".", _padded(number, 8), "@example.", domain, "")


def emails_spelled_otherwise(number: Ints) -> pa.Array:
    """The same addresses in capitals, with a blank behind."""
    return pc.binary_join_element_wise(pc.utf8_upper(emails(number)), " ", "")


def phones(number: Ints) -> pa.Array:
    """One telephone number per customer."""
    return pc.binary_join_element_wise("+999", _padded(_scattered(number), 10), "")


def phones_spelled_otherwise(number: Ints) -> pa.Array:
    """The same numbers with the long international prefix, blanks and brackets."""
    digits = _padded(_scattered(number), 10)
    area, rest = pc.utf8_slice_codeunits(digits, 0, 3), pc.utf8_slice_codeunits(digits, 3)
    return pc.binary_join_element_wise("00999 (", area, ") ", rest, "")


def order_ids(number: Ints) -> pa.Array:
    """Order numbers, e.g. O120000017."""
    return pc.binary_join_element_wise("O", pc.cast(pa.array(number), pa.string()), "")


def coded(codes: Codes | Ints, names: tuple[str, ...] | list[str] | pa.Array) -> pa.DictionaryArray:
    """Text by position in ``names``; null where the code is negative."""
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(names))


def plain(column: pa.Array | Floats) -> pa.Array:
    """Text as text rather than as codes."""
    if isinstance(column, pa.DictionaryArray):
        return column.dictionary_decode()
    return column if isinstance(column, pa.Array) else pa.array(column)


def blanked(values: pa.Array, is_known: Bools) -> pa.Array:
    """Null where not known."""
    return pc.if_else(pa.array(is_known), values, None)


def _padded(number: Ints, width: int) -> pa.Array:
    return pc.utf8_lpad(pc.cast(pa.array(number), pa.string()), width, "0")


def _scattered(number: Ints) -> Ints:
    """A bijection of 32-bit numbers without visible order (multiplication by an odd constant, Knuth 6.4)."""
    return (number * np.int64(2_654_435_761)) % np.int64(2**32)
