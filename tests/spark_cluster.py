"""A cluster of Spark on this machine: a master and workers, each a process that can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ports import free_port

_STARTS_WITHIN_S = 120.0


@dataclass
class Cluster:
    """Processes of a master and its workers; each leads a group, of which its executors are part."""

    url: str
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str) -> None:
        """A process of Spark's own, which writes to ``<name>.log``."""
        import pyspark

        command = [str(Path(pyspark.__file__).parent / "bin" / "spark-class"), *arguments]
        with (self.folder / f"{name}.log").open("wb") as log:
            environment = {**os.environ, "SPARK_DAEMON_MEMORY": "512m", "SPARK_NO_DAEMONIZE": "1"}
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, cwd=self.folder, start_new_session=True
            )

    def wait_for(self, name: str, words: str, *, times: int = 1) -> None:
        """Until a process has said something so many times."""
        until = time.monotonic() + _STARTS_WITHIN_S
        log = self.folder / f"{name}.log"
        while log.read_text(errors="replace").count(words) < times:
            assert time.monotonic() < until, log.read_text(errors="replace")[-2000:]
            assert self.processes[name].poll() is None, log.read_text(errors="replace")[-2000:]
            time.sleep(0.1)

    def kill(self, name: str) -> None:
        """As a machine that goes down: the process and its executors, with no time to say anything."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)

    def is_working(self, name: str) -> bool:
        """Whether an executor of a worker has a task in hand for the application that came last, by what it has logged."""
        applications = sorted((self.folder / name).glob("app-*"))
        logs = [path.read_text(errors="replace") for path in applications[-1].glob("*/stderr")] if applications else []
        return any(log.count("Running task") > log.count("Finished task") for log in logs)


@contextmanager
def spark_cluster(folder: Path, *, workers: int = 2) -> Iterator[Cluster]:
    """A standalone master and so many workers of one core on loopback; nothing of them is left afterwards."""
    port = free_port()
    cluster = Cluster(f"spark://127.0.0.1:{port}", folder)
    try:
        master = ["--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
        cluster.start("master", "org.apache.spark.deploy.master.Master", *master)
        cluster.wait_for("master", "Starting Spark master at")
        for number in range(workers):
            name = f"worker{number}"
            options = ["--host", "127.0.0.1", "--webui-port", "0", "--cores", "1", "--memory", "1g"]
            options += ["--work-dir", str(folder / name), cluster.url]
            cluster.start(name, "org.apache.spark.deploy.worker.Worker", *options)
        cluster.wait_for("master", "Registering worker", times=workers)
        yield cluster
    finally:
        for name in list(cluster.processes):
            cluster.kill(name)
        _wait_until_gone(cluster.url)


def _wait_until_gone(words: str) -> None:
    """Until no process has ``words`` among its arguments."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if not [path for path in Path("/proc").glob("[0-9]*/cmdline") if words in _arguments(path)]:
            return
        time.sleep(0.2)
    raise AssertionError(f"processes of {words} are left")


def _arguments(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
