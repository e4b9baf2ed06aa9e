"""How ``--dist loadfile`` shares tests among processes: the longest files first, and one Spark for all that can share it.

A plugin of ``conftest.py``. By itself xdist begins with the files of the most tests; those of one test that takes minutes
then come last, and all but one process wait for them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

# Their tests share a session, which takes its time to start and to warm up.
ON_ONE_SPARK = (
    "engines/test_spark_agreement.py",
    "engines/test_spark_rules.py",
    "engines/test_spark_values.py",
    "engines/test_spark.py",
    "engines/test_spark_lake.py",
    "ingest/test_lake.py",
    "scoring/test_distributed.py",
    "test_spark_printed.py",
    "tracking/test_spark_udf.py",
)
# What takes a minute or more, the longest first; all else comes after it as it is collected.
LONGEST = (
    *ON_ONE_SPARK,
    "reports/test_report_in_browser.py",
    "test_notebooks.py",
    "test_package.py",
    "test_faults.py",
    "test_pipeline.py",
    "test_spark_cluster.py",
    "tracking/test_serving.py",
    "test_campaign_loop.py",
    "models/test_odd_bases.py",
)
_HERE = Path(__file__).parent
_RANKS = {file: rank for rank, file in enumerate(LONGEST)}


class _LongestFirst(LoadFileScheduling):
    """Files as they are collected, those on one Spark as if they were one."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return "one Spark" if file.removeprefix(f"{_HERE.name}/") in ON_ONE_SPARK else file


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a process that is told by another one what to run: bring the longest to the front."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _RANKS.get(_name(item), len(LONGEST)))


def _name(item: pytest.Item) -> str:
    return item.path.relative_to(_HERE).as_posix() if item.path.is_relative_to(_HERE) else ""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """Ours for ``loadfile``, xdist's own for all else."""
    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return _LongestFirst(config, log)
