"""What is asked of params and of all that they name, part by part. Importing this loads most of cvm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from cvm.doctor import declared, machine, models, outputs, packages
from cvm.doctor.line import Line
from cvm.params import Params
from cvm.stages.context import workspace_of

# What to call a check where it fails, and the check.
Checks = list[tuple[str, Callable[[], Iterator[Line]]]]


def checks_of(params: Params) -> Iterator[tuple[str, Checks]]:
    """Parts of the diagnosis that depend on params, in their order."""
    workspace = workspace_of(params)
    yield "machine", _of_machine(params)
    data: Checks = [("secrets", partial(declared.secrets_lines, params))]
    if params.data.dataset is not None:
        data.append((params.data.dataset, declared.dataset_line))
    for table, section in params.data.tables.items():
        data.append((table, partial(declared.table_lines, params, table, section)))
    yield "data", data
    if outputs.is_untouched(workspace):
        yield "outputs", [("outputs", partial(outputs.writing_lines, workspace)), ("results", outputs.nothing_yet_line)]
        return
    changed = declared.newest_change(params)
    yield (
        "outputs",
        [
            ("outputs", partial(outputs.writing_lines, workspace)),
            ("warehouse", partial(outputs.warehouse_lines, params, workspace, data_changed=changed)),
            ("features", partial(outputs.features_lines, params, workspace)),
            ("scores", partial(outputs.scores_lines, workspace)),
        ],
    )
    yield (
        "models",
        [
            ("champion", partial(models.champion_lines, params, workspace)),
            ("challenger", partial(models.challenger_lines, workspace)),
            ("MLflow", partial(models.store_lines, params)),
        ],
    )


def _of_machine(params: Params) -> Checks:
    folder = workspace_of(params).outputs
    checks: Checks = [
        ("extras", lambda: packages.extras_line(declared.wanted_extras(params))),
        ("disk", lambda: machine.disk_line(folder, outputs.bytes_in(folder))),
        ("time", lambda: machine.clock_line(params.business.timezone)),
    ]
    return [*checks, ("Java", machine.java_line)] if params.engine == "spark" else checks
