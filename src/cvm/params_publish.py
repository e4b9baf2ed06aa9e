"""The section ``publish`` of ``params.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from cvm.params_data import Section


class PublishParams(Section):
    """The user's own database, which gets results as tables."""

    url: SecretStr
    in_schema: Annotated[str, Field(min_length=1, max_length=63)] = "cvm"
