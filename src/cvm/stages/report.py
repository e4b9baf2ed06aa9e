"""The last stage: one page that people open, and the model card beside it."""

from __future__ import annotations

from pathlib import Path

from cvm.engines import DuckDBEngine
from cvm.errors import TrackingError
from cvm.models.bundle import Bundle, read_bundle
from cvm.params import Params
from cvm.reports.base import Base
from cvm.reports.html.page import report_html
from cvm.reports.model_card import markdown
from cvm.reports.words import words
from cvm.stages.context import Progress, StageOutcome, engine_trouble, scoring_date, silent, workspace_of, writes
from cvm.stages.inputs import known_until
from cvm.stages.store import database_of, store_of
from cvm.workspace import replaced_file

_SHIPPED_SALT = "cvm"


@writes("cvm report")
def run_report(params: Params, *, progress: Progress = silent) -> StageOutcome:
    """What all stages left on file, as ``outputs/report.html`` and ``outputs/model_card.md``.

    Both are attached to the run of the model in the MLflow store; without the store they are written all the same.
    """
    workspace = workspace_of(params)
    bundle = read_bundle(workspace.champion)
    progress("adding up scores and outcomes")
    with engine_trouble(), DuckDBEngine() as engine:
        base = Base(
            engine,
            workspace,
            bundle,
            as_of=scoring_date(params, workspace),
            hash_salt=params.campaigns.salt if params.report.hash_ids else None,
            segment_goals=params.segments.rule_set.goals,
            until=known_until(params),
            timezone=params.business.timezone,
        )
        page = report_html(base, language=params.report.language)
        other_models = base.other_models()
    card = markdown(bundle, words(params.report.language))
    for path, text in ((workspace.report, page), (workspace.model_card, card)):
        with replaced_file(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    progress("attaching to the MLflow run")
    size = workspace.report.stat().st_size / 2**20
    return StageOutcome(
        "report",
        f"{workspace.report} ({size:.1f} MiB, opens offline), {workspace.model_card}",
        (
            *_strange(other_models, bundle),
            *_attached(params, bundle, [workspace.report, workspace.model_card]),
            *_salted(params),
        ),
        figures={"model_version": bundle.model_version, "report": workspace.report, "model_card": workspace.model_card},
    )


def _strange(others: list[str], bundle: Bundle) -> list[str]:
    """That scores and model card speak of different models, if so."""
    if not others:
        return []
    return [
        f"The scores were made by model {', '.join(others)}, the champion is {bundle.model_version}: churn, value "
        "and the model card are about the champion. Run `cvm score` to have both of one model."
    ]


def _attached(params: Params, bundle: Bundle, files: list[Path]) -> list[str]:
    """Why the files are not in the MLflow store, if so."""
    database = database_of(params)
    if database is not None and not database.is_file():
        return [
            f"The MLflow store {database} is gone, so the report is not attached to its run. Run `cvm train` to have one."
        ]
    try:
        store_of(params).attach(files, model_version=bundle.model_version)
    except TrackingError as error:
        return [f"The report is not attached to the model's run: {error}"]
    return []


def _salted(params: Params) -> list[str]:
    if not params.report.hash_ids or params.campaigns.salt != _SHIPPED_SALT:
        return []
    return [
        "Customer ids are hashed with the salt that ships with cvm, so whoever has a list of ids can tell which is which. "
        "Set campaigns.salt to a secret of your own before the first campaign."
    ]
