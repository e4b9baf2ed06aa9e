"""Section ``goals`` of ``params.yaml``: what the work on customers is for."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cvm.params_data import Section


class GoalParams(Section):
    """What a metric of a segment shall come to, by when."""

    name: Annotated[str, Field(min_length=1)]
