"""The pages of the reference that the code writes: a page names one in a comment, and the site puts its tables there.

Nothing of it is kept in the repository. A new feature, KPI, score column, key, error or command is on the site without
an edit of ``docs/``.
"""

from __future__ import annotations

from collections.abc import Callable

from reference.commands import command_sections
from reference.errors import error_table
from reference.features import feature_tables
from reference.kpis import kpi_tables
from reference.params import params_tables
from reference.python_api import python_names
from reference.scores import score_table

PARTS: dict[str, Callable[[], str]] = {
    "features": feature_tables,
    "kpis": kpi_tables,
    "scores": score_table,
    "params": params_tables,
    "errors": error_table,
    "commands": command_sections,
    "python api": python_names,
}
