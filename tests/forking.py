"""A process that has everything imported, and forks a child for each piece of work: a stage then starts in no time.

Run as a program, it reads a line of JSON for each child (``params``, ``stages``, ``kill_after`` seconds, ``limit`` in bytes,
``of`` whom or what)
and answers with one (``code``, ``seconds``, ``error``); a child that is killed has the code -9.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class ForkServer:
    """Stages, each run in a process of its own that may be killed at any moment."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def run(
        self,
        params: Path,
        stages: Sequence[str],
        *,
        kill_after: float | None = None,
        of: object = None,
        nothing_left: str | None = None,
    ) -> float:
        """Seconds that stages took, or a negative number if they were killed, or refused by what says that all is done."""
        answer = self._ask(params, stages, kill_after=kill_after, of=of)
        is_done = nothing_left is not None and nothing_left in answer["error"]
        if answer["code"] not in (0, -signal.SIGKILL) and not is_done:
            raise AssertionError(f"{stages} ended with {answer['code']}: {answer['error']}")
        return float(answer["seconds"]) if answer["code"] == 0 else -1.0

    def refusal(self, params: Path, stage: str, *, limit: int) -> str:
        """What a stage says that may not write files of more than so many bytes."""
        answer = self._ask(params, [stage], limit=limit)
        if answer["code"] != 1:
            raise AssertionError(f"{stage} ended with {answer['code']}")
        return str(answer["error"])

    def _ask(self, params: Path, stages: Sequence[str], **how: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"params": str(params), "stages": stages, **how}), file=self._process.stdin, flush=True)
        return dict(json.loads(self._process.stdout.readline()))


def _work(task: dict[str, Any]) -> None:
    from cvm import pipeline
    from cvm.params import load_params
    from cvm.stages.context import only_writer
    from cvm.stages.forget import run_forget
    from cvm.stages.monitor import monitor
    from cvm.stages.promote import run_rollback

    stages = {
        **pipeline.STAGES,
        "monitor": monitor,
        "forget": lambda params: run_forget(params, task["of"]),
        "rollback": lambda params: run_rollback(params, to=task["of"]),
    }

    if task.get("limit"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (task["limit"], task["limit"]))
    params = load_params(Path(task["params"]))
    with only_writer(params, "cvm run"):
        for name in task["stages"]:
            stages[name](params)


def _serve() -> None:
    import mlflow.pyfunc
    import mlflow.store.model_registry.sqlalchemy_store
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - likewise

    import cvm.pipeline
    import cvm.stages.actions
    import cvm.stages.data
    import cvm.stages.forget
    import cvm.stages.kpis
    import cvm.stages.monitor
    import cvm.stages.promote
    import cvm.stages.report
    import cvm.stages.score
    import cvm.stages.segment
    import cvm.stages.train
    import cvm.tracking.training_run

    # Ten figures take as long to draw as the models take to train.
    cvm.tracking.training_run._figures = lambda _: iter(())
    # The age of the data is among the findings: a run over midnight is to give the same as one before.
    started_at = cvm.stages.data.utc_now()
    cvm.stages.data.utc_now = lambda: started_at
    for line in sys.stdin:
        task = json.loads(line)
        started = time.monotonic()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            code = 1
            try:
                os.dup2(2, 1)
                _work(task)
                code = 0
            except BaseException as error:
                os.write(write, f"{type(error).__name__}: {error}".encode())
            finally:
                os._exit(code)
        os.close(write)
        if task.get("kill_after") is not None:
            time.sleep(task["kill_after"])
            try:
                os.killpg(child, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        seconds = time.monotonic() - started
        with os.fdopen(read, encoding="utf-8") as errors:
            answer = {"code": os.waitstatus_to_exitcode(status), "seconds": seconds, "error": errors.read()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
