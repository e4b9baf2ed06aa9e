"""The option ``--sql`` of commands: print the query for a warehouse instead of running it here."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from cvm.completion import WAREHOUSE_NAMES, one_of

SqlOption = Annotated[
    str | None,
    typer.Option(
        "--sql",
        metavar="WAREHOUSE",
        help="Print the query instead: snowflake, bigquery, databricks, redshift, postgres, duckdb or spark.",
        autocompletion=one_of(WAREHOUSE_NAMES),
    ),
]
AsOfOption = Annotated[
    datetime | None, typer.Option("--as-of", formats=["%Y-%m-%d"], help="With --sql: its date; else as in params.")
]
SchemaOption = Annotated[
    str | None, typer.Option("--schema", help="With --sql: where the tables are, e.g. analytics or project.analytics.")
]
MarkersOption = Annotated[
    bool, typer.Option("--parameters", help="With --sql: parameter markers of the warehouse instead of values.")
]
OutputOption = Annotated[Path | None, typer.Option("--output", help="With --sql: file to write; else it is printed.")]


def check_only_with_sql(sql: str | None, **given: object) -> None:
    """Refuse options that mean nothing without ``--sql``.

    Raises
    ------
    BadParameter
        Names them.
    """
    idle = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if sql is None and idle:
        raise typer.BadParameter(f"{', '.join(idle)} only with --sql, for example --sql snowflake")


def show(sql: str, output: Path | None) -> None:
    """Print a query, or write it to a file and say so."""
    if output is None:
        typer.echo(sql, nl=False)
        return
    from cvm.writing import replaced_file

    with replaced_file(output) as temporary:
        temporary.write_text(sql, encoding="utf-8")
    typer.echo(f"query     written to {output}")
