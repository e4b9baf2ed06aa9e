"""The command line: parse, call the stages, print what came of them."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

import cvm
from cvm.cli_campaigns import evaluate, plan, power
from cvm.errors import CvmError
from cvm.params import Params, load_params
from cvm.terminal import DEFAULT_PARAMS, ParamsOption, Printer, QuietOption, SetOption

app = typer.Typer(
    name="cvm",
    help="Customer Value Management: from raw purchases to churn probability, CLV and segments.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

BundleOption = Annotated[Path | None, typer.Option("--bundle", help="Score with this bundle directory.")]
AliasOption = Annotated[str | None, typer.Option("--alias", help="Score with this alias of the MLflow registry.")]
# Of `cvm monitor`, for schedulers; 1 and 2 mean that it could not look.
_EXIT_CODES = {"watch": 3, "retrain": 4}
_SIMULATED_TO = datetime(2026, 1, 1)


def _run(stages: tuple[str, ...], params: Params, printer: Printer, **options: object) -> None:
    from cvm.pipeline import STAGES
    from cvm.reports.terminal import quality_tables
    from cvm.stages.context import workspace_of

    for name in stages:
        started = time.perf_counter()
        with printer.stage(name) as progress:
            outcome = STAGES[name](params, progress=progress, **options)
        printer.outcome(outcome.stage, outcome.message, outcome.warnings, time.perf_counter() - started)
        if outcome.assessment and not printer.quiet:
            # Within the whole loop only what needs a look.
            tables = quality_tables(outcome.assessment, where=workspace_of(params).quality, with_info=len(stages) == 1)
            printer.console.print(*tables, sep="\n")
        if outcome.tables and len(stages) == 1 and not printer.quiet:
            printer.console.print(*outcome.tables, sep="\n")


@app.command()
def run(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """The whole loop: ingest, features, train, score, segment, actions, kpis, report."""
    from cvm.pipeline import STAGES, summarise
    from cvm.reports.terminal import closing

    checked, printer = load_params(params, overrides=set_ or ()), Printer(quiet=quiet)
    _run(tuple(STAGES), checked, printer)
    if not quiet:
        summary = summarise(checked)
        printer.console.print()
        printer.console.print(closing(summary.scores, summary.bundle, summary.files))


@app.command()
def ingest(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    full: Annotated[
        bool, typer.Option("--full", help="Forget what was ingested before; read every export there is.")
    ] = False,
) -> None:
    """New or changed sources to clean tables; faulty rows to the quarantine."""
    _run(("ingest",), load_params(params, overrides=set_ or ()), Printer(quiet=quiet), full=full)


@app.command()
def features(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """Clean tables to point-in-time snapshots and their outcomes."""
    _run(("features",), load_params(params, overrides=set_ or ()), Printer(quiet=quiet))


@app.command()
def train(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    trials: Annotated[int | None, typer.Option("--trials", help="Tuning trials per model; 0 = good defaults.")] = None,
    timeout: Annotated[int | None, typer.Option("--timeout", help="End of tuning per model, in seconds.")] = None,
) -> None:
    """Snapshots to a judged and registered model; tuning goes on from the trials on file."""
    given = {"trials": trials, "timeout_s": timeout}
    overrides = [*(set_ or ()), *(f"train.{key}={value}" for key, value in given.items() if value is not None)]
    checked = load_params(params, overrides=overrides)
    if timeout is not None and not checked.train.trials:
        raise typer.BadParameter("--timeout ends tuning, and there is none; give --trials too, or set train.trials")
    _run(("train",), checked, Printer(quiet=quiet))


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
    """Train churn on a labelled flat table, judged by cross-validation."""
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
    printer.outcome(
        "churn", f"{message}; written to {out}" if out else message, found.table.notes, time.perf_counter() - started
    )
    if not quiet:
        printer.console.print(*crossvalidation_tables(found), sep="\n")


@app.command()
def score(
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    bundle: BundleOption = None,
    alias: AliasOption = None,
) -> None:
    """Features to scores; by default with the champion exported to models/champion."""
    if bundle and alias:
        raise typer.BadParameter("give --bundle or --alias, not both")
    _run(("score",), load_params(params, overrides=set_ or ()), Printer(quiet=quiet), bundle=bundle, alias=alias)


@app.command()
def segment(
    params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False, bundle: BundleOption = None
) -> None:
    """Apply segmentation again to the scores on file, and tell who moved since the scores before."""
    _run(("segment",), load_params(params, overrides=set_ or ()), Printer(quiet=quiet), bundle=bundle)


@app.command()
def actions(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """What to do next: actions of the playbook, what is due, what goes together, trigger lists."""
    _run(("actions",), load_params(params, overrides=set_ or ()), Printer(quiet=quiet))


@app.command()
def kpis(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """KPIs by period and group, cohorts and the progress of goals, as files for BI tools."""
    _run(("kpis",), load_params(params, overrides=set_ or ()), Printer(quiet=quiet))


@app.command()
def report(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """One page that opens offline, and the model card: outputs/report.html, outputs/model_card.md."""
    _run(("report",), load_params(params, overrides=set_ or ()), Printer(quiet=quiet))


@app.command()
def monitor(params: ParamsOption = DEFAULT_PARAMS, set_: SetOption = None, quiet: QuietOption = False) -> None:
    """Can the model in use still be trusted? Ends with exit code 0 (ok), 3 (watch) or 4 (retrain)."""
    from cvm.reports.monitoring import monitoring_tables
    from cvm.stages.monitor import monitor

    printer, started = Printer(quiet=quiet), time.perf_counter()
    with printer.stage("monitor") as progress:
        found = monitor(load_params(params, overrides=set_ or ()), progress=progress)
    message = f"{found.verdict.word}: {found.model_version} at {found.as_of}"
    printer.outcome("monitor", message, found.notes, time.perf_counter() - started)
    if not quiet:
        printer.console.print(*monitoring_tables(found), sep="\n")
    if found.verdict.word != "ok":
        raise typer.Exit(_EXIT_CODES[found.verdict.word])


for campaign_command in (power, plan, evaluate):
    app.command()(campaign_command)


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
    printer.outcome("simulate", message, (), time.perf_counter() - started)
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

    Printer(quiet=False).console.print(datasets_table(DATASETS.values(), is_available))


@data.command("prepare")
def data_prepare(
    name: Annotated[str, typer.Argument(help="One of `cvm data list`.")],
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
    printer.outcome("data", f"{name}: {rows}. Next: cvm run --params {prepared.params}", (), time.perf_counter() - started)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cvm {cvm.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    del version


def main() -> None:
    """Entry point: refusals become a message and exit code 1."""
    try:
        app(prog_name="cvm")
    except CvmError as error:
        console = Console(stderr=True, highlight=False, emoji=False, soft_wrap=True)
        console.print(f"[bold red]cvm:[/] {escape(str(error))}")
        sys.exit(1)
