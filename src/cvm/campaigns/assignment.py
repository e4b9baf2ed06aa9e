"""Who is in which arm: a random draw that can be repeated anywhere.

A customer's draw is the first 52 bits of SHA-256(key, customer_id), where the key is a SHA-256 of the salt and of what is
being drawn. It depends on nothing else: the same customer gets the same answer on any machine, in any order, whoever else
is there, and draws under different keys are independent of each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from cvm.engines import literal
from cvm.errors import CvmError
from cvm.features.treatments import CONTROL

_HEX_DIGITS = 13
# Draws are integers in [0, RESOLUTION): 52 bits, so that they are exact as BIGINT and as float64.
RESOLUTION = 16**_HEX_DIGITS


class AssignmentError(CvmError, ValueError):
    """Customers cannot be drawn as asked."""


@dataclass(frozen=True)
class Split:
    """The arms of a campaign and the share of its customers that each gets.

    Attributes
    ----------
    shares : mapping of str to float
        Arm to share, ``control`` among them; each above 0, together 1.

    Raises
    ------
    AssignmentError
        If there is no control, no treatment, a share outside (0, 1), or the shares do not add up to 1.
    """

    shares: Mapping[str, float]

    def __post_init__(self) -> None:
        arms = list(self.shares)
        if CONTROL not in arms:
            raise AssignmentError(f"The arms are {arms}; one must be called {CONTROL!r}, or nothing can be compared.")
        if len(arms) < 2:
            raise AssignmentError(f"{CONTROL!r} is the only arm; name a treatment and its share.")
        for arm, share in self.shares.items():
            if not 0 < share < 1:
                raise AssignmentError(f"The share of arm {arm!r} == {share:g}, must be above 0 and below 1.")
        total = sum(self.shares.values())
        if abs(total - 1) > 1e-9:
            raise AssignmentError(f"The shares of {arms} add up to {total:g}, must be 1; correct one of them.")

    @classmethod
    def even(cls, treatments: Iterable[str], *, control_share: float) -> Split:
        """Treatments of equal size beside a control of ``control_share``."""
        names = list(treatments)
        if len(set(names)) < len(names) or CONTROL in names:
            raise AssignmentError(f"The treatments are {names}; each needs a name of its own, other than {CONTROL!r}.")
        return cls({CONTROL: control_share, **{name: (1 - control_share) / len(names) for name in names}})

    @classmethod
    def parse(cls, text: str) -> Split:
        """Shares as a user writes them: ``control=0.2,letter=0.5,call=0.3``.

        Raises
        ------
        AssignmentError
            If it is not written so, an arm is there twice, or as ``Split``.
        """
        shares: dict[str, float] = {}
        for part in text.split(","):
            arm, _, share = (piece.strip() for piece in part.partition("="))
            try:
                number = float(share)
            except ValueError:
                number = nan
            if not arm or isnan(number) or arm in shares:
                raise AssignmentError(
                    f"The shares {text!r} are no list of arms, each once with its share; "
                    f"write for example {CONTROL}=0.2,letter=0.5,call=0.3."
                )
            shares[arm] = number
        return cls(shares)

    @property
    def cuts(self) -> dict[str, int]:
        """Arm to the first draw that lies beyond it, in the order of the arms."""
        uppers = np.cumsum(list(self.shares.values()))
        cuts = {arm: round(float(upper) * RESOLUTION) for arm, upper in zip(self.shares, uppers, strict=True)}
        return cuts | {list(cuts)[-1]: RESOLUTION}

    def arm_sql(self, draw: str) -> str:
        """SQL for the arm of a draw."""
        *bounded, last = self.cuts.items()
        branches = " ".join(f"WHEN {draw} < {cut} THEN {literal(arm)}" for arm, cut in bounded)
        return f"CASE {branches} ELSE {literal(last[0])} END"

    def propensity_sql(self, arm: str) -> str:
        """SQL for the probability with which a customer had got their arm."""
        branches = " ".join(f"WHEN {literal(name)} THEN {_double(share)}" for name, share in self.shares.items())
        return f"CASE {arm} {branches} END"


def draw_key(salt: str, *what: str) -> str:
    """Key under which customers are drawn: 64 hex digits, of no use to find the salt.

    Parameters
    ----------
    salt : str
        The user's own; whoever knows it can foretell draws.
    *what : str
        What is being drawn, for example ``"campaign", "spring-sale"``; another answer needs another name.
    """
    return hashlib.sha256(json.dumps([salt, *what], ensure_ascii=True).encode("ascii")).hexdigest()


def draw_sql(customer_id: str, *, key: str) -> str:
    """SQL for the draw of a customer: a whole number, uniform on ``[0, RESOLUTION)``.

    Parameters
    ----------
    customer_id : str
        SQL of a text that is the customer's id; the caller sees to it that none is empty.
    key : str
        Of ``draw_key``.
    """
    digest = f"sha256({literal(key)} || {customer_id})"
    return f"CAST('0x' || substr({digest}, 1, {_HEX_DIGITS}) AS BIGINT)"


def ledger_rows(drawn: str, split: Split, *, campaign_id: str) -> str:
    """SQL that makes ``customer_id`` and ``arm`` rows for the ledger: with their campaign and propensity."""
    return (
        f"SELECT {literal(campaign_id)} AS campaign_id, customer_id, arm, {split.propensity_sql('arm')} AS propensity "
        f"FROM ({drawn}) AS drawn"
    )


def campaign_key(campaign_id: str, *, salt: str) -> str:
    """Key of the draw of a campaign.

    Raises
    ------
    AssignmentError
        If the campaign has no name.
    """
    if not campaign_id.strip():
        raise AssignmentError("The campaign has no name; give it one of its own, for every name is another draw.")
    return draw_key(salt, "campaign", campaign_id)


def _double(value: float) -> str:
    """A literal that is read digit by digit as float64; a bare 0.1 would be a decimal."""
    return f"CAST({literal(repr(float(value)))} AS DOUBLE)"
