"""The command line: parse, call the stages, print what came of them."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import cvm
from cvm.cli_campaigns import evaluate, plan, power
from cvm.cli_doctor import doctor
from cvm.cli_init import init
from cvm.cli_models import promote, rollback
from cvm.cli_privacy import forget, purge
from cvm.cli_serving import serve
from cvm.cli_warehouse import (
    AsOfOption,
    MarkersOption,
    OutputOption,
    SchemaOption,
    SqlOption,
    check_only_with_sql,
    show,
)
from cvm.command import run_command
from cvm.completion import ALIASES, DATASET_NAMES, one_of
from cvm.errors import CvmError
from cvm.scoring.dates import Every, dates_between
from cvm.terminal import DEFAULT_PARAMS, ParamsOption, Printer, QuietOption, SetOption, load_params

if TYPE_CHECKING:
    from cvm.params import Params
    from cvm.stages.context import StageOutcome

app = typer.Typer(
    name="cvm",
    help="Customer Value Management: from raw purchases to churn probability, CLV and segments.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(init)  # what comes first stands first in the help

BundleOption = Annotated[Path | None, typer.Option("--bundle", help="Score with this bundle directory.")]
AliasOption = Annotated[
    str | None,
    typer.Option("--alias", help="Score with this alias of the MLflow registry.", autocompletion=one_of(ALIASES)),
]
# Commands whose --json prints what they found instead of tables; before them it means the line for programs all the same.
_WITH_OWN_JSON = ("plan", "evaluate")
# Of `cvm monitor`, for schedulers; 1 and 2 mean that it could not look.
_EXIT_CODES = {"watch": 3, "retrain": 4}
_SIMULATED_TO = datetime(2026, 1, 1)


def _run(name: str, params: Params, printer: Printer, **options: Any) -> None:
    from cvm.stages.order import STAGES

    _run_stage(name, STAGES[name], params, printer, **options)


def _run_stage(
    name: str,
    stage: Callable[..., StageOutcome],
    params: Params,
    printer: Printer,
    *,
    is_alone: bool = True,
    **options: Any,
) -> StageOutcome:
    outcome = printer.run(name, stage, params, with_tables=is_alone, **options)
    if outcome.assessment and not printer.quiet:
        from cvm.reports.terminal import quality_tables
        from cvm.stages.context import workspace_of

        # Within the whole loop only what needs a look.
        tables = quality_tables(outcome.assessment, where=workspace_of(params).quality, with_info=is_alone)
        printer.console.print(*tables, sep="\n")
    return outcome


@app.command()
def run(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """The whole loop, from exports to report. Ingest, features, train, promote, score, segment, actions, kpis, report."""
    from cvm.pipeline import in_order, is_untracked, summarise
    from cvm.reports.terminal import closing
    from cvm.stages.context import only_writer

    checked, printer = load_params(params, overrides=set_ or ()), Printer(quiet=quiet)
    with only_writer(checked, "cvm run", with_models=True, progress=lambda text: printer.note("run", text)):
        outcomes = in_order(checked, lambda name, stage: _run_stage(name, stage, checked, printer, is_alone=False))
    if not quiet:
        summary = summarise(checked)
        printer.console.print()
        printer.console.print(closing(summary.scores, summary.bundle, summary.files))
    for outcome in filter(is_untracked, outcomes):  # not to be missed among all that went well
        for warning in (outcome.message, *outcome.warnings):
            printer.note(outcome.stage, warning)


@app.command()
def ingest(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    full: Annotated[
        bool, typer.Option("--full", help="Forget what was ingested before; read every export there is.")
    ] = False,
) -> None:
    """New or changed sources to clean tables. Faulty rows go to the quarantine."""
    _run("ingest", load_params(params, overrides=set_ or ()), Printer(quiet=quiet), full=full)


@app.command()
def features(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    sql: SqlOption = None,
    as_of: AsOfOption = None,
    labels: Annotated[bool, typer.Option("--labels", help="With --sql: the outcomes that models learn instead.")] = False,
    schema: SchemaOption = None,
    parameters: MarkersOption = False,
    output: OutputOption = None,
) -> None:
    """Clean tables to point-in-time snapshots and outcomes. With --sql the query for a warehouse of your own."""
    checked = load_params(params, overrides=set_ or ())
    check_only_with_sql(sql, as_of=as_of, labels=labels, schema=schema, parameters=parameters, output=output)
    if sql is None:
        _run("features", checked, Printer(quiet=quiet))
        return
    from cvm.stages.printed import Target, features_sql

    day = as_of.date() if as_of else None
    show(features_sql(checked, Target(sql, schema, parameters), as_of=day, labels=labels), output)


@app.command()
def train(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    trials: Annotated[int | None, typer.Option("--trials", help="Tuning trials per model; 0 = good defaults.")] = None,
    timeout: Annotated[int | None, typer.Option("--timeout", help="End of tuning per model, in seconds.")] = None,
) -> None:
    """Snapshots to a judged and registered challenger. Tuning goes on from the trials on file."""
    given = {"trials": trials, "timeout_s": timeout}
    overrides = [*(set_ or ()), *(f"train.{key}={value}" for key, value in given.items() if value is not None)]
    checked = load_params(params, overrides=overrides)
    if timeout is not None and not checked.train.trials:
        raise typer.BadParameter("--timeout ends tuning, and there is none; give --trials too, or set train.trials")
    _run("train", checked, Printer(quiet=quiet))


@app.command()
def crossvalidate(
    file: Annotated[Path, typer.Argument(help="Labelled flat table, a row per customer: CSV, Parquet or JSON lines.")],
    label: Annotated[str, typer.Option("--label", help="Column that tells who left.")],
    positive: Annotated[str | None, typer.Option("--positive", help="Its value of those who left, if not plain.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Column of the customer's id.")] = None,
    ignore: Annotated[list[str] | None, typer.Option("--ignore", help="Column that is no feature. Repeatable.")] = None,
    folds: Annotated[int, typer.Option("--folds", help="Parts of the table, each judged by models of the others.")] = 5,
    repeats: Annotated[int, typer.Option("--repeats", help="Draws of the folds.")] = 2,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same figures.")] = 7,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for figures, predictions and model.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Churn of a labelled flat table, cross-validated."""
    from cvm.models.crossvalidation import cross_validate_churn
    from cvm.models.labelled import read_flat_file
    from cvm.reports.crossvalidation import crossvalidation_tables

    printer, started = Printer(quiet=quiet), time.perf_counter()
    with printer.stage("churn") as progress:
        found = cross_validate_churn(
            read_flat_file(file),
            label=label,
            positive=positive,
            customer_id=id_,
            ignore=ignore or (),
            folds=folds,
            repeats=repeats,
            seed=seed,
            progress=progress,
        )
        if out:
            found.write(out)
    message = f"{len(found.table.churned):,} rows, {found.table.churned.mean():.1%} left ({label} = {found.table.positive})"
    figures = {"n_rows": len(found.table.churned), "churn_rate": float(found.table.churned.mean()), "written_to": out}
    message += f"; written to {out}" if out else ""
    printer.outcome("churn", message, found.table.notes, time.perf_counter() - started, figures)
    if not quiet:
        printer.console.print(*crossvalidation_tables(found), sep="\n")


