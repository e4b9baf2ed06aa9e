"""What cleaning already knows: rows left out, by reason, and exact copies."""

from __future__ import annotations

from collections.abc import Sequence

from cvm.engines import Engine, identifier
from cvm.ingest.clean import REPLACED, SKIPPED, TEST_ORDER, TableOutcome
from cvm.ingest.protection import EXPIRED, FORGOTTEN, keep_days_key
from cvm.ingest.quality.finding import N_EXAMPLES, Action, Finding, severity_of
from cvm.ingest.quality.repeats import COPY_ADVICE, COPY_MEANING, EXACT_COPY

# Left out as the user asked, by reason: what was done, and the share from which on it is worth a look.
_AS_ASKED: dict[str, tuple[Action, float | None, str, str]] = {
    TEST_ORDER: ("dropped", 0.05, "Rows marked as test orders.", "Nothing to do, unless there are more than you know of."),
    REPLACED: (
        "merged",
        0.5,
        "Earlier versions of rows with the same key; the latest recorded counts.",
        "Nothing to do, unless the key should tell these rows apart.",
    ),
    SKIPPED: (
        "quarantined",
        0.5,
        "Rows without what skip_without names, such as sales to nobody in particular.",
        "Nothing to do, unless they should have it: then mend the export.",
    ),
    FORGOTTEN: ("dropped", None, "Rows of people who asked to be forgotten; they are not stored.", "Nothing to do."),
    EXPIRED: (
        "dropped",
        0.5,
        "Rows older than {keep_days} allows; they are not stored.",
        "Nothing to do, unless they are needed: then raise it and run `cvm ingest --full`.",
    ),
}


def outcome_findings(engine: Engine, outcomes: Sequence[TableOutcome]) -> list[Finding]:
    """Rejected rows by reason, with their numbers where ``rejected_<table>`` still is, and copies of rows.

    Parameters
    ----------
    engine : Engine
        Holds the clean tables.
    outcomes : sequence of TableOutcome
        What became of each table.
    """
    found = []
    for outcome in outcomes:
        rows = _rejected_rows(engine, outcome.table)
        for reason, n in outcome.n_by_reason.items():
            n_on_file, examples = rows.get(reason, (0, ())) if rows is not None else (n, ())
            found.append(_left_out(outcome, reason, n_on_file, examples))
        # Those of transactions are found with the lines that repeat.
        if outcome.n_exact_duplicates and outcome.table != "transactions":
            found.append(_copies(engine, outcome))
    return found


def _rejected_rows(engine: Engine, table: str) -> dict[str, tuple[int, tuple[str, ...]]] | None:
    """How many rejected rows are in the quarantine, and the numbers of the first, by reason; None where nothing tells."""
    if f"rejected_{table}" not in engine.tables():
        return None
    query = f"SELECT reason, count(*) AS n, min(source_row, {N_EXAMPLES}) AS numbers FROM rejected_{table} GROUP BY reason"
    rows = engine.table(query).to_pylist()
    return {row["reason"]: (row["n"], tuple(f"row {number}" for number in row["numbers"] or ())) for row in rows}


def _left_out(outcome: TableOutcome, reason: str, n_on_file: int, examples: tuple[str, ...]) -> Finding:
    table, n = outcome.table, outcome.n_by_reason[reason]
    share = n / outcome.n_read
    if reason in _AS_ASKED:
        action, warning_from, meaning, advice = _AS_ASKED[reason]
        meaning = meaning.format(keep_days=keep_days_key(table))
        severity = severity_of(share, warning_from=warning_from, serious_from=None)
    else:
        action, meaning = "quarantined", f"Rows left out because {reason}."
        if n_on_file < n:
            meaning += f" {n - n_on_file:,} of them are in the quarantine no more, as privacy.keep_days.quarantine says."
        look = f"Look at them in quarantine/{table}; mend" if n_on_file else "Mend"
        advice = f"{look} the export, or how data.{table} is read."
        severity = severity_of(share, warning_from=0.001, serious_from=0.05)
    return Finding(table, reason, severity, n, "rows", share, action, meaning, advice, examples)


def _copies(engine: Engine, outcome: TableOutcome) -> Finding:
    columns = [identifier(name) for name in engine.columns(outcome.table)]
    row = f"hash({', '.join(columns)})"
    twice = f"SELECT {row} AS h FROM {outcome.table} GROUP BY h HAVING count(*) > 1"
    example = '"customer_id"' if '"customer_id"' in columns else columns[0]
    ids = f"SELECT DISTINCT {example} FROM {outcome.table} WHERE {row} IN ({twice}) ORDER BY 1 LIMIT {N_EXAMPLES}"
    share = outcome.n_exact_duplicates / outcome.n_kept
    return Finding(
        table=outcome.table,
        check=EXACT_COPY,
        severity=severity_of(share, warning_from=0.001, serious_from=None),
        n=outcome.n_exact_duplicates,
        unit="rows",
        share=share,
        action="kept",
        meaning=COPY_MEANING,
        advice=COPY_ADVICE.format(table=outcome.table),
        examples=tuple(map(str, engine.table(ids).column(0).to_pylist())),
    )
