"""The proposal tried: the files are read once under it as ``cvm ingest`` will, and what comes of it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cvm.engines import DuckDBEngine, identifier
from cvm.errors import CvmError, WorkspaceError
from cvm.ingest.clean import TableOutcome
from cvm.ingest.declared import declared_source
from cvm.ingest.identity import IdentitySettings
from cvm.ingest.orders import BUYER, order_tables
from cvm.ingest.origins import Export, FileSource
from cvm.ingest.reading import given_name
from cvm.ingest.sources import source_files
from cvm.ingest.stage import Rules, ingest
from cvm.ingest.sufficiency import sufficiency
from cvm.ingest.sufficiency_verdict import SufficiencyVerdict
from cvm.proposing.horizon import Gaps, purchase_gaps
from cvm.workspace import Workspace
from cvm.writing import temporary_file, tidy_beside

# Of larger files some customers are enough to judge by.
MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class Rehearsal:
    """What ``cvm ingest`` would make of the files.

    Attributes
    ----------
    outcomes : tuple of TableOutcome
        What became of each table's rows.
    horizon_days : int
        Decided by the gaps between purchases.
    subscriber_share : float
        Of the buyers, those who ever held a subscription.
    verdicts : tuple of SufficiencyVerdict
        What the files are enough for.
    one_in : int
        1 where all customers were read, else one of so many.
    trouble : str or None
        Why ingest would refuse, where it would.
    """

    outcomes: tuple[TableOutcome, ...]
    horizon_days: int
    subscriber_share: float
    verdicts: tuple[SufficiencyVerdict, ...]
    one_in: int
    trouble: str | None


@dataclass(frozen=True)
class _SomeCustomers(FileSource):
    """Files of which one in so many customers is read."""

    one_in: int = 1

    def exports(self, table: str, *, has_history: bool) -> list[Export]:
        """As those of the files, thinned once they are loaded."""
        return [self._thinned(table, export) for export in super().exports(table, has_history=has_history)]

    def _thinned(self, table: str, export: Export) -> Export:
        customer = given_name(self.reading, "customer_id")

        def load(engine: DuckDBEngine) -> None:
            export.load(engine)
            names = {name.lower() for name in engine.columns(f"raw_{table}")}
            if customer.lower() in names:
                text = f"CAST({identifier(customer)} AS VARCHAR)"
                engine.execute(f"DELETE FROM raw_{table} WHERE hash({text}) % {self.one_in} <> 0")

        return replace(export, load=load)


def rehearse(
    sections: Mapping[str, Mapping[str, Any]],
    *,
    folder: Path,
    timezone: str,
    currency: str,
    horizon_days: Callable[[Gaps | None], int],
    now: datetime,
) -> Rehearsal:
    """Read the files under the proposed sections, in a temporary folder, and say what they are enough for.

    Parameters
    ----------
    sections : mapping of str to mapping
        Canonical table to what ``data.<table>`` would say.
    folder : Path
        Folder of ``params.yaml``; the temporary folder lies in it, because outputs will be as large.
    timezone, currency : str
        Of the business.
    horizon_days : callable
        Decides on the outcome window by the gaps between purchases, where ingest gets so far as to tell them.
    now : datetime
        UTC, without zone.

    Raises
    ------
    WorkspaceError
        If the folder cannot be written to.
    """
    sources = {table: declared_source(table, section, folder=folder, zone=timezone) for table, section in sections.items()}
    files = {table: source for table, source in sources.items() if isinstance(source, FileSource)}
    listed = [file for table, source in files.items() for file in source_files(table, source.paths, folder=folder)]
    one_in = 1 + sum(file.stat().st_size for file in listed) // MAX_BYTES
    if one_in > 1:
        files = {t: _SomeCustomers(s.paths, s.folder, s.reading, one_in) for t, s in files.items()}
    rules = Rules(currency, max_rejected_share=1.0, timezone=timezone, identity=IdentitySettings())
    with _scratch(folder) as temporary:
        workspace = Workspace(temporary / "outputs", temporary / "champion")
        try:
            ingested = ingest(files, workspace, rules, now=now)
        except CvmError as error:
            trouble = _without_folder(str(error), str(temporary))
            return Rehearsal((), horizon_days(None), 0.0, (), one_in, trouble)
        with DuckDBEngine(workspace.warehouse) as engine, order_tables(engine, timezone=timezone):
            days = horizon_days(purchase_gaps(engine, timezone=timezone))
            share = _subscriber_share(engine)
            verdicts = sufficiency(engine, horizon_days=days, lead_days=0, timezone=timezone)
    return Rehearsal(tuple(ingested.outcomes), days, share, tuple(verdicts), one_in, None)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A hidden folder in ``folder``, gone in the end; of a process that was killed, gone when the next one comes by."""
    place = folder / "cvm-init"
    tidy_beside(place)
    with temporary_file(place) as temporary:
        try:
            temporary.mkdir()
        except OSError as error:
            raise WorkspaceError(
                f"Nothing can be written in {folder}: {error.strerror}. Choose another place: --output."
            ) from None
        yield temporary


def _subscriber_share(engine: DuckDBEngine) -> float:
    if "subscriptions" not in engine.tables():
        return 0.0
    query = (
        f"SELECT coalesce(avg(CAST(customer_id IN (SELECT customer_id FROM subscriptions) AS INT)), 0) AS share FROM {BUYER}"
    )
    return float(engine.row(query)["share"])


def _without_folder(message: str, temporary: str) -> str:
    """A message without the sentences about files that are gone by now."""
    return ". ".join(sentence for sentence in message.split(". ") if temporary not in sentence).rstrip(". ") + "."
