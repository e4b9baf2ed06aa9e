"""Forgetting people who asked for it, and what was kept long enough; and the proof that they are gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cvm.engines import QueryError
from cvm.engines.sql import BLANKS
from cvm.errors import CvmError
from cvm.ingest.forgetting import accounts_of, forget_in_parts
from cvm.ingest.protection import IDS
from cvm.ingest.reading import given_name
from cvm.params import Params
from cvm.privacy.erasing import erase, n_traces
from cvm.privacy.marks import ID_COLUMNS, Marks, contact_marks
from cvm.privacy.retention import Expired, expired_outputs, remove_expired
from cvm.privacy.searching import Search, search
from cvm.privacy.suppression import Forgotten, read_forgotten, remember_forgotten
from cvm.publish.databases import PublishError
from cvm.stages.context import Progress, StageOutcome, engine_trouble, silent, utc_now, workspace_of, writes
from cvm.stages.inputs import protection_of, pseudonyms_of, sources_of
from cvm.stages.publish import count_published, unpublish, unpublish_expired
from cvm.stages.retention import kept_outputs, too_short
from cvm.stages.store import database_of, store_of
from cvm.stages.warehouse import open_duckdb
from cvm.workspace import Workspace, removed

_LAST = "The ingested exports, the warehouse and the identities"


@dataclass(frozen=True)
class Found:
    """Where people were found who asked to be forgotten.

    Attributes
    ----------
    marks : Marks
        What they are found by.
    n_people_asked, n_unknown : int
        Ids that were given, and those of them that nothing on file knows.
    n_in_parts : int
        Rows of ingested exports.
    n_published : int
        Rows of tables in the user's database.
    n_by_file : dict of Path to int
        Rows or values of every other file that holds any.
    """

    marks: Marks
    n_people_asked: int
    n_unknown: int
    n_in_parts: int
    n_published: int
    n_by_file: dict[Path, int]

    @property
    def n_rows(self) -> int:
        """Rows and values in all."""
        return self.n_in_parts + self.n_published + sum(self.n_by_file.values())


@writes("cvm forget")
def find_people(params: Params, ids: Sequence[str], *, progress: Progress = silent) -> Found:
    """Everything on file about some people; nothing is changed.

    Parameters
    ----------
    params : Params
    ids : sequence of str
        Of people or of one of their accounts, bare or as ``source:id``; blanks around them do not matter.
    progress : callable

    Raises
    ------
    CvmError
        If nobody is known by any of them, or an id is that of several people, or a file cannot be read.
    PublishError
        If they are in no file, and the database with published tables cannot be asked.
    """
    workspace = workspace_of(params)
    with open_duckdb(params, step="cvm forget"):
        pass  # what is not there, or damaged, is refused in the words of all commands
    asked = list(dict.fromkeys(filter(None, (one.strip(BLANKS) for one in ids))))
    if not asked:
        raise CvmError("No id was given. Name a customer_id, or a file with one a line: cvm forget --file ids.txt.")
    progress("looking for accounts and contacts")
    with engine_trouble():
        marks, unknown = _marks(params, workspace, asked)
        progress("looking through every file")
        n_by_file = {path: n for path in _erasable(workspace) if (n := _n_traces(path, marks))}
        protection = replace(protection_of(params, Forgotten.only(marks.ids)), keep_days={})
        n_in_parts = forget_in_parts(workspace, protection, marks, now=utc_now(), writes=False)
    n_published, unreachable = 0, None
    try:
        n_published = sum(table.n_theirs for table in count_published(params, marks.ids))
    except PublishError as error:
        unreachable = error  # nothing is removed there then, but the files can be done
    found = Found(marks, len(asked), len(unknown), n_in_parts, n_published, n_by_file)
    if not found.n_rows:
        if unreachable:
            raise unreachable
        _refuse_strangers(params, workspace, marks, asked, progress=progress)
    return found


@writes("cvm forget")
def run_forget(params: Params, ids: Sequence[str], *, progress: Progress = silent) -> StageOutcome:
    """Remove people from every output, keep them from coming back, and search every file for them.

    Parameters
    ----------
    params : Params
    ids : sequence of str
        As of ``find_people``.
    progress : callable

    Raises
    ------
    CvmError
        As ``find_people``; and if a file or a published table still tells of them afterwards, or cannot be searched: it is
        named, and all but what tells who is who is done.
    WorkspaceError
        If a file cannot be written, or another command is at work. A rerun goes on from there.
    """
    workspace, found = workspace_of(params), find_people(params, ids, progress=progress)
    marks = found.marks
    # What tells who is who comes last, after the proof for all the rest: what was cut short or refused can be run again.
    last = (workspace.warehouse, workspace.identity)
    progress(f"rewriting {len(found.n_by_file)} files")
    with engine_trouble():
        for path in found.n_by_file:
            if path not in last:
                erase(path, marks)
    removed(workspace.report)
    progress("removing reports from MLflow")
    warnings = _remove_tracked_reports(params)
    progress("removing rows from published tables")
    tables, unreachable = _unpublished(params, marks)
    progress("searching every file")
    rest = search((path for path in _searched(params, workspace) if not _tells_who_is_who(path, workspace)), marks)
    _refuse_traces(rest + tables, *unreachable, left=f" {_LAST} still hold them: they tell who is who, and go last.")
    with engine_trouble():
        progress("remembering whom not to store again")
        forgotten = remember_forgotten(workspace.privacy, marks.ids)
        progress("rewriting the ingested exports, the warehouse and the identities")
        protection = replace(protection_of(params, forgotten), keep_days={})
        forget_in_parts(workspace, protection, marks, now=utc_now(), writes=True)
        for path in last:
            if path in found.n_by_file:
                erase(path, marks)
    progress("searching these")
    last_files = (path for path in _searched(params, workspace) if _tells_who_is_who(path, workspace))
    proof = rest + tables + search(last_files, marks)
    _refuse_traces(proof)
    done = f"{found.n_rows:,} rows and values of {_people(found.n_people_asked - found.n_unknown)} removed"
    if found.n_unknown:
        warnings.append(f"{found.n_unknown} of {found.n_people_asked} ids are those of nobody on file")
    return StageOutcome(
        "forget",
        f"{done} from {len(found.n_by_file)} files and the ingested exports; {proof.sentence}: no trace is left",
        (
            *warnings,
            "the sources are yours: remove them there too, and from backups. The next ingest leaves them out",
            f"{workspace.report} named customers and was removed; `cvm report` makes it again",
        ),
        figures={
            "n_removed": found.n_rows,
            "n_files_changed": len(found.n_by_file),
            "n_files_searched": proof.n_files,
            "n_tables_searched": proof.n_tables,
            "n_rows_searched": proof.n_rows,
        },
    )


def find_expired(params: Params) -> list[Expired]:
    """Outputs past ``privacy.keep_days``."""
    return expired_outputs(workspace_of(params), kept_outputs(params), now=utc_now())


@writes("cvm purge")
def run_purge(params: Params, *, progress: Progress = silent) -> StageOutcome:
    """Remove outputs and published rows past ``privacy.keep_days``; rows of tables go at the next ingest."""
    workspace = workspace_of(params)
    progress("looking for outputs past their time")
    expired = find_expired(params)
    remove_expired(expired)
    names = ", ".join(str(one.path.relative_to(workspace.outputs)) for one in expired)
    progress("published tables")
    n_published = unpublish_expired(params)
    told = [f"{len(expired)} outputs removed: {names}"] if expired else []
    told += [f"{n_published:,} rows of published tables removed"] if n_published else []
    message = "; ".join(told) or "nothing is past privacy.keep_days"
    figures = {"n_removed": len(expired), "n_published_removed": n_published}
    return StageOutcome("purge", message, too_short(params), figures=figures)


def _marks(params: Params, workspace: Workspace, asked: Sequence[str]) -> tuple[Marks, set[str]]:
    """What the people are found by, and which of the ids the warehouse does not know."""
    pseudonyms = pseudonyms_of(params)
    stored = {one: {one, pseudonyms.pseudonym(one)} if pseudonyms else {one} for one in asked}
    names = frozenset().union(*stored.values())
    accounts = accounts_of(workspace, names, country_code=params.identity.country_code)
    if accounts.ambiguous:
        raise CvmError(
            f"{len(accounts.ambiguous)} of the ids are used by several systems for different people. "
            "Say which system is meant, as source:id with the names of data.identities."
        )
    readings = (source.reading for source in sources_of(params, {}).values()) if params.data.dataset is None else ()
    own_names = {given_name(reading, ours).lower() for reading in readings for ours in IDS}
    marks = Marks(
        ids=accounts.ids | names,
        contacts=frozenset(contact_marks(accounts.addresses, accounts.numbers)),
        id_columns=frozenset({*ID_COLUMNS, *own_names}),
    )
    return marks, {one for one, forms in stored.items() if not forms & accounts.found}


def _erasable(workspace: Workspace) -> Iterator[Path]:
    """Every file of the outputs but the ingested parts, which their ledger vouches for, and the list of the forgotten."""
    for path in sorted(workspace.outputs.rglob("*")):
        if path.is_file() and not {workspace.ingested, workspace.privacy} & set(path.parents):
            yield path


def _tells_who_is_who(path: Path, workspace: Workspace) -> bool:
    return path in (workspace.warehouse, workspace.identity) or workspace.ingested in path.parents


def _searched(params: Params, workspace: Workspace) -> Iterator[Path]:
    store = database_of(params)
    folders = (workspace.outputs, workspace.champion.parent, *([store.parent] if store else ()))
    seen = {path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
    yield from sorted(seen)


def _n_traces(path: Path, marks: Marks) -> int:
    try:
        return n_traces(path, marks)
    except (QueryError, OSError, ValueError) as error:
        raise CvmError(
            f"{path} cannot be read, so nobody can be taken out of it: {error}. Mend it, or move it away "
            "and forget there, too."
        ) from None


def _remove_tracked_reports(params: Params) -> list[str]:
    """Reports attached to runs list customers; where there is no store yet, none is made for the sake of looking."""
    database = database_of(params)
    if database is not None and not database.is_file():
        return []
    from cvm.tracking.withdrawal import remove_reports

    try:
        remove_reports(store_of(params))
    except CvmError as error:
        return [f"reports attached to MLflow runs may name them still: {error}"]
    return []


def _unpublished(params: Params, marks: Marks) -> tuple[Search, list[str]]:
    """Take people out of published tables: the proof, and what is left to do if the database refuses."""
    try:
        unpublish(params, marks.ids)
        tables = count_published(params, marks.ids)
    except PublishError as error:
        return Search(0, 0, 0, (), ()), [f"published tables: {error}"]
    found = tuple((f"published table {one.name}", f"{one.n_theirs:,} rows") for one in tables if one.n_theirs)
    return Search(0, len(tables), sum(one.n_rows for one in tables), found, ()), []


def _refuse_strangers(params: Params, workspace: Workspace, marks: Marks, asked: Sequence[str], progress: Progress) -> None:
    """Say of people in no table of ours why; of those who were forgotten before, only after a search."""
    forgotten = read_forgotten(workspace.privacy)
    hint = f"({len(asked)} asked for). Ids are those of the exports, or of identities; upper and lower case matter."
    if not all(one in forgotten for one in asked):
        raise CvmError(f"Nobody is known by that id, nor by an account of it {hint}")
    progress("searching every file")
    proof = search(_searched(params, workspace), marks)
    _refuse_traces(proof)
    raise CvmError(f"They were forgotten before; nothing about them is on file: {proof.sentence} {hint}")


def _refuse_traces(proof: Search, *others: str, left: str = "") -> None:
    problems = [f"{where} ({what})" for where, what in proof.found]
    problems += [f"{path} (cannot be read)" for path in proof.unreadable]
    problems += others
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise CvmError(
            f"Removed where it was known to be; but of {proof.sentence.removeprefix('searched ')} these still hold an id "
            f"or a contact, or something written alike, or could not be looked at:\n{listed}\n"
            f"Look at them; remove what is none of cvm's, and run `cvm forget` again.{left}"
        )


def _people(n: int) -> str:
    return "1 person" if n == 1 else f"{n:,} people"
