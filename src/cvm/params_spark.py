"""The section ``spark`` of ``params.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cvm.params_data import Section

# Of the catalog: ``schema``, or ``catalog.schema``; with a table behind it where one is meant.
_NAME = r"[A-Za-z0-9_]+"


class SparkParams(Section):
    """Where Spark runs, and what of it comes to this machine; only looked at with ``engine: spark``."""

    master: Annotated[str, Field(min_length=1)] | None = None
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)
    sample_customers: Annotated[int, Field(ge=1_000, le=100_000_000)] = 200_000
    in_schema: Annotated[str, Field(pattern=rf"^{_NAME}(\.{_NAME})?$")] | None = None
    scores_table: Annotated[str, Field(pattern=rf"^{_NAME}(\.{_NAME}){{0,2}}$")] | None = None
    table_format: Literal["parquet", "delta"] = "parquet"

    @property
    def options(self) -> dict[str, str]:
        """``settings`` as Spark takes them: ``true`` and not ``True``."""
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.settings.items()}
