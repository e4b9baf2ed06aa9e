"""Accounts of invented people, some of whom have a second one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

FIRST = ("anna", "boris", "clara", "daryna", "emil", "farid", "greta", "hanna", "ivan", "julia", "lena", "mykola", "rosa")
STEMS = ("shev", "kova", "bonda", "tka", "krav", "oliy", "polish", "mel", "hryts", "savch", "petr", "march", "lys", "rud")
ENDINGS = ("enko", "chuk", "yk", "ova", "uk", "er", "iak", "ets", "son", "ska")
N_SECOND = 200


def accounts(*, n_people: int = 3000, seed: int = 1) -> pa.Table:
    """People with a date of birth and a postcode; the first ``N_SECOND`` are there twice, misspelled, by another mailbox."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_people):
        first, last = str(rng.choice(FIRST)), str(rng.choice(STEMS)) + str(rng.choice(ENDINGS))
        born = str(np.datetime64("1950-01-01") + int(rng.integers(0, 20_000)))
        row = {
            "account_id": f"c{number:05d}",
            "first_name": first,
            "last_name": last,
            "email": f"{first}.{last}{number}@shop.com",
            "birth_date": born,
            "postcode": f"{rng.integers(1000, 3000):05d}",
        }
        rows.append(row)
        if number < N_SECOND:
            other = row | {"account_id": f"d{number:05d}", "last_name": last[:-1] + str(rng.choice(list("aeiou")))}
            other["email"] = None if number % 2 else f"{last}{number}@post.com"
            if number % 5 == 0:
                other["postcode"] = f"{rng.integers(1000, 3000):05d}"
            if number % 7 == 0:
                other["first_name"] = first[0]
            rows.append(other)
    return pa.Table.from_pylist(rows)
