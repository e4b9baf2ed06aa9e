"""From features to scores: of the date that params name, or of a list of dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from cvm.actions.next_best import scores_of_the_model
from cvm.features.files import features_file
from cvm.models.bundle import Bundle, read_bundle
from cvm.params import Params
from cvm.reports.scoring import dates_table
from cvm.scoring.batch import features_gone, score_batch
from cvm.scoring.files import is_on_file, read_scores, score_schema
from cvm.stages.actions import decide_actions
from cvm.stages.context import (
    Progress,
    StageOutcome,
    damaged_scores,
    engine_trouble,
    scoring_date,
    silent,
    workspace_of,
    writes,
)
from cvm.stages.inputs import segmentation_of
from cvm.stages.lake import found_on_spark, score_on_spark
from cvm.stages.prediction import check_prediction
from cvm.stages.publish import check_publish, publish_scores
from cvm.stages.snapshots import Snapshots
from cvm.stages.store import store_of
from cvm.stages.warehouse import learned_features
from cvm.workspace import removed, temporary_file

SCORED, ON_FILE = "scored", "on file"
# Columns of scores on file that tell what they come to.
_TOLD = ("customer_id", "clv", "next_best_action", "expected_uplift", "expected_net_value")


@dataclass(frozen=True)
class _Done:
    """What was done with one date."""

    as_of: date
    status: str
    n_customers: int
    clv_total: float
    n_moved: int
    n_named: int
    gone: tuple[str, ...] = ()

    def figures(self, model: Bundle) -> dict[str, Any]:
        """For programs."""
        return {
            "as_of": self.as_of.isoformat(),
            "status": self.status,
            "n_customers": self.n_customers,
            "clv_total": self.clv_total,
            "is_foresight": model.trained_as_of <= self.as_of,
        }


@writes("cvm score")
def run_score(
    params: Params,
    *,
    alias: str | None = None,
    bundle: Path | None = None,
    dates: Sequence[date] = (),
    again: bool = False,
    progress: Progress = silent,
) -> StageOutcome:
    """Features to scores, by the exported champion, a registry alias or a bundle directory.

    Parameters
    ----------
    params : Params
    alias, bundle : optional
        Which model; by default the champion.
    dates : sequence of date
        To score, in their order, from features computed for each date in the same run; by default ``windows.as_of``, from
        the features on file. Dates whose scores were made by the same model, segmentation and data are left alone.
    again : bool
        Score these, too.
    progress : callable

    Raises
    ------
    CvmError
        If there are no features or no model, the two do not fit, or a date lies outside of the history.
    """
    workspace = workspace_of(params)
    check_publish(params)
    on_file = None if dates else scoring_date(params, workspace)
    model = store_of(params).bundle(alias) if alias else read_bundle(bundle or workspace.champion)
    check_prediction(model, params)
    if on_file is None:
        done = _score_dates(params, model, sorted(set(dates)), again=again, progress=progress)
    else:
        progress(f"scoring {on_file}")
        folder = workspace.all_features if params.engine == "spark" else learned_features(params)
        done = [_score(params, model, on_file, features_file(folder, on_file), progress=progress)]
    rows = [one.figures(model) for one in done]
    return StageOutcome(
        "score",
        _line(params, model, done),
        (*_notes(model, done), *damaged_scores(workspace)),
        tables=(dates_table(rows, currency=model.currency),) if dates else (),
        figures=_totals(model, rows),
    )


def _score_dates(params: Params, model: Bundle, dates: Sequence[date], *, again: bool, progress: Progress) -> list[_Done]:
    workspace, segmentation = workspace_of(params), segmentation_of(params)
    progress("looking at the warehouse")
    snapshots = Snapshots.of(params, workspace, dates)
    origins = snapshots.origins(dates, share=params.scoring.reasons_share, model=model)
    stale = [
        as_of
        for as_of in dates
        if again
        or (model.uplift is not None and not workspace.uplift_of(as_of).exists())
        or not is_on_file(workspace.scores_of(as_of), score_schema(segmentation, origins[as_of]))
    ]
    done = []
    with temporary_file(workspace.outputs / "features-of-dates") as folder:
        folder.mkdir()
        features = {as_of: folder / f"{as_of}.parquet" for as_of in stale}
        snapshots.write(features, progress=progress)
        for number, as_of in enumerate(dates, start=1):
            where, at_date = f"{as_of} ({number} of {len(dates)})", _at(params, as_of)
            if as_of not in features:
                progress(f"{where} is on file")
                done.append(_found(at_date, model, as_of, progress=progress))
                continue
            progress(f"scoring {where}")
            done.append(_score(at_date, model, as_of, features[as_of], origin=origins[as_of], progress=progress))
            removed(features[as_of])
    return done


def _score(
    params: Params,
    model: Bundle,
    as_of: date,
    features: Path,
    *,
    origin: Mapping[str, Any] | None = None,
    progress: Progress,
) -> _Done:
    if params.engine == "spark":
        with engine_trouble():
            scored = score_on_spark(params, model, as_of, features, origin=origin)
    else:
        scored = score_batch(
            model,
            workspace_of(params),
            as_of=as_of,
            segmentation=segmentation_of(params),
            reasons_share=params.scoring.reasons_share,
            features=features,
            origin=origin,
        )
    gone = tuple(features_gone(model, features))
    n_named = _finished(params, as_of, progress=progress)
    return _Done(as_of, SCORED, scored.n_customers, scored.clv_total, scored.n_moved, n_named, gone)


def _found(params: Params, model: Bundle, as_of: date, *, progress: Progress) -> _Done:
    """A date left alone; what follows its scores is done all the same: an earlier run may have ended before it."""
    workspace = workspace_of(params)
    if params.engine == "spark":
        with engine_trouble():
            found = found_on_spark(params, as_of)
        return _Done(as_of, ON_FILE, found.n_customers, found.clv_total, found.n_moved, 0)
    scores = read_scores(workspace.scores_of(as_of), columns=list(_TOLD))
    clv, n_moved = pc.sum(scores["clv"]).as_py() or 0.0, 0
    if model.uplift is not None:  # the playbook may have written other actions over those of the model
        of_model = scores_of_the_model(scores, workspace.uplift_of(as_of))
        n_moved = scores.num_rows - of_model["next_best_action"].null_count
    return _Done(as_of, ON_FILE, scores.num_rows, clv, n_moved, _finished(params, as_of, progress=progress))


def _finished(params: Params, as_of: date, *, progress: Progress) -> int:
    """What follows scores: actions, and tables in the user's database; for how many the playbook names an action."""
    if params.engine == "spark":  # which has no playbook, and no database to publish in
        return 0
    n_named = decide_actions(params, progress=progress)
    publish_scores(params, as_of, progress=progress)
    return n_named


