"""Samples of small tables for the tests of proposals."""

from __future__ import annotations

from pathlib import Path

from cvm.engines import DuckDBEngine
from cvm.proposing.files import FileGroup
from cvm.proposing.samples import TableSample, sampled


def sample_of(folder: Path, text: str, *, name: str = "file.csv") -> TableSample:
    """The sample of a CSV file with this text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    with DuckDBEngine() as engine:
        return sampled(engine, FileGroup((path,), name, name))


def lines(header: str, *rows: str, times: int = 1) -> str:
    """A header and rows, the rows repeated."""
    return "\n".join([header, *rows * times]) + "\n"
