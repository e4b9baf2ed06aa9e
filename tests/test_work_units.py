"""The lists of long files name files that there are, and every one that asks for the session of Spark."""

from __future__ import annotations

import re
from pathlib import Path

from work_units import LONGEST, ON_ONE_SPARK

HERE = Path(__file__).parent


def test_long_files_are_there_and_named_once() -> None:
    assert [file for file in LONGEST if not (HERE / file).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


def test_whoever_asks_for_the_session_of_spark_shares_it() -> None:
    asks = re.compile(r"^def \w+\((?:.*, )?spark[,)]", re.MULTILINE)
    found = {path for path in HERE.rglob("test_*.py") if asks.search(path.read_text(encoding="utf-8"))}
    assert {path.relative_to(HERE).as_posix() for path in found} == set(ON_ONE_SPARK)
