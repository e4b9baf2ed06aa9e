"""KPIs, cohorts and goals, from the warehouse and the scores on file."""

from __future__ import annotations

from cvm.kpis.files import write_kpi_files
from cvm.kpis.goals import goal_table
from cvm.kpis.settings import Scores
from cvm.kpis.stage import KpiOutcome, compute_kpis
from cvm.params import Params
from cvm.reports.kpis import kpi_tables
from cvm.stages.context import (
    Progress,
    StageOutcome,
    damaged_scores,
    engine_trouble,
    silent,
    workspace_of,
    writes,
)
from cvm.stages.inputs import goals_of, kpi_settings_of
from cvm.stages.publish import publish_kpis
from cvm.stages.warehouse import open_warehouse


@writes("cvm kpis")
def run_kpis(params: Params, *, progress: Progress = silent) -> StageOutcome:
    """KPIs by period and group, cohorts and the progress of goals, written to ``outputs/kpis``."""
    workspace = workspace_of(params)
    as_of = params.windows.as_of
    with engine_trouble(), open_warehouse(params) as engine:
        found = compute_kpis(
            engine,
            kpi_settings_of(params),
            goals_of(params),
            score_files=Scores(workspace.score_files()),
            effects=workspace.effects,
            as_of=None if as_of == "latest" else as_of,
            progress=progress,
        )
    write_kpi_files(workspace.kpis, kpis=found.kpis, cohorts=found.cohorts, goals=goal_table(found.goals))
    publish_kpis(params, found.as_of, progress=progress)
    notes = (*found.notes, *damaged_scores(workspace))
    figures = {
        "as_of": found.as_of,
        "n_rows": found.kpis.num_rows,
        "goals": {of.goal: of.status for of in found.goals},
        "folder": workspace.kpis,
    }
    return StageOutcome("kpis", _line(found), notes, tables=tuple(kpi_tables(workspace.kpis)), figures=figures)


def _line(found: KpiOutcome) -> str:
    n_kpis, n_cohorts = (len(set(table.column(0).to_pylist())) for table in (found.kpis, found.cohorts))
    stands = [goal.status.replace("_", " ") for goal in found.goals]
    counts = ", ".join(f"{stands.count(status)} {status}" for status in dict.fromkeys(stands))
    goals = f"; goals: {counts}" if counts else ""
    return f"{n_kpis} KPIs before {found.as_of} in {found.kpis.num_rows:,} rows; {n_cohorts} cohorts{goals}"
