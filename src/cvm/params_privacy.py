"""The section ``privacy`` of ``params.yaml``: how long what is kept, and whether customers keep their ids."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cvm.params_data import Section

# Longer than anybody lives with a shop.
KeptDays = Annotated[int, Field(gt=0, le=36_500)] | None


class KeepDaysParams(Section):
    """After how many days rows and files go; None keeps them."""

    transactions: KeptDays = None
    events: KeptDays = None
    subscriptions: KeptDays = None
    assignments: KeptDays = None
    own_features: KeptDays = None
    quarantine: KeptDays = None
    features: KeptDays = None
    scores: KeptDays = None
    actions: KeptDays = None
    audiences: KeptDays = None


class PrivacyParams(Section):
    """What is kept of people, for how long and under which names."""

    keep_days: KeepDaysParams = KeepDaysParams()
    pseudonym_key: Annotated[str, Field(pattern=r"^env:[A-Za-z_][A-Za-z0-9_]*$")] | None = None