@app.command()
def score(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    bundle: BundleOption = None,
    alias: AliasOption = None,
    as_of: Annotated[
        list[datetime] | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Date to score. Repeatable.")
    ] = None,
    from_: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First date of a backfill.")] = None,
    to: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Its last date at most.")] = None,
    every: Annotated[Every, typer.Option("--every", help="How far apart its dates are.")] = Every.MONTH,
    again: Annotated[bool, typer.Option("--again", help="Also dates whose scores are on file and up to date.")] = False,
) -> None:
    """Features to scores, by default with the champion. It is the model exported to models/champion.

    Of dates named here features are computed in the same run; dates whose scores are up to date are left alone.
    """
    if bundle and alias:
        raise typer.BadParameter("give --bundle or --alias, not both")
    if (from_ is None) != (to is None):
        raise typer.BadParameter("give --from and --to together")
    dates = [day.date() for day in as_of or ()]
    if from_ and to:
        dates += dates_between(from_.date(), to.date(), every=every)
    if again and not dates:
        raise typer.BadParameter("--again goes with --as-of, or with --from and --to; without dates all is scored anyway")
    options = {"bundle": bundle, "alias": alias, "dates": dates, "again": again}
    _run("score", load_params(params, overrides=set_ or ()), Printer(quiet=quiet), **options)


