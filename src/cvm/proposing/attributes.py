"""Which further columns of customers are no attributes to learn from."""

from __future__ import annotations

from collections.abc import Iterable

from cvm.proposing.samples import TableSample
from cvm.proposing.synonyms import begins_like, words

# Text with more different values, and different for this share of the rows, is a name or a note and no kind of customer.
_MOST_KINDS, _SHARE = 50, 0.5


def ignored_attributes(sample: TableSample, names: Iterable[str]) -> tuple[str, ...]:
    """Of the columns ``names`` those of persons, and those whose text differs from row to row."""
    return tuple(name for name in names if begins_like(name, words("personal")) or _differs(sample, name))


def _differs(sample: TableSample, name: str) -> bool:
    facts = sample.columns[name]
    is_text = not facts.are_numbers and not facts.are_dates
    return is_text and facts.n_distinct > max(_MOST_KINDS, _SHARE * facts.n_given)
