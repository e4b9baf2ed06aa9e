"""A disk that takes no more: a message that names the file and the fix, and the old output as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# The limit on the size of files fails a write in its midst, for root, too, as a full disk does.
_WRITERS = """
import json, resource, signal, sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from cvm.engines import DuckDBEngine
from cvm.errors import CvmError
from cvm.stages.context import engine_trouble
from cvm.workspace import replaced_directory, replaced_file

def text(path): path.write_text("x" * 100_000)
def arrow(path): pq.write_table(pa.table({"a": [str(i) for i in range(50_000)]}), path)
def engine(path):
    with DuckDBEngine() as engine: engine.write_parquet("SELECT random() AS a FROM range(50000)", path)
def database(path):
    with DuckDBEngine(path) as engine: engine.replace_table("t", "SELECT random() AS a FROM range(500000)")

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
said = {}
for write in (text, arrow, engine, database):
    for replaced in (replaced_file, replaced_directory):
        path = Path(sys.argv[1]) / f"{write.__name__} {replaced.__name__}"
        try:
            with engine_trouble(), replaced(path) as temporary:
                write(temporary / "part" if replaced is replaced_directory else temporary)
        except CvmError as error:
            said[path.name] = str(error)
print(json.dumps(said))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_every_kind_of_writer_names_the_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    kinds = [f"{writer} {how}" for writer in ("text", "arrow", "engine", "database") for how in ("file", "directory")]
    names = [kind.replace(" ", " replaced_") for kind in kinds]
    for name in names:
        if name.endswith("file"):
            (tmp_path / name).write_text("old", encoding="utf-8")
        else:
            (tmp_path / name).mkdir()
            (tmp_path / name / "part").write_text("old", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", _WRITERS, str(tmp_path)], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert list(said) == names
    for name, message in said.items():
        assert str(tmp_path) in message
        assert name.split()[0] in message
        assert "File too large" in message
        assert "Free the path or disk space" in message or "Free disk space and memory and run again" in message
        assert "exception_type" not in message
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    left = {path.relative_to(tmp_path).as_posix(): path.read_text(encoding="utf-8") for path in files}
    assert left == {name if name.endswith("file") else f"{name}/part": "old" for name in names}