@app.command()
def segment(
    params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False, bundle: BundleOption = None
) -> None:
    """Apply segmentation again to the scores on file. Tells who moved since the scores before."""
    _run("segment", load_params(params, overrides=set_ or ()), Printer(quiet=quiet), bundle=bundle)


@app.command()
def actions(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """What to do next, and with whom. Actions of the playbook, what is due, what goes together, trigger lists."""
    _run("actions", load_params(params, overrides=set_ or ()), Printer(quiet=quiet))


@app.command()
def kpis(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    sql: SqlOption = None,
    as_of: AsOfOption = None,
    schema: SchemaOption = None,
    parameters: MarkersOption = False,
    output: OutputOption = None,
) -> None:
    """KPIs by period and group, cohorts and goals. Files for BI tools; with --sql the query for your warehouse."""
    checked = load_params(params, overrides=set_ or ())
    check_only_with_sql(sql, as_of=as_of, schema=schema, parameters=parameters, output=output)
    if sql is None:
        _run("kpis", checked, Printer(quiet=quiet))
        return
    from cvm.stages.printed import Target, kpis_sql

    show(kpis_sql(checked, Target(sql, schema, parameters), as_of=as_of.date() if as_of else None), output)


@app.command()
def report(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """One page that opens offline, and the model card. They are outputs/report.html and outputs/model_card.md."""
    _run("report", load_params(params, overrides=set_ or ()), Printer(quiet=quiet))


@app.command()
def monitor(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """Whether the model in use can still be trusted. Ends with exit code 0 (ok), 3 (watch) or 4 (retrain)."""
    from cvm.reports.monitoring import monitoring_tables
    from cvm.stages.monitor import monitor

    printer, started = Printer(quiet=quiet), time.perf_counter()
    with printer.stage("monitor") as progress:
        found = monitor(load_params(params, overrides=set_ or ()), progress=progress)
    message = f"{found.verdict.word}: {found.model_version} at {found.as_of}"
    figures = {
        "as_of": found.as_of,
        "model_version": found.model_version,
        "verdict": found.verdict.word,
        "reasons": [asdict(reason) for reason in found.verdict.reasons],
    }
    printer.outcome("monitor", message, found.notes, time.perf_counter() - started, figures)
    if not quiet:
        printer.console.print(*monitoring_tables(found), sep="\n")
    if found.verdict.word != "ok":
        raise typer.Exit(_EXIT_CODES[found.verdict.word])


for command in (promote, rollback, power, plan, evaluate, serve, forget, purge, doctor):
    app.command()(command)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="Folder to write: tables/, truth/ and params.yaml.")],
    customers: Annotated[int, typer.Option("--customers", help="How many.")] = 50_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 7,
    as_of: Annotated[datetime, typer.Option("--as-of", formats=["%Y-%m-%d"], help="Day the tables end.")] = _SIMULATED_TO,
    years: Annotated[float, typer.Option("--years", help="History before it.")] = 3.0,
    with_ceiling: Annotated[bool, typer.Option("--ceiling", help="Print what the best predictor could reach.")] = False,
    quiet: QuietOption = False,
) -> None:
    """A customer base whose true churn, CLV and uplift are known."""
    from cvm.datasets.simulate import simulate as write
    from cvm.datasets.simulate.ceiling import ceiling
    from cvm.reports.terminal import ceiling_table

    printer, started = Printer(quiet=quiet), time.perf_counter()
    with printer.stage("simulate") as progress:
        done = write(folder, n_customers=customers, seed=seed, as_of=as_of.date(), years=years, progress=progress)
    lines = done.n_rows["tables/transactions"]
    message = f"{customers:,} customers, {lines:,} lines up to {done.as_of}. Next: cvm run --params {done.params}"
    figures = {"as_of": done.as_of, "n_customers": customers, "n_rows": done.n_rows, "params": done.params}
    printer.outcome("simulate", message, (), time.perf_counter() - started, figures)
    if with_ceiling:
        with printer.stage("ceiling") as progress:
            found = ceiling(folder, progress=progress)
        printer.console.print(ceiling_table(found.rows()))


