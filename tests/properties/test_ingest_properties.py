"""However the same rows are spread over files and over ingests, the warehouse they make is the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.engines import DuckDBEngine
from cvm.ingest.clean import TableOutcome
from cvm.ingest.origins import FileSource
from cvm.ingest.reading import Reading
from cvm.ingest.stage import Rules, ingest
from cvm.workspace import Workspace

NOW = datetime(2024, 6, 1)
HEADER = "customer_id,occurred_at,amount,order_id,recorded_at"

bounded = settings(derandomize=True, deadline=None, database=None, max_examples=12)

rows = st.lists(
    st.builds(
        lambda *values: ",".join(values),
        st.sampled_from(["c1", "c2", ""]),
        st.sampled_from(["2024-05-01", "2024-05-02T10:00", "yesterday", "2030-01-01"]),
        st.integers(-3, 3).map(str),
        st.sampled_from(["o1", "o2", "o3", ""]),
        st.sampled_from(["2024-05-03", "2024-05-04", ""]),
    ),
    min_size=1,
    max_size=25,
)
keys = st.sampled_from([[], ["order_id"], ["order_id", "customer_id"]])


def spread(sequence: Sequence[str], cuts: Sequence[int]) -> list[list[str]]:
    """The sequence cut at these places."""
    places = sorted({0, len(sequence), *(cut % (len(sequence) + 1) for cut in cuts)})
    return [list(sequence[start:end]) for start, end in pairwise(places)]


class Project:
    """A folder of exports, whose ingests accept everything that leaves one sound row."""

    def __init__(self, folder: Path, key: list[str]) -> None:
        self.folder, self.key = folder, key
        self.workspace = Workspace(folder / "outputs", folder / "models" / "champion")
        self.export("000.csv", ["c9,2024-01-01,9,o9,"])

    def export(self, name: str, lines: Sequence[str]) -> None:
        (self.folder / name).write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")

    def ingest(self, *, full: bool = False) -> list[TableOutcome]:
        source = FileSource(["*.csv"], self.folder, Reading("UTC", key=self.key))
        return ingest({"transactions": source}, self.workspace, Rules("USD", 1.0), now=NOW, full=full).outcomes

    @property
    def rows(self) -> list[dict[str, Any]]:
        with DuckDBEngine(self.workspace.warehouse, read_only=True) as engine:
            return engine.table("SELECT * FROM transactions").to_pylist()

    @property
    def left_out(self) -> list[tuple[Any, ...]]:
        """Reasons and ids of the quarantine in its order; where a row stood depends on how rows are spread over files."""
        path = self.workspace.quarantine / "transactions.parquet"
        found = pq.read_table(path).to_pylist() if path.exists() else []
        return [(row["reason"], row["customer_id"], row["order_id"]) for row in found]

    @property
    def contents(self) -> dict[str, tuple[bytes, int]]:
        files = [path for path in self.workspace.outputs.rglob("*") if path.is_file()]
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@contextmanager
def projects(n: int, key: list[str]) -> Any:
    with TemporaryDirectory() as folder:
        made = []
        for number in range(n):
            (Path(folder) / str(number)).mkdir()
            made.append(Project(Path(folder) / str(number), key))
        yield made


@bounded
@given(rows, st.lists(st.integers(0, 30), max_size=4), keys, st.data())
def test_neither_files_nor_ingests_matter_to_the_warehouse(
    lines: list[str], cuts: list[int], key: list[str], data: st.DataObject
) -> None:
    with projects(2, key) as (once, piecemeal):
        once.export("001.csv", lines)
        expected = once.ingest()
        for number, piece in enumerate(spread(lines, cuts), start=1):
            piecemeal.export(f"{number:03d}.csv", piece)
            if data.draw(st.booleans(), label=f"ingest after file {number}"):
                piecemeal.ingest()
        found = piecemeal.ingest()
        # Two files of the same bytes are one export, so a row may be told of once or twice.
        if len({tuple(piece) for piece in spread(lines, cuts)}) == len(spread(lines, cuts)):
            assert found == expected
            assert piecemeal.rows == once.rows
            assert piecemeal.left_out == once.left_out


@bounded
@given(rows, keys)
def test_to_ingest_twice_is_to_ingest_once(lines: list[str], key: list[str]) -> None:
    with projects(1, key) as (project,):
        project.export("001.csv", [line.replace("2030-01-01", "2024-05-31") for line in lines])
        outcomes, contents = project.ingest(), project.contents
        assert project.ingest() == outcomes
        assert project.contents == contents
        rows_, left_out = project.rows, project.left_out
        assert project.ingest(full=True) == outcomes
        assert (project.rows, project.left_out) == (rows_, left_out)


@bounded
@given(rows, st.integers(-9, 9))
def test_a_corrected_order_replaces_its_predecessor_and_no_other(lines: list[str], amount: int) -> None:
    with projects(1, ["order_id"]) as (project,):
        project.export("001.csv", lines)
        project.ingest()
        before = [row for row in project.rows if row["order_id"] != "o1"]
        project.export("002.csv", [f"c1,2024-05-05,{amount},o1,2024-05-06"])
        (outcome,) = project.ingest()
        assert [row for row in project.rows if row["order_id"] != "o1"] == before
        assert [row["amount"] for row in project.rows if row["order_id"] == "o1"] == [amount]
        assert outcome.n_read == len(lines) + 2 == outcome.n_kept + sum(outcome.n_by_reason.values())
