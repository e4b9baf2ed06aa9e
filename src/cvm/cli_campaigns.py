"""The commands about campaigns."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from cvm.cli_warehouse import MarkersOption, OutputOption, SchemaOption, SqlOption, check_only_with_sql, show
from cvm.completion import campaign_names
from cvm.terminal import DEFAULT_PARAMS, ParamsOption, Printer, QuietOption, SetOption, load_params


def power(
    outcome: Annotated[str, typer.Option("--outcome", help="conversion, orders or revenue, per customer.")] = "conversion",
    effect: Annotated[str | None, typer.Option("--effect", help="To be found: 0.01 in its unit, 5% relative.")] = None,
    size: Annotated[
        int | None, typer.Option("--size", min=1, max=10**10, help="Customers in all arms; else the active base.")
    ] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help="Length of the outcome; else as in params.")] = None,
    held_out: Annotated[float | None, typer.Option("--holdout", help="Share held out; else as in params.")] = None,
    treatments: Annotated[int | None, typer.Option("--treatments", min=1, help="Equal arms beside control; else 1.")] = None,
    shares: Annotated[str | None, typer.Option("--shares", help="Unequal arms: control=0.2,letter=0.5,call=0.3.")] = None,
    segment_by: Annotated[
        str | None, typer.Option("--segment-by", help="Column of scores or customers to tell apart.")
    ] = None,
    alpha: Annotated[float, typer.Option("--alpha", help="Chance of a false alarm.")] = 0.05,
    wanted: Annotated[float, typer.Option("--power", help="Chance to find the effect.")] = 0.8,
    mean: Annotated[float | None, typer.Option("--mean", help="Without a history: mean of the outcome.")] = None,
    sd: Annotated[float | None, typer.Option("--sd", help="Its standard deviation; a conversion needs none.")] = None,
    figure: Annotated[Path | None, typer.Option("--figure", help="File for the power curve: .png, .svg, .pdf.")] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
) -> None:
    """Size of a holdout, what it can show and what it costs."""
    from cvm.campaigns.outcome_history import OutcomeHistory
    from cvm.campaigns.power import check_outcome, given_baseline
    from cvm.campaigns.power_groups import arm_powers, segment_powers
    from cvm.campaigns.power_plan import EffectToFind, check_segments_known, design_of, power_plan
    from cvm.reports.power import check_figure_name, group_table, power_tables, write_power_figure
    from cvm.stages.campaigns import past_outcomes, past_outcomes_by_segment

    checked, printer, started = load_params(params, overrides=set_ or ()), Printer(quiet=quiet), time.perf_counter()
    split, design = design_of(
        shares, held_out, treatments, alpha=alpha, power=wanted, usual_share=checked.campaigns.control_share
    )
    asked, to_find = check_outcome(outcome), None if effect is None else EffectToFind.parse(effect)
    known, days = given_baseline(asked, mean=mean, sd=sd), days or checked.campaigns.outcome_days
    check_segments_known(segment_by, known)
    if figure:
        check_figure_name(figure)
    tables, currency = [], checked.business.currency
    with printer.stage("power") as progress:
        basis = known or past_outcomes(checked, asked, days=days, progress=progress)
        plan = power_plan(basis, design, n_customers=size, effect=to_find)
        if split:
            tables.append(group_table(plan, arm_powers(plan, split), segment_by=None, currency=currency))
        if segment_by is not None and isinstance(basis, OutcomeHistory):
            histories = past_outcomes_by_segment(checked, basis, segment_by, progress=progress)
            tables.append(
                group_table(plan, segment_powers(plan, histories, to_find), segment_by=segment_by, currency=currency)
            )
        if figure:
            write_power_figure(plan, figure)
    message = f"{plan.n_customers:,} customers" + (f"; curve in {figure}" if figure else "")
    figures = {"n_customers": plan.n_customers, "days": days, "figure": figure}
    printer.outcome("power", message, plan.notes, time.perf_counter() - started, figures)
    if not quiet:
        printer.console.print(*power_tables(plan, currency=currency), *tables, sep="\n")


def plan(
    name: Annotated[
        str | None,
        typer.Argument(help="Of campaigns.plans; not needed where there is only one.", autocompletion=campaign_names),
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    approve: Annotated[bool, typer.Option("--approve", help="Make the draft the ledger, and write audience files.")] = False,
    include: Annotated[Path | None, typer.Option("--include", help="List of customers to put in by hand.")] = None,
    exclude: Annotated[Path | None, typer.Option("--exclude", help="List of customers to leave out by hand.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Who is contacted, held out or left out, and why. A draft, until it is approved."""
    from cvm.campaigns.customer_lists import read_customer_list
    from cvm.reports.campaign_plan import approved_sentences, plan_tables
    from cvm.stages.context import workspace_of
    from cvm.stages.plans import approve_plan, plan_campaign

    if approve and (include or exclude):
        raise typer.BadParameter("--include and --exclude belong to the draft; run cvm plan with them first, then --approve")
    checked, printer = load_params(params, overrides=set_ or ()), Printer(quiet=quiet or json_)
    started = time.perf_counter()
    if approve:
        with printer.stage("plan") as progress:
            approved = approve_plan(checked, name, progress=progress)
        message = f"{approved.name} approved; ledger in {approved.ledger}"
        if json_:
            printer.record("plan", message, (), time.perf_counter() - started, approved.to_dict())
            typer.echo(json.dumps(approved.to_dict(), indent=1, ensure_ascii=False))
            return
        printer.outcome("plan", message, (), time.perf_counter() - started, approved.to_dict())
        if not quiet:
            printer.console.print(*approved_sentences(approved, currency=checked.business.currency), sep="\n")
        return
    included, excluded = (read_customer_list(file) if file else () for file in (include, exclude))
    with printer.stage("plan") as progress:
        found = plan_campaign(checked, name, include=included, exclude=excluded, progress=progress)
    message = f"draft of {found.name} in {workspace_of(checked).audience_of(found.name)}"
    if json_:
        printer.record("plan", message, found.notes, time.perf_counter() - started, found.to_dict())
        typer.echo(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
        return
    printer.outcome("plan", message, found.notes, time.perf_counter() - started, found.to_dict())
    if not quiet:
        printer.console.print(*plan_tables(found), sep="\n")
        printer.console.print(f"Nothing is sent yet. Look at it, then: cvm plan {found.name} --approve", markup=False)


def evaluate(
    campaign: Annotated[
        str | None,
        typer.Argument(help="Its campaign_id; not needed where there is only one.", autocompletion=campaign_names),
    ] = None,
    params: ParamsOption = DEFAULT_PARAMS,
    set_: SetOption = None,
    quiet: QuietOption = False,
    days: Annotated[int | None, typer.Option("--days", help="Length of the outcome window.")] = None,
    segment_by: Annotated[
        str | None, typer.Option("--segment-by", help="Column of customers, or of scores before it.")
    ] = None,
    partial: Annotated[bool, typer.Option("--partial", help="Also where outcome windows are not over.")] = False,
    sequential: Annotated[bool, typer.Option("--sequential", help="Verdicts that hold however often you look.")] = False,
    cells: Annotated[bool, typer.Option("--cells", help="All campaigns named CAMPAIGN.something, and together.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    sql: SqlOption = None,
    schema: SchemaOption = None,
    parameters: MarkersOption = False,
    output: OutputOption = None,
) -> None:
    """What a campaign really earned, against its holdout. With --sql the query of its sums for a warehouse of your own."""
    from cvm.reports.campaign_cells import cells_tables
    from cvm.reports.campaign_effect import effect_tables
    from cvm.stages.campaigns import campaign_cells, evaluate_campaign, evaluate_cells
    from cvm.stages.context import workspace_of

    given = {
        "outcome_days": days,
        "evaluate.segment_by": segment_by,
        "evaluate.allow_partial": partial or None,
        "evaluate.sequential": sequential or None,
    }
    overrides = [*(set_ or ()), *(f"campaigns.{key}={value}" for key, value in given.items() if value is not None)]
    checked, printer, started = load_params(params, overrides=overrides), Printer(quiet=quiet or json_), time.perf_counter()
    check_only_with_sql(sql, schema=schema, parameters=parameters, output=output)
    if sql is not None:
        if cells or json_ or sequential:
            raise typer.BadParameter("--sql prints the sums of one campaign; leave out --cells, --json and --sequential")
        from cvm.stages.printed import Target, campaign_sql

        show(campaign_sql(checked, Target(sql, schema, parameters), campaign), output)
        return
    with printer.stage("evaluate") as progress:
        known = campaign_cells(checked, campaign)
        if cells or (known and campaign not in known):
            notes: tuple[str, ...] = ()
            whole = evaluate_cells(checked, campaign or "", progress=progress)
            name, tables = whole.campaign_id, cells_tables(whole, in_short=quiet)
            written = workspace_of(checked).cells_effect_of(name)
        else:
            found = evaluate_campaign(checked, campaign, progress=progress)
            name, tables = found.campaign_id, effect_tables(found, in_short=quiet)
            written = workspace_of(checked).effect_of(name)
            others = ", ".join(cell for cell in known if cell != name)
            notes = (f"{others} was drawn with it; `cvm evaluate {name} --cells` adds them up.",) if others else ()
    message, text = f"{name}; written to {written}", written.read_text(encoding="utf-8")
    if json_:
        printer.record("evaluate", message, notes, time.perf_counter() - started, json.loads(text))
        typer.echo(text)
        return
    printer.outcome("evaluate", message, notes, time.perf_counter() - started, json.loads(text))
    printer.console.print(*tables, sep="\n")
