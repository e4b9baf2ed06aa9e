"""The stages in order.

Each stage reads what the stage before it left on disk, so each can also be run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvm.engines.spark_session import given_session
from cvm.errors import TrackingError
from cvm.models.bundle import bundle_version, read_bundle
from cvm.params import Params
from cvm.scoring.files import read_scores
from cvm.stages.context import Progress, StageOutcome, only_writer, scoring_date, silent, workspace_of
from cvm.stages.order import STAGES as STAGES
from cvm.stages.prediction import has_fitting_champion
from cvm.stages.store import database_of
from cvm.stages.warehouse import ON_SPARK, warehouse_path

if TYPE_CHECKING:
    import pandas as pd

    from cvm.engines.spark_session import SparkSession
    from cvm.models.bundle import Bundle


class Outcomes(list[StageOutcome]):
    """What the stages of a run came to, in order; shown as a line each, with what a reader should be warned of."""

    def __repr__(self) -> str:
        width = max((len(outcome.stage) for outcome in self), default=0)
        return "\n".join(
            line
            for outcome in self
            for line in (
                f"{outcome.stage:{width}s}  {outcome.message}",
                *(f"{'':{width}s}  - {warning}" for warning in outcome.warnings),
            )
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left;vertical-align:top'>{escape(outcome.stage)}</th><td style='text-align:left'>"
            + "<br>".join([escape(outcome.message), *(f"- {escape(warning)}" for warning in outcome.warnings)])
            + "</td></tr>"
            for outcome in self
        )
        return f"<table>{rows}</table>"


def run(
    params: Params,
    *,
    tables: Mapping[str, object] | None = None,
    session: SparkSession | None = None,
    progress: Progress = silent,
) -> Outcomes:
    """The whole loop: every stage in order.

    Parameters
    ----------
    params : Params
        Of ``load_params``.
    tables : mapping of str to frame, optional
        Canonical table to a pandas, Polars or Arrow table (anything with ``__arrow_c_stream__``). It takes the place
        of the table's files or database; column mapping, zone and formats are those of ``data.<table>`` all the same.
    session : SparkSession, optional
        For ``engine: spark``; by default the one that is running, or one is started as ``spark`` of params says.
    progress : callable
        Told in words what is being done.

    Returns
    -------
    Outcomes
        A list with what each stage came to; all else lies in the files that ``summarise`` names.

    Raises
    ------
    CvmError
        If a stage refuses; what earlier stages wrote stays. An MLflow store that fails is a warning of ``train`` where there
        is a champion to go on with.

    Examples
    --------
    Your frame of purchases instead of files; ``columns`` maps your names:

    >>> columns = {"customer_id": "client", "occurred_at": "paid_at", "amount": "total"}
    >>> params = cvm.load_params({"data": {"transactions": {"columns": columns, "timezone": "UTC"}}})  # doctest: +SKIP
    >>> cvm.run(params, tables={"transactions": frame})  # doctest: +SKIP
    """
    options = {"ingest": {"tables": tables}}
    with given_session(session), only_writer(params, "cvm run", with_models=True, progress=progress):
        return in_order(params, lambda name, stage: stage(params, progress=progress, **options.get(name, {})))


def in_order(params: Params, run_stage: Callable[[str, Callable[..., StageOutcome]], StageOutcome]) -> Outcomes:
    """What stages came to, one after the other; what the engine cannot do is left out.

    Without the MLflow store training is left out, and with it promotion.

    Parameters
    ----------
    params : Params
    run_stage : callable
        Given the name of a stage and the stage, runs it and gives its outcome.
    """
    outcomes = Outcomes()
    for name, stage in STAGES.items():
        if name == "promote" and outcomes and is_untracked(outcomes[-1]):
            continue
        if params.engine == "spark" and name not in ON_SPARK:
            stage = _left_out(name)
        outcomes.append(run_stage(name, _without_store(stage) if name == "train" else stage))
    return outcomes


def _left_out(name: str) -> Callable[..., StageOutcome]:
    """What stands for a stage that the engine cannot do."""

    def say_so(_: Params, **_options: Any) -> StageOutcome:
        return StageOutcome(name, "left out: it does not run with engine: spark", figures={"is_left_out": True})

    return say_so


def is_untracked(outcome: StageOutcome) -> bool:
    """Whether the MLflow store failed a training, and the run went on."""
    return outcome.figures.get("tracking") == "failed"


def _without_store(train: Callable[..., StageOutcome]) -> Callable[..., StageOutcome]:
    """Training that no failure of the store ends, as long as there is a champion that foretells what params ask for."""

    def tried(params: Params, **options: Any) -> StageOutcome:
        try:
            return train(params, **options)
        except TrackingError as error:
            if not has_fitting_champion(params):
                raise
            champion = bundle_version(workspace_of(params).champion)
            return StageOutcome(
                "train",
                f"the MLflow store failed: nothing is promoted, champion {champion} stays and makes the scores",
                (str(error),),
                figures={"tracking": "failed", "model_version": champion, "role": "champion"},
            )

    return tried


@dataclass(frozen=True)
class Summary:
    """What the last tables of a run show.

    Attributes
    ----------
    as_of : date
        Of the scores.
    scores : DataFrame of shape (n_customers, 5) or None
        ``segment``, ``clv``, ``p_churn``, ``expected_orders``, ``expected_order_value``; None where a cluster keeps them.
    bundle : Bundle
        The champion.
    files : dict of str to Path
        What there is to open.
    """

    as_of: date
    scores: pd.DataFrame | None
    bundle: Bundle
    files: dict[str, Path]

    def __repr__(self) -> str:
        lines = [f"scores of {self.as_of}" if self.scores is None else self._totals(self.scores), repr(self.bundle)]
        width = max(map(len, self.files))
        return "\n".join([*lines, *(f"{name:{width}s}  {path}" for name, path in self.files.items())])

    def _totals(self, scores: pd.DataFrame) -> str:
        clv, churn = scores["clv"].sum(), scores["p_churn"].mean()
        return (
            f"scores of {self.as_of}: {len(scores):,} customers, CLV {clv:,.0f} {self.bundle.currency} in "
            f"{self.bundle.clv_days} days, mean p_churn {churn:.3f}"
        )


def summarise(params: Params) -> Summary:
    """Scores and evidence on file, for the closing tables.

    Parameters
    ----------
    params : Params
        Of ``load_params``.

    Returns
    -------
    Summary

    Raises
    ------
    MissingOutputError
        If there are no scores yet.
    BundleError
        If there is no champion, or it was changed.

    Examples
    --------
    >>> summary = cvm.summarise(params)  # doctest: +SKIP
    >>> summary.scores.groupby("segment")["clv"].sum()  # doctest: +SKIP
    """
    workspace = workspace_of(params)
    as_of = scoring_date(params, workspace)
    columns = ["segment", "clv", "p_churn", "expected_orders", "expected_order_value"]
    files = {
        "report": workspace.report,
        "scores": workspace.scores_of(as_of),
        "warehouse": warehouse_path(params),
        "quality": workspace.quality,
        "features": workspace.features,
        "kpis": workspace.kpis,
        "champion": workspace.champion,
    }
    database = database_of(params)
    if database:
        files["MLflow"] = database
    if workspace.quarantine.exists() and any(workspace.quarantine.iterdir()):
        files["quarantine"] = workspace.quarantine
    files |= {path.name: path for path in (workspace.actions_of(as_of).parent, workspace.triggers) if path.exists()}
    scores = None
    if params.engine != "spark":
        scores = read_scores(workspace.scores_of(as_of), columns=columns).to_pandas()
    return Summary(as_of, scores, read_bundle(workspace.champion), files)
