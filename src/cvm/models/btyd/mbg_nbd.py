"""MBG/NBD: as BG/NBD, but a customer may stop already after the first order.

So P(alive) of who never came back falls with waiting, where BG/NBD says 1 for ever.

Source: Batislam, Denizel and Filiztekin (2007), "Empirical validation and comparison of models for customer base analysis",
Int. J. Research in Marketing 24(3), 201-209, eq. 5 and appendix; expectations after Wagner and Hoppe (2008), "Erratum on the
MBG/NBD model", 25(3), 225-226. Both follow from ``BgNbd`` with ``k = x + 1`` chances to stop that were not taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cvm.models.btyd.bg_nbd import BgNbd


@dataclass(frozen=True)
class MbgNbd(BgNbd):
    """Parameters of an MBG/NBD; ``alpha`` carries the unit of time. Methods and their arguments are those of ``BgNbd``."""

    family: ClassVar[str] = "mbg_nbd"
    label: ClassVar[str] = "MBG/NBD"
    early_chances: ClassVar[int] = 1
