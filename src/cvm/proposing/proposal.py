"""From the user's files to everything ``params.yaml`` has to say of them: one question after the other, then a rehearsal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cvm.engines import DuckDBEngine
from cvm.errors import SourceError
from cvm.ingest.contracts import CONTRACTS
from cvm.ingest.sources import file_columns
from cvm.proposing.attributes import ignored_attributes
from cvm.proposing.business import ALL_IS_MARGIN, currency_question, margin_question, zone_question
from cvm.proposing.columns import Match, asked_columns, unused
from cvm.proposing.files import check_encoding, grouped, spreadsheets, table_files
from cvm.proposing.formats import Writing, writing_of
from cvm.proposing.horizon import STEPS, Gaps
from cvm.proposing.questions import Ask, Question, one_of
from cvm.proposing.rehearsal import Rehearsal, rehearse
from cvm.proposing.samples import TableSample, sampled
from cvm.proposing.synonyms import begins_like, likeness, words
from cvm.proposing.tables import Candidate, asked_tables, candidates, why_none

# So many lines without a customer are no accident but anonymous sales, which are nobody's history.
_ANONYMOUS_SHARE = 0.02
_USUAL_DAYS = 181
# Where so many of the buyers hold subscriptions, churn is that they end.
_CONTRACTUAL_SHARE = 0.5


@dataclass(frozen=True)
class ProposedTable:
    """One table of ``params.yaml``.

    Attributes
    ----------
    candidate : Candidate
        The file and the columns decided on.
    writing : Writing
        How times and numbers are written.
    skips_anonymous : str or None
        Why lines without a customer are no rows, where they are none.
    ignore : tuple of str
        Columns of persons, and those that differ in every row: no attributes.
    attributes : tuple of str
        Further columns that are kept under their own names.
    unused : tuple of str
        Columns that nothing is made of.
    """

    candidate: Candidate
    writing: Writing
    skips_anonymous: str | None
    ignore: tuple[str, ...]
    attributes: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def has_margin(self) -> bool:
        """Whether rows tell their margin."""
        return "margin" in self.candidate.matches

    @property
    def section(self) -> dict[str, Any]:
        """What ``data.<table>`` says."""
        found: dict[str, Any] = {"path": self.candidate.sample.files.path}
        if self.candidate.preset:
            return {**found, "preset": self.candidate.preset}
        found["columns"] = {ours: column_value(match) for ours, match in self.candidate.matches.items()}
        found |= {key: value for key, (value, _) in self.writing.keys.items()}
        if self.skips_anonymous:
            found["skip_without"] = ["customer_id"]
        if self.ignore:
            found["ignore"] = list(self.ignore)
        return found


@dataclass(frozen=True)
class Proposal:
    """Everything decided, with the reasons.

    Attributes
    ----------
    tables : tuple of ProposedTable
    left_out : tuple of str
        Files that are no table.
    currency, timezone, margin_rate : tuple of str
        The value and the reason.
    horizon_reason : str
        Of ``rehearsal.horizon_days``.
    churn_definition : tuple of str
        The value and the reason.
    rehearsal : Rehearsal
        What ingest will make of the files, and what they are enough for.
    notes : tuple of str
        What the user should look at.
    """

    tables: tuple[ProposedTable, ...]
    left_out: tuple[str, ...]
    currency: tuple[str, str]
    timezone: tuple[str, str]
    margin_rate: tuple[str, str]
    horizon_reason: str
    churn_definition: tuple[str, str]
    rehearsal: Rehearsal
    notes: tuple[str, ...] = field(default=())

    @property
    def lacks_margin(self) -> bool:
        """Whether neither rows nor the user told how much of the revenue is margin."""
        return self.margin_rate[0] == ALL_IS_MARGIN and not any(table.has_margin for table in self.tables)


def column_value(match: Match) -> str | dict[str, list[str]]:
    """A match as ``columns`` writes it."""
    return match.theirs[0] if len(match.theirs) == 1 else {"product": list(match.theirs)}


def propose(
    given: Sequence[Path], *, folder: Path, ask: Ask, now: datetime, progress: Callable[[str], None] = lambda _: None
) -> Proposal:
    """Read the user's files and decide, question by question.

    Parameters
    ----------
    given : sequence of Path
        Files, and folders that hold some.
    folder : Path
        Folder of ``params.yaml``.
    ask : callable
        Answers a question; ``proposed`` takes every proposal.
    now : datetime
        UTC, without zone; rows dated later are faulty.
    progress : callable
        Told in words what is being done.

    Raises
    ------
    SourceError
        If a file cannot be read, or none is a table of purchases.
    WorkspaceError
        If nothing can be written in the folder.
    """
    samples = _samples(given, folder, progress)
    found = [(sample, candidates(sample)) for sample in samples]
    chosen = asked_tables(found, ask)
    sheets = tuple(
        f"{one.name} (a spreadsheet: save it as CSV UTF-8)" for path in given if path.is_dir() for one in spreadsheets(path)
    )
    if "transactions" not in {one.table for one in chosen}:
        raise SourceError(_no_purchases(found, sheets))
    decided = [_with_columns(one, ask) for one in chosen]
    tables = tuple(_table(one) for one in sorted(decided, key=lambda one: list(CONTRACTS).index(one.table)))
    used = {id(one.sample) for one in decided}
    currency = _asked(currency_question(decided), ask)
    currency = (currency[0].upper(), currency[1])
    lacking = [table.candidate.table for table in tables if table.writing.lacks_zone]
    zone = _asked(zone_question(lacking), ask) if lacking else ("UTC", "all times tell their zone; it cuts days")
    margin_rate = (
        (ALL_IS_MARGIN, "margin / revenue, where a row has no margin of its own")
        if any(table.has_margin for table in tables)
        else _asked(margin_question(), ask)
    )
    progress("reading all rows once, as cvm ingest will")
    sections = {table.candidate.table: table.section for table in tables}
    reasons: list[str] = []

    def horizon_days(gaps: Gaps | None) -> int:
        answer, reason = _asked(_horizon_question(gaps), ask)
        reasons.append(reason)
        return int(answer)

    rehearsal = rehearse(sections, folder=folder, timezone=zone[0], currency=currency[0], horizon_days=horizon_days, now=now)
    return Proposal(
        tables=tables,
        left_out=(*(sample.files.shown for sample in samples if id(sample) not in used), *sheets),
        currency=currency,
        timezone=zone,
        margin_rate=margin_rate,
        horizon_reason=reasons[0],
        churn_definition=_churn_definition(rehearsal, ask, has_subscriptions="subscriptions" in sections),
        rehearsal=rehearsal,
        notes=tuple(note for table in tables for note in _notes(table)),
    )


def _samples(given: Sequence[Path], folder: Path, progress: Callable[[str], None]) -> list[TableSample]:
    files = table_files(given)
    for file in files:
        check_encoding(file)
    samples = []
    with DuckDBEngine() as engine:
        for group in grouped(files, lambda file: file_columns(engine, file), folder=folder):
            progress(f"looking at {group.shown}")
            samples.append(sampled(engine, group))
    return samples


def _with_columns(candidate: Candidate, ask: Ask) -> Candidate:
    if candidate.preset:
        return candidate
    contract = CONTRACTS[candidate.table]
    return Candidate(candidate.sample, candidate.table, asked_columns(candidate.sample, contract, candidate.matches, ask))


def _table(candidate: Candidate) -> ProposedTable:
    sample, is_open = candidate.sample, CONTRACTS[candidate.table].open_ended
    others = [] if candidate.preset else unused(sample, candidate.matches)
    ignore = ignored_attributes(sample, others) if is_open else ()
    return ProposedTable(
        candidate=candidate,
        writing=writing_of(candidate),
        skips_anonymous=_anonymous(candidate),
        ignore=ignore,
        attributes=tuple(name for name in others if name not in ignore) if is_open else (),
        unused=ignore if is_open else tuple(others),
    )


def _anonymous(candidate: Candidate) -> str | None:
    match = candidate.matches.get("customer_id")
    if candidate.table not in ("transactions", "events") or match is None or candidate.preset:
        return None
    share = 1 - candidate.sample.columns[match.theirs[0]].n_given / candidate.sample.n_rows
    return f"{share:.0%} of the lines name no customer: nobody's history" if share > _ANONYMOUS_SHARE else None


def _asked(question: Question, ask: Ask) -> tuple[str, str]:
    answer = ask(question).strip()
    return answer, question.reason if answer == question.proposal else "as you said"


def _churn_definition(rehearsal: Rehearsal, ask: Ask, *, has_subscriptions: bool) -> tuple[str, str]:
    """Whether the business is contractual: most of its buyers hold subscriptions, whose end is churn."""
    if not has_subscriptions:
        return "no_order", "not contractual: there are no subscriptions"
    proposal = "subscription" if rehearsal.subscriber_share >= _CONTRACTUAL_SHARE else "no_order"
    reason = f"{rehearsal.subscriber_share:.0%} of the buyers ever held a subscription"
    text = "churn is: subscription (it ends) or no_order (none within horizon_days)"
    return _asked(Question("churn", text, proposal, reason, one_of(["subscription", "no_order"])), ask)


def _horizon_question(gaps: Gaps | None) -> Question:
    days, reason = (
        (gaps.horizon_days, gaps.reason) if gaps else (_USUAL_DAYS, "the usual half year, as nothing could be read")
    )
    text = "horizon_days: days in which the next order should come"
    return Question("windows", text, str(days), reason, _horizon_problem)


def _horizon_problem(answer: str) -> str | None:
    is_days = answer.isascii() and answer.isdigit() and 1 <= int(answer) <= 3650
    return None if is_days else f"{answer!r} is no number of days; write for example one of {list(STEPS)}"


def _notes(table: ProposedTable) -> list[str]:
    candidate = table.candidate
    notes = list(table.writing.notes)
    if candidate.table == "transactions":
        notes += _return_notes(candidate)
    return notes


def _return_notes(candidate: Candidate) -> list[str]:
    """Whether there are returns, and whether they would be taken for purchases."""
    columns = candidate.sample.columns
    match = candidate.matches.get("amount")
    n_negative = max((columns[name].n_negative for name in match.theirs), default=0) if match else 0
    if match and n_negative:
        n = candidate.sample.share(n_negative, columns[match.theirs[0]].n_given)
        return [f"{n} of {match.shown} are negative: they count as returns"]
    for facts in columns.values():
        told = [value for value in facts.few if begins_like(value, words("returns"))]
        if told and likeness(facts.name, words("line_kind")):
            return [
                f"{facts.name} says {', '.join(map(repr, told))}, and no amount is negative: such lines would count as "
                "purchases; make their amounts negative, or leave them out of the export"
            ]
    return []


def _no_purchases(found: Sequence[tuple[TableSample, list[Candidate]]], sheets: Sequence[str]) -> str:
    """What a run needs, what each file lacks, and what else could be done with it."""
    lines = ["No file is a table of purchases: who bought, when, for how much (customer_id, occurred_at, amount)."]
    for sample, tables in found:
        lines.append(f"  - {why_none(tables, sample)}.")
        flag = next((name for name in sample.columns if likeness(name, words("churned"))), None)
        if flag:
            file = sample.files.paths[0]
            lines.append(f"    It tells who left: cvm crossvalidate {file} --label {flag} learns from it as it is.")
        if 2 * sum(not any(sign.isalpha() for sign in name) for name in sample.columns) > len(sample.columns):
            lines.append("    Its first line looks like values: add a line with the names of the columns.")
        nested = [name for name, facts in sample.columns.items() if facts.are(facts.n_nested)]
        if nested:
            lines.append(f"    {', '.join(nested)} holds values within values: export one value a column.")
    lines += [f"  - {sheet} was not looked at." for sheet in sheets]
    lines.append(
        "Add the export of your orders; or, if a file is one, say so: in a terminal, without --yes, cvm init asks which "
        "columns are which."
    )
    return "\n".join(lines)
