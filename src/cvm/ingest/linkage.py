"""Accounts that are probably one person though no contact is spelled alike: probabilistic linkage by Splink.

Splink is the optional extra ``cvm[identity]``. It learns without labels how often a name, a date of birth, a postcode and
the like agree between accounts of one person and between strangers, and gives each pair of accounts a probability.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from cvm.errors import CvmError, InsufficientDataError

# Attributes of an account that Splink compares: those written by hand by their spelling, the rest as they are.
SPELLED = ("name", "first_name", "last_name", "email")
EXACT = ("phone", "birth_date", "postcode")
FIELDS = (*SPELLED, *EXACT)
# Jaro-Winkler similarity of two spellings of one name.
_ALIKE = 0.92
# With two, one is left to tell the pairs that share the other apart.
_FEWEST_FIELDS = 3

# Who agrees on all of one of these is nearly always one person, and so are seven in ten pairs of accounts found.
_SURE = (
    ("email",),
    ("phone",),
    ("birth_date", "last_name"),
    ("birth_date", "name"),
    ("birth_date", "first_name", "postcode"),
    ("name", "postcode"),
)
_SURE_RECALL = 0.7
# Pairs that agree on none of these and of the above are not looked at.
_LIKELY = (("birth_date",), ("last_name", "postcode"), ("first_name", "last_name"))
# How often a field agrees is learned from pairs that agree on another one; those that tell people apart best come first.
_TEACHING = ("email", "phone", "birth_date", "postcode", "name", "last_name", "first_name")
_SEED = 7
_MOST_PAIRS = 1e7


def probable_links(accounts: pa.Table, *, threshold: float) -> pa.Table:
    """Pairs of accounts that are one person with at least a probability of ``threshold``.

    Parameters
    ----------
    accounts : pa.Table
        ``account_id`` and some of ``FIELDS``, all text; null where unknown.
    threshold : float, 0 to 1

    Returns
    -------
    pa.Table
        Columns ``a`` and ``b``, account ids with ``a < b``; ascending. The same accounts give the same pairs.

    Raises
    ------
    CvmError
        If Splink is not installed, or cannot learn from these accounts.
    InsufficientDataError
        If fewer than three of the fields are there.
    """
    present = [name for name in FIELDS if name in accounts.column_names and accounts[name].null_count < len(accounts)]
    if len(present) < _FEWEST_FIELDS:
        raise InsufficientDataError(
            f"identity.probabilistic needs {_FEWEST_FIELDS} or more of {list(FIELDS)} in customers; it has {present}. "
            "Map your columns under data.customers.columns, or set identity.probabilistic: false."
        )
    accounts = accounts.select(["account_id", *present]).sort_by("account_id")
    sure = [rule for rule in _SURE if _repeats(accounts, rule)]
    teaching = [name for name in _TEACHING if _repeats(accounts, (name,))]
    if not sure or len(teaching) < 2:
        # Nobody agrees with anybody on what tells people apart: there is nobody to find, and nothing to learn from.
        return pa.table({"a": pa.array([], pa.string()), "b": pa.array([], pa.string())})
    splink = _splink()
    try:
        return _linked(splink, accounts, present, sure, teaching[:3], threshold=threshold)
    except Exception as error:
        # Splink has no base class of errors, and its messages may quote values.
        raise CvmError(
            f"Splink could not learn from {len(accounts):,} accounts and the fields {present} ({type(error).__name__}). "
            "Set identity.probabilistic: false; accounts that share a contact are merged all the same."
        ) from error


def _linked(
    splink: Any,
    accounts: pa.Table,
    present: Sequence[str],
    sure: Sequence[Sequence[str]],
    teaching: Sequence[str],
    *,
    threshold: float,
) -> pa.Table:
    import splink.comparison_library as compare

    likely = [rule for rule in (*_SURE, *_LIKELY) if set(rule) <= set(present)]
    settings = splink.SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="account_id",
        comparisons=[
            compare.JaroWinklerAtThresholds(name, [_ALIKE]) if name in SPELLED else compare.ExactMatch(name)
            for name in present
        ],
        blocking_rules_to_generate_predictions=[splink.block_on(*rule) for rule in likely],
        # Clean data drives a chance of disagreement towards 0, and further rounds below what a float can hold.
        em_convergence=1e-3,
        max_iterations=15,
    )
    database = splink.DuckDBAPI()
    database.duckdb_con.execute("SET threads = 1")  # sums in one order give the same pairs each time
    linker = splink.Linker(database.register(accounts, table_name="account"), settings, log_level=logging.ERROR)
    training = linker.training
    training.estimate_probability_two_random_records_match([splink.block_on(*rule) for rule in sure], recall=_SURE_RECALL)
    training.estimate_u_using_random_sampling(max_pairs=_MOST_PAIRS / 10, seed=_SEED)
    for name in teaching:
        training.estimate_parameters_using_expectation_maximisation(
            splink.block_on(name), max_pairs=_MOST_PAIRS, record_sample_proportion=1.0
        )
    found = linker.inference.predict(threshold_match_probability=threshold)
    pairs = database.duckdb_con.sql(
        "SELECT DISTINCT least(account_id_l, account_id_r) AS a, greatest(account_id_l, account_id_r) AS b "
        f"FROM {found.physical_name} ORDER BY ALL"
    )
    return pairs.to_arrow_table()


def _repeats(accounts: pa.Table, names: Sequence[str]) -> bool:
    """Whether two accounts agree on all of these fields."""
    if not set(names) <= set(accounts.column_names):
        return False
    known = accounts.select(list(names)).drop_null()
    counts = known.group_by(list(names)).aggregate([([], "count_all")])["count_all"]
    return bool(pc.any(pc.greater(counts, 1)).as_py())


def _splink() -> Any:
    try:
        import splink
    except ImportError:
        raise CvmError(
            "identity.probabilistic needs Splink 5, which is not installed. Install it with `pip install 'cvm[identity]'`, "
            "or set identity.probabilistic: false."
        ) from None
    return splink
