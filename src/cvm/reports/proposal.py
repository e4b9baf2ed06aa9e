"""What ``cvm init`` proposes, as tables and lines of the terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cvm.proposing.business import ALL_IS_MARGIN
from cvm.proposing.proposal import Proposal, ProposedTable
from cvm.reports.tables import titled_table


def proposal_tables(proposal: Proposal) -> list[RenderableType]:
    """Where each of our columns comes from, the facts of the business, and what the data is enough for."""
    return [
        *(_columns_table(table) for table in proposal.tables),
        _decisions_table(proposal),
        *(
            Text(verdict.sentence[0].upper() + verdict.sentence[1:], style="green" if verdict.is_enough else "yellow")
            for verdict in proposal.rehearsal.verdicts
        ),
    ]


def next_step(proposal: Proposal, command: str) -> str:
    """What to do now: ``command``, and what to do before if little would come of it."""
    if proposal.rehearsal.trouble:
        return f"mend what is said below, then {command}"
    if not any(verdict.is_enough for verdict in proposal.rehearsal.verdicts):
        return f"{command}; it may refuse so little data: then export more customers or a longer history"
    return command


def summary_lines(proposal: Proposal) -> list[str]:
    """What the user should look at before the run."""
    lines = list(proposal.notes)
    rehearsal = proposal.rehearsal
    if rehearsal.one_in > 1:
        lines.append(f"the files are large: one customer in {rehearsal.one_in} was read, and figures are of these alone")
    if rehearsal.trouble:
        lines.append(f"cvm run would refuse these files: {rehearsal.trouble}")
    for outcome in rehearsal.outcomes:
        share = outcome.n_rejected / outcome.n_read if outcome.n_read else 0.0
        if outcome.n_rejected:
            reasons = "; ".join(f"{reason}: {n:,}" for reason, n in outcome.n_by_fault.items())
            more = ", more than data.max_rejected_share allows, so that cvm run would refuse" if share > 0.05 else ""
            faulty = f"{outcome.n_rejected:,} of {outcome.n_read:,} rows are faulty ({share:.1%})"
            lines.append(f"{outcome.table}: {faulty}{more}: {reasons}")
    if proposal.left_out:
        lines.append(f"left out: {', '.join(proposal.left_out)}")
    if proposal.lacks_margin:
        lines.append(
            f"business.margin_rate is {ALL_IS_MARGIN}, as if all revenue were profit: write your own into params.yaml "
            "before you trust CLV"
        )
    return lines


def _columns_table(proposed: ProposedTable) -> Table:
    candidate = proposed.candidate
    table = titled_table(f"{candidate.sample.files.shown} is {candidate.table}")
    for header in ("cvm's column", "yours", "because"):
        table.add_column(header)
    if candidate.preset:
        table.add_row("all", f"preset {candidate.preset}", candidate.reason)
    for ours, match in {} if candidate.preset else candidate.matches.items():
        table.add_row(ours, Text(match.shown, style="bold"), match.note)
    for key, (value, reason) in proposed.writing.keys.items():
        table.add_row(Text(key, style="dim"), str(value).lower() if isinstance(value, bool) else repr(value), reason)
    if proposed.skips_anonymous:
        table.add_row(Text("skip_without", style="dim"), "customer_id", proposed.skips_anonymous)
    if proposed.attributes:
        table.add_row(Text("attributes", style="dim"), ", ".join(proposed.attributes), "kept under their own names")
    if proposed.unused:
        what = "of persons, or different in every row" if proposed.ignore else "not needed"
        table.add_row("not used", ", ".join(proposed.unused), what, style="dim")
    return table


def _decisions_table(proposal: Proposal) -> Table:
    table = titled_table("The business")
    for header in ("key", "value", "because"):
        table.add_column(header)
    for key, value, reason in (
        ("business.currency", *proposal.currency),
        ("business.timezone", *proposal.timezone),
        ("business.margin_rate", *proposal.margin_rate),
        ("windows.horizon_days", str(proposal.rehearsal.horizon_days), proposal.horizon_reason),
        ("churn.definition", *proposal.churn_definition),
    ):
        table.add_row(key, Text(value, style="bold"), reason)
    return table
