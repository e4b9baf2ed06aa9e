"""Parquet files that grow chunk by chunk, and the ``params.yaml`` that lets cvm read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cvm.datasets.simulate.world import World
from cvm.errors import WorkspaceError
from cvm.workspace import replaced_directory, replaced_file

MARK = "# Written by `cvm simulate`; a rerun replaces it."


class Files:
    """Open Parquet files of one folder; use as a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_rows: dict[str, int] = {}
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def append(self, name: str, table: pa.Table) -> None:
        """Add rows to ``<name>.parquet``; the schema is that of the first chunk."""
        if name not in self._writers:
            # Codes are an economy of writing only: readers find plain text.
            writer = pq.ParquetWriter(
                self.folder / f"{name}.parquet", table.schema, compression="zstd", compression_level=1, store_schema=False
            )
            self._writers[name] = self._stack.enter_context(writer)
            self.n_rows[name] = 0
        self._writers[name].write_table(table)
        self.n_rows[name] += table.num_rows


@contextmanager
def simulated_folder(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Temporary folders for tables and truth; both take their places if the block succeeds.

    Raises
    ------
    WorkspaceError
        If the folder holds tables, truth or parameters that are not of a simulation, or cannot be written.
    """
    _check_free(folder)
    with replaced_directory(folder / "tables") as tables, replaced_directory(folder / "truth") as truth:
        yield tables, truth


def write_params(folder: Path, as_of: date, *, currency: str, world: World) -> None:
    """Write a ``params.yaml`` that reads the simulated tables."""
    treatments = ", ".join(f"{one.name}: {{channel: {one.channel}, cost: {one.cost}}}" for one in world.treatments)
    values = {"effect_days": world.effect_days, "treatments": f"{{{treatments}}}"}
    with replaced_file(folder / "params.yaml") as temporary:
        temporary.write_text(_PARAMS.format(mark=MARK, as_of=as_of, currency=currency, **values), encoding="utf-8")


def _check_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise WorkspaceError(f"{folder} is a file; give a folder for the simulated base.")
    is_simulated = (folder / "truth" / "recipe.json").is_file()
    foreign = [] if is_simulated else [name for name in ("tables", "truth") if (folder / name).exists()]
    params = folder / "params.yaml"
    if params.exists() and not params.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        foreign.append(params.name)
    if foreign:
        raise WorkspaceError(f"{folder} holds {foreign} that `cvm simulate` did not write. Give another, empty folder.")


_PARAMS = """{mark}
# A simulated customer base. What is true of every customer lies in truth/ and is never read by cvm itself.

data:
  # The zone is that of the files, whatever business.timezone says.
  transactions: {{path: tables/transactions.parquet, timezone: UTC}}  # order lines, returns, test orders, late rows
  events: {{path: tables/events.parquet, timezone: UTC}}              # visits, mail, complaints, tickets, answers
  customers: {{path: tables/customers.parquet, timezone: UTC}}        # attributes, consents; some people twice
  subscriptions: {{path: tables/subscriptions.parquet, timezone: UTC}}  # delivery plans and their add-ons
  assignments: {{path: tables/assignments.parquet, timezone: UTC}}      # three campaigns with randomised holdouts
  identities: {{path: tables/identities.parquet}}                       # half of the second accounts, and all first ones
  max_rejected_share: 0.05

business:
  currency: {currency}
  timezone: UTC
  margin_rate: 0.38               # of lines without a margin; here every line has one
  discount_rate_per_year: 0.10
  active_days: 365

windows:
  as_of: {as_of}                  # the day up to which the base was simulated
  horizon_days: 181               # truth/truth.parquet holds 90, 181 and 365 days
  clv_days: 365

campaigns:
  outcome_days: {effect_days}                # truth/ holds effects over so many days
  treatments: {treatments}
"""
