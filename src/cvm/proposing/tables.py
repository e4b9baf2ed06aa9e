"""Which canonical table a file is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from cvm.ingest.contracts import CONTRACTS
from cvm.proposing.columns import PROPOSED_TABLES, Match, lacking, proposed_columns
from cvm.proposing.presets import fitting_presets
from cvm.proposing.questions import NONE, Ask, Question, one_of
from cvm.proposing.samples import TableSample
from cvm.proposing.synonyms import begins_like, words

_REQUIRED, _OPTIONAL, _NAMED, _PRESET = 3, 1, 4, 100
# Tables with one row per customer, so nearly so many different ids.
_ONE_ROW_EACH = ("customers",)
_MOSTLY_DIFFERENT = 0.9
# Names of columns in a message.
_SHOWN = 12


@dataclass(frozen=True)
class Candidate:
    """One table that a file could be, and how its columns would then be read."""

    sample: TableSample
    table: str
    matches: Mapping[str, Match]
    preset: str | None = None

    @cached_property
    def lacks(self) -> list[str]:
        """Required columns that are not there."""
        return [] if self.preset else lacking(CONTRACTS[self.table], self.matches)

    @cached_property
    def is_named(self) -> bool:
        """Whether the name of the file says that it is this table."""
        return begins_like(self.sample.files.paths[0].stem, words("tables")[self.table])

    @cached_property
    def score(self) -> int:
        """How well it fits, for comparison with other tables and files."""
        contract = CONTRACTS[self.table]
        weights = (
            (_REQUIRED if name in contract.required else _OPTIONAL) * (2 if match.rank == 0 else 1)
            for name, match in self.matches.items()
        )
        return sum(weights) + _NAMED * self.is_named + _PRESET * (self.preset is not None)

    @property
    def reason(self) -> str:
        """Why the file is taken for this table."""
        if self.preset:
            return f"its columns are those of the preset {self.preset}"
        ours = ", ".join(name for name in CONTRACTS[self.table].required if name in self.matches)
        return f"it has {ours}" + (", and is named so" if self.is_named else "")


def candidates(sample: TableSample) -> list[Candidate]:
    """Every table the file could be, the likeliest first; those that lack required columns last."""
    presets = fitting_presets(sample)
    found = [
        Candidate(sample, table, proposed_columns(sample, CONTRACTS[table]), presets.get(table)) for table in PROPOSED_TABLES
    ]
    fit = [one for one in found if "customer_id" in one.matches or one.preset or not one.lacks]
    return sorted((one for one in fit if _is_possible(one)), key=lambda one: (len(one.lacks) > 0, -one.score))


def asked_tables(pairs: list[tuple[TableSample, list[Candidate]]], ask: Ask) -> list[Candidate]:
    """For each file with its candidates the table that it is, each table once; files that are none are left out."""
    best = {id(sample): next((one for one in found if not one.lacks), None) for sample, found in pairs}
    owners: dict[str, Candidate] = {}
    for one in best.values():
        if one and (one.table not in owners or one.score > owners[one.table].score):
            owners[one.table] = one
    decided: list[Candidate] = []
    for sample, found in pairs:
        proposal = best[id(sample)]
        is_owner = proposal is not None and owners[proposal.table] is proposal
        taken = [one.table for one in decided]
        options = [table for table in PROPOSED_TABLES if table not in taken]
        question = Question(
            subject=sample.files.shown,
            text=f"which table is it: {', '.join(options)}",
            proposal=proposal.table if proposal and is_owner and proposal.table not in taken else NONE,
            reason=_reason(proposal, owners, found, is_owner=is_owner),
            problem=one_of([*options, NONE]),
        )
        answer = ask(question).strip()
        if answer != NONE:
            chosen = next((one for one in found if one.table == answer), None)
            decided.append(chosen or Candidate(sample, answer, proposed_columns(sample, CONTRACTS[answer])))
    return decided


def why_none(found: list[Candidate], sample: TableSample) -> str:
    """What keeps a file from being a table of transactions, in words."""
    purchase = next((one for one in found if one.table == "transactions"), None)
    matches = purchase.matches if purchase else proposed_columns(sample, CONTRACTS["transactions"])
    absent = lacking(CONTRACTS["transactions"], matches)
    names = list(sample.columns)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{sample.files.shown} has no {' and no '.join(absent)} among its columns {', '.join(names[:_SHOWN])}{more}"


def _reason(proposal: Candidate | None, owners: Mapping[str, Candidate], found: list[Candidate], *, is_owner: bool) -> str:
    if proposal is None:
        near = f"; for {found[0].table} it lacks {' and '.join(found[0].lacks)}" if found else ""
        return f"its columns are those of no table{near}"
    if not is_owner:
        owner = owners[proposal.table].sample.files.shown
        return f"it could be {proposal.table}, but {owner} fits better, and a table has one layout"
    return proposal.reason


def _is_possible(candidate: Candidate) -> bool:
    if candidate.table not in _ONE_ROW_EACH or candidate.preset:
        return True
    match = candidate.matches.get("customer_id")
    ids = candidate.sample.columns[match.theirs[0]] if match else None
    return ids is not None and ids.n_distinct >= _MOSTLY_DIFFERENT * ids.n_given