data = typer.Typer(help="Named data sets: list them, or make one ready to run.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data, name="data")


@data.command("list")
def data_list() -> None:
    """What there is, and whether its files are at hand."""
    from cvm.datasets import DATASETS, is_available
    from cvm.reports.terminal import datasets_table

    printer, started = Printer(quiet=False), time.perf_counter()
    found = [{"name": one.name, "is_at_hand": is_available(one), "published": one.published} for one in DATASETS.values()]
    message = f"{len(found)} data sets, {sum(bool(one['is_at_hand']) for one in found)} at hand"
    printer.record("data", message, (), time.perf_counter() - started, {"datasets": found})
    printer.console.print(datasets_table(DATASETS.values(), is_available))


@data.command("prepare")
def data_prepare(
    name: Annotated[str, typer.Argument(help="One of `cvm data list`.", autocompletion=one_of(DATASET_NAMES))],
    into: Annotated[Path | None, typer.Option("--into", help="Folder to write; by default the data set's name.")] = None,
    source: Annotated[Path | None, typer.Option("--source", help="Folder of the public files; else $CVM_DATA_DIR.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Write a data set's tables and a params.yaml that fits them."""
    from cvm.datasets import DATASETS, prepare

    if name not in DATASETS:
        raise CvmError(f"No data set is called {name!r}; there are {list(DATASETS)}.")
    printer, started = Printer(quiet=quiet), time.perf_counter()
    with printer.stage("data") as progress:
        prepared = prepare(DATASETS[name], into or Path(name), source=source, progress=progress)
    rows = ", ".join(f"{table} {n:,} rows" for table, n in prepared.n_rows.items()) or "nothing to convert"
    message, figures = f"{name}: {rows}. Next: cvm run --params {prepared.params}", {"n_rows": prepared.n_rows}
    printer.outcome("data", message, (), time.perf_counter() - started, {**figures, "params": prepared.params})


def _version(wanted: bool) -> None:
    if wanted:
        from cvm.doctor.packages import telling_versions

        system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
        typer.echo(f"cvm {cvm.__version__}\n{system}\n{telling_versions()}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and those of what it runs on."),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print one line of JSON at the end, for programs.")] = False,
) -> None:
    del version, json_  # what the second does must hold for wrong usage, too: see command.py


def _command_name(arguments: Sequence[str]) -> str | None:
    """Of the command that arguments begin with: ``score``, ``data list``."""
    words = [argument for argument in arguments if not argument.startswith("-")][:2]
    groups = {group.name for group in app.registered_groups}
    return " ".join(words if words[:1] and words[0] in groups else words[:1]) or None


def main() -> None:
    """Entry point: whatever happens becomes a message and an exit code."""
    command = _command_name(sys.argv[1:])
    sys.exit(run_command(app, sys.argv[1:], command=command, has_own_json=command in _WITH_OWN_JSON))
