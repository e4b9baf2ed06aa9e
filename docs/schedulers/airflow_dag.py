"""Runs of cvm by Apache Airflow: the nightly chain, training on the first of each month, and a look at the model on Mondays.

Copy this file into the folder of DAGs. Set the Airflow variable ``cvm_home`` to the folder of params.yaml, with cvm
installed in its .venv.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow import DAG
from airflow.models import Variable
from airflow.operators.bash import BashOperator

HOME = Variable.get("cvm_home", default_var="/srv/crm")
DEFAULTS = {"retries": 2, "retry_delay": timedelta(minutes=10), "cwd": HOME, "append_env": True}
# A command that finds another at work waits for it, an hour here, instead of being refused.
OPTIONS = "--quiet --set wait_s=3600"
# 3 (watch) and 4 (retrain) are answers of `cvm monitor`, no failures: the second fails the task, so that somebody looks.
MONITOR = f'code=0; .venv/bin/cvm monitor {OPTIONS} || code=$?; [ "$code" -eq 3 ] && exit 0; exit "$code"'

with DAG(
    "cvm_nightly",
    schedule="15 3 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,  # a night that was missed is made up for by: cvm score --from ... --to ... --every day
    max_active_runs=1,  # two runs would write to the same outputs
    default_args=DEFAULTS,
) as nightly:
    before = None
    for stage in ("ingest", "features", "score", "segment", "actions", "kpis", "report"):
        task = BashOperator(task_id=stage, bash_command=f".venv/bin/cvm {stage} {OPTIONS}")
        if before is not None:
            before >> task
        before = task

# The whole loop in one command, so that nothing comes between training and promotion. The new model takes the place of the
# champion if it passes every gate; if not, the champion stays, and that is no failure (`cvm promote` alone ends with 5).
with DAG(
    "cvm_monthly",
    schedule="15 1 1 * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
) as monthly:
    BashOperator(task_id="run", bash_command=f".venv/bin/cvm run {OPTIONS}")

with DAG(
    "cvm_monitor",
    schedule="45 5 * * 1",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,
    default_args=DEFAULTS,
) as weekly:
    BashOperator(task_id="monitor", bash_command=MONITOR)
