"""Which of the user's columns is which of ours: proposed by their names and by what they hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from cvm.ingest.contracts import CONTRACTS, Column, Contract, Kind
from cvm.proposing.questions import NONE, Ask, Question
from cvm.proposing.samples import ColumnFacts, TableSample
from cvm.proposing.synonyms import column_names, likeness, words

# Between the factors of a product, as typed and shown.
TIMES = " * "


@dataclass(frozen=True)
class Match:
    """Where one canonical column comes from.

    Attributes
    ----------
    theirs : tuple of str
        The user's column, or the factors of a product.
    reason : str
        Why it is taken for that.
    others : tuple of str
        Columns that could be it, too.
    rank : int
        0 for the very name, 1 for a name with fillers, 2 for what it holds alone.
    """

    theirs: tuple[str, ...]
    reason: str
    others: tuple[str, ...] = ()
    rank: int = 0

    @property
    def shown(self) -> str:
        """The user's column, or the product."""
        return TIMES.join(self.theirs)

    @property
    def note(self) -> str:
        """The reason, and what else it could be."""
        return f"{self.reason}; could also be {', '.join(self.others)}" if self.others else self.reason


def proposed_columns(sample: TableSample, contract: Contract) -> dict[str, Match]:
    """Canonical column to its match, for each that finds one; required columns choose first."""
    found: dict[str, Match] = {}
    for column in sorted(contract.columns, key=lambda one: not one.required):
        taken = {name for match in found.values() if len(match.theirs) == 1 for name in match.theirs}
        match = _match(sample, contract.table, column, taken)
        if match:
            found[column.name] = match
    return {column.name: found[column.name] for column in contract.columns if column.name in found}


def asked_columns(sample: TableSample, contract: Contract, proposed: Mapping[str, Match], ask: Ask) -> dict[str, Match]:
    """The same, as the user decides; a required column without a proposal is asked for, too."""
    decided = {}
    for column in contract.columns:
        match = proposed.get(column.name)
        if match is None and not column.required:
            continue
        question = Question(
            subject=sample.files.shown,
            text=f"{contract.table}.{column.name}: {column.meaning[0].lower()}{column.meaning[1:].rstrip('.')}",
            proposal=match.shown if match else NONE,
            reason=match.note if match else f"no column is called so; there are {', '.join(sample.columns)}",
            problem=partial(_problem, sample, column),
        )
        answer = ask(question).strip()
        if match and answer == match.shown:
            decided[column.name] = match
        elif answer != NONE:
            decided[column.name] = Match(_factors(sample, answer), "as you said")
    return decided


def unused(sample: TableSample, matches: Mapping[str, Match]) -> list[str]:
    """The user's columns that nothing comes from."""
    used = {name for match in matches.values() for name in match.theirs}
    return [name for name in sample.columns if name not in used]


def _match(sample: TableSample, table: str, column: Column, taken: Collection[str]) -> Match | None:
    known = column_names(table, column.name)
    likely = {name: likeness(name, known) for name in sample.columns if name not in taken}
    named = sorted(
        (like, name) for name, like in likely.items() if like is not None and _can_be(sample.columns[name], column)
    )
    if named:
        (rank, _), best = named[0]
        # Totals of one order may have several names; ids and dates that stand further down are other things.
        others = tuple(name for _, name in named[1:]) if column.required and column.kind is not Kind.TEXT else ()
        return Match((best,), _reason(sample, sample.columns[best], column), others, rank)
    if column.name == "amount" and table == "transactions":
        return _product(sample)
    if column.name == "occurred_at" and table == "transactions":
        return _only_date(sample, column)
    return None


def _product(sample: TableSample) -> Match | None:
    """Units times the price of one."""
    factors = []
    for known in (column_names("transactions", "quantity"), tuple(words("unit_price"))):
        named = sorted(
            (like, name)
            for name, facts in sample.columns.items()
            if (like := likeness(name, known)) is not None and facts.are_numbers
        )
        if not named:
            return None
        factors.append(named[0][1])
    quantity, price = factors
    return Match((quantity, price), "no column holds amounts: units times the price of one", rank=1)


def _only_date(sample: TableSample, column: Column) -> Match | None:
    # Numbers that count seconds may be anything.
    dates = [facts for facts in sample.columns.values() if facts.are(max(facts.n_dates[:-3]))]
    if len(dates) != 1:
        return None
    return Match((dates[0].name,), f"the only column of dates; {_reason(sample, dates[0], column)}", rank=2)


def _can_be(facts: ColumnFacts, column: Column) -> bool:
    if column.kind is Kind.TIME:
        # Ends may all be open, and what lies blank contradicts nothing.
        return facts.are_dates or (facts.n_given == 0 and not column.required)
    if column.kind in (Kind.MONEY, Kind.NUMBER):
        return facts.are_numbers or (column.kind is Kind.MONEY and facts.are_priced)
    if column.kind is Kind.FLAG:
        return facts.are(facts.n_flags)
    if column.name == "currency":
        return facts.are(facts.n_codes)
    return facts.n_given > 0


def _reason(sample: TableSample, facts: ColumnFacts, column: Column) -> str:
    n = facts.n_given
    if column.kind is Kind.TIME:
        return f"{sample.share(max(facts.n_dates), n)} are dates"
    if column.kind in (Kind.MONEY, Kind.NUMBER):
        if facts.are_numbers:
            return f"{sample.share(max(facts.n_numbers), n)} are numbers"
        return f"{sample.share(max(facts.n_priced), n)} are numbers with {facts.sign} beside them"
    if column.kind is Kind.FLAG:
        return f"{sample.share(facts.n_flags, n)} are yes or no"
    blank = sample.n_rows - n
    rows = "rows" if sample.is_whole else "sampled rows"
    said = f"{facts.n_distinct:,} different in {sample.n_rows:,} {rows}"
    if not blank:
        return said
    left_out = ": rows without a customer are left out" if column.name == "customer_id" and column.required else ""
    return f"{said}, {blank:,} blank{left_out}"


def _factors(sample: TableSample, answer: str) -> tuple[str, ...]:
    return (answer,) if answer in sample.columns else tuple(part.strip() for part in answer.split(TIMES.strip()))


def _problem(sample: TableSample, column: Column, answer: str) -> str | None:
    answer = answer.strip()
    if answer == NONE:
        return f"{column.name} is required; name a column" if column.required else None
    names = _factors(sample, answer)
    strangers = [name for name in names if name not in sample.columns]
    if strangers:
        return f"{strangers[0]!r} is no column; there are {', '.join(sample.columns)}"
    if len(names) > 1 and column.kind not in (Kind.MONEY, Kind.NUMBER):
        return f"{column.name} is no number, so it cannot be a product"
    wrong = [name for name in names if not _can_be(sample.columns[name], column)]
    if wrong and column.kind is not Kind.TEXT:
        kinds = {Kind.TIME: "dates", Kind.FLAG: "yes or no"}
        return f"most values of {wrong[0]!r} are no {kinds.get(column.kind, 'numbers')}"
    return None


def lacking(contract: Contract, matches: Mapping[str, Match]) -> list[str]:
    """Required columns without a match."""
    return [name for name in contract.required if name not in matches]


PROPOSED_TABLES = tuple(table for table in CONTRACTS if table != "features")  # own scores look like anything
