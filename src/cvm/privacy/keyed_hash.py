"""HMAC-SHA256 of ids under a key, in Python and, for whole columns, in SQL; and the pseudonyms made of it.

Without the key a hash of an id tells nothing: with it, whoever tries all ids would find the right one.
"""

from __future__ import annotations

import hashlib
import hmac
import os

import pyarrow as pa

from cvm.engines import Engine, literal
from cvm.errors import ParamsError

# Block length of SHA-256, and the two pads of RFC 2104.
_BLOCK = 64
_PADS = {"inner_pad": bytes([0x36] * _BLOCK), "outer_pad": bytes([0x5C] * _BLOCK)}

# A pseudonym is known by its form: one that comes back, in the ledger of a plan or from a sender, is not hashed again.
_PREFIX = "cvm-"
_DIGITS = 32  # hexadecimal: 128 bits
_PSEUDONYM = f"{_PREFIX}[0-9a-f]{{{_DIGITS}}}"

_ENVIRONMENT = "env:"
_FEWEST_SIGNS = 32


class KeyedHash:
    """HMAC-SHA256 under one key.

    Parameters
    ----------
    key : bytes
        Secret; never shown by ``repr``, in SQL or in a message.
    name : str
        What the engine calls the key; letters alone.

    Source
    ------
    Krawczyk, Bellare, Canetti (1997), RFC 2104, section 2.
    """

    def __init__(self, key: bytes, *, name: str) -> None:
        self._key, self._name = key, name

    def __repr__(self) -> str:
        return f"KeyedHash(name={self._name!r}, fingerprint={self.fingerprint!r})"

    @property
    def fingerprint(self) -> str:
        """Tells two keys apart and neither of them."""
        return self.of("fingerprint of the key")[:16]

    def of(self, text: str) -> str:
        """Hash of one text, in hexadecimal digits."""
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def install(self, engine: Engine) -> None:
        """Make ``sql`` mean something to an engine; the key goes there as a value, not as a part of any statement."""
        key = hashlib.sha256(self._key).digest() if len(self._key) > _BLOCK else self._key
        block = key.ljust(_BLOCK, b"\0")
        pads = {which: bytes(a ^ b for a, b in zip(block, pad, strict=True)) for which, pad in _PADS.items()}
        engine.register("keyed_hash_pads", pa.table({which: [pad] for which, pad in pads.items()}))
        for which in pads:
            engine.execute(f"SET VARIABLE {self._variable(which)} = (SELECT {which} FROM keyed_hash_pads)")
        engine.execute("DROP VIEW keyed_hash_pads")

    def sql(self, text: str) -> str:
        """SQL for the hash of a text, in hexadecimal digits; null stays null."""
        inner, outer = (f"getvariable({literal(self._variable(which))})" for which in _PADS)
        return f"sha256({outer} || unhex(sha256({inner} || encode({text}))))"

    def pseudonym(self, customer_id: str) -> str:
        """What a customer is called instead of the id; a pseudonym is its own."""
        is_one = customer_id.startswith(_PREFIX) and len(customer_id) == len(_PREFIX) + _DIGITS
        is_one = is_one and set(customer_id[len(_PREFIX) :]) <= set("0123456789abcdef")
        return customer_id if is_one else f"{_PREFIX}{self.of(customer_id)[:_DIGITS]}"

    def pseudonym_sql(self, customer_id: str) -> str:
        """SQL for ``pseudonym``; null stays null."""
        # To look at the prefix first is faster, because hardly any id has it.
        is_one = (
            f"starts_with({customer_id}, {literal(_PREFIX)}) AND regexp_full_match({customer_id}, {literal(_PSEUDONYM)})"
        )
        return (
            f"CASE WHEN {is_one} THEN {customer_id} ELSE {literal(_PREFIX)} || left({self.sql(customer_id)}, {_DIGITS}) END"
        )

    def _variable(self, which: str) -> str:
        return f"cvm_{self._name}_{which}"


def key_of_environment(setting: str, *, name: str) -> KeyedHash:
    """The key that an ``env:NAME`` of params points at.

    Raises
    ------
    ParamsError
        If there is no such variable, or its value is too short to be a secret.
    """
    variable = setting.removeprefix(_ENVIRONMENT)
    found = os.environ.get(variable, "")
    if len(found) < _FEWEST_SIGNS:
        problem = f"holds {len(found)} characters" if found else "is not set"
        raise ParamsError(
            f"privacy.pseudonym_key names the environment variable {variable!r}, which {problem}. Set it to a secret of "
            f'{_FEWEST_SIGNS} characters or more, for example: export {variable}="$(openssl rand -hex 32)", and keep it: '
            "with another key every customer becomes somebody else."
        )
    return KeyedHash(found.encode(), name=name)
