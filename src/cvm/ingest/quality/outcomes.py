"""What cleaning already knows: rows left out, by reason, and exact copies."""

from __future__ import annotations

from collections.abc import Sequence

from cvm.engines import DuckDBEngine, identifier
from cvm.ingest.clean import REPLACED, TEST_ORDER, TableOutcome
from cvm.ingest.quality.finding import N_EXAMPLES, Action, Finding, severity_of
from cvm.ingest.quality.repeats import COPY_ADVICE, COPY_MEANING, EXACT_COPY

# Left out as the user asked, by reason: what was done, and the share from which on it is worth a look.
_AS_ASKED: dict[str, tuple[Action, float, str, str]] = {
    TEST_ORDER: ("dropped", 0.05, "Rows marked as test orders.", "Nothing to do, unless there are more than you know of."),
    REPLACED: (
        "merged",
        0.5,
        "Earlier versions of rows with the same key; the latest recorded counts.",
        "Nothing to do, unless the key should tell these rows apart.",
    ),
}


def outcome_findings(engine: DuckDBEngine, outcomes: Sequence[TableOutcome]) -> list[Finding]:
    """Rejected rows by reason, with their numbers where ``rejected_<table>`` still is, and copies of rows.

    Parameters
    ----------
    engine : DuckDBEngine
        Holds the clean tables.
    outcomes : sequence of TableOutcome
        What became of each table.
    """
    found = []
    for outcome in outcomes:
        rows = _rejected_rows(engine, outcome.table) if outcome.n_by_reason else {}
        found += [_left_out(outcome, reason, rows.get(reason, ())) for reason in outcome.n_by_reason]
        # Those of transactions are found with the lines that repeat.
        if outcome.n_exact_duplicates and outcome.table != "transactions":
            found.append(_copies(engine, outcome))
    return found


def _rejected_rows(engine: DuckDBEngine, table: str) -> dict[str, tuple[str, ...]]:
    """Numbers of the first rejected rows, by reason."""
    if f"rejected_{table}" not in engine.tables():
        return {}
    query = f"SELECT reason, min(source_row, {N_EXAMPLES}) AS numbers FROM rejected_{table} GROUP BY reason"
    return {row["reason"]: tuple(f"row {number}" for number in row["numbers"]) for row in engine.table(query).to_pylist()}


def _left_out(outcome: TableOutcome, reason: str, examples: tuple[str, ...]) -> Finding:
    table, n = outcome.table, outcome.n_by_reason[reason]
    share = n / outcome.n_read
    if reason in _AS_ASKED:
        action, warning_from, meaning, advice = _AS_ASKED[reason]
        severity = severity_of(share, warning_from=warning_from, serious_from=None)
    else:
        action, meaning = "quarantined", f"Rows left out because {reason}."
        advice = f"Look at them in quarantine/{table}.parquet; mend the export, or how data.{table} is read."
        severity = severity_of(share, warning_from=0.001, serious_from=0.05)
    return Finding(table, reason, severity, n, "rows", share, action, meaning, advice, examples)


def _copies(engine: DuckDBEngine, outcome: TableOutcome) -> Finding:
    columns = [identifier(name) for name in engine.columns(outcome.table)]
    twice = f"SELECT min(rowid) FROM {outcome.table} GROUP BY hash({', '.join(columns)}) HAVING count(*) > 1"
    example = '"customer_id"' if '"customer_id"' in columns else columns[0]
    ids = f"SELECT DISTINCT {example} FROM {outcome.table} WHERE rowid IN ({twice}) ORDER BY 1 LIMIT {N_EXAMPLES}"
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