def _at(params: Params, as_of: date) -> Params:
    return params.model_copy(update={"windows": params.windows.model_copy(update={"as_of": as_of})})


def _line(params: Params, model: Bundle, done: Sequence[_Done]) -> str:
    last = done[-1]
    if len(done) == 1:
        line = f"{last.n_customers:,} customers at {last.as_of} by {model.model_version}, CLV {last.clv_total:,.0f} "
        line += f"{model.currency} in all" + (f"; a contact pays with {last.n_moved:,}" if model.uplift else "")
        line += f"; the playbook names an action for {last.n_named:,}" if params.playbook else ""
        return line + ("; on file, left alone" if last.status == ON_FILE else "")
    counts = [(status, sum(one.status == status for one in done)) for status in (SCORED, ON_FILE)]
    told = ", ".join(f"{n:,} {status}" for status, n in counts if n)
    return f"{len(done):,} dates from {done[0].as_of} to {last.as_of} by {model.model_version}: {told}"


def _notes(model: Bundle, done: Sequence[_Done]) -> list[str]:
    notes = []
    gone = list(dict.fromkeys(name for one in done for name in one.gone))
    if gone:
        notes.append(f"The model was trained with {', '.join(gone)}, which the features lack now: counted as missing.")
    n_known = sum(one.as_of < model.trained_as_of for one in done)
    if n_known:
        notes.append(
            f"The model was trained as of {model.trained_as_of} and so knew what came after {n_known:,} of the "
            f"{len(done):,} dates: these scores are no evidence of how well it foretells, and `cvm monitor` leaves them out."
        )
    return notes


def _totals(model: Bundle, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    last = rows[-1]
    named = {name: last[name] for name in ("as_of", "n_customers", "clv_total")}
    return {**named, "currency": model.currency, "model_version": model.model_version, "dates": list(rows)}
