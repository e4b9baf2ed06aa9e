"""Buy-till-you-die models: how often customers buy, until they silently stop, and how much they spend.

Symbols of the papers (x orders after the first, t_x age at the last of them, T age today) stay inside this package.
"""

from cvm.models.btyd.bg_bb import BgBb
from cvm.models.btyd.bg_nbd import BgNbd
from cvm.models.btyd.families import FAMILIES, Process
from cvm.models.btyd.gamma_gamma import GammaGamma
from cvm.models.btyd.mbg_nbd import MbgNbd
from cvm.models.btyd.model import BTYD_COLUMNS, Btyd, btyd_revenue
from cvm.models.btyd.pareto_nbd import ParetoNbd
from cvm.models.btyd.sbg import Sbg
from cvm.models.choices import Family

__all__ = [
    "BTYD_COLUMNS",
    "FAMILIES",
    "BgBb",
    "BgNbd",
    "Btyd",
    "Family",
    "GammaGamma",
    "MbgNbd",
    "ParetoNbd",
    "Process",
    "Sbg",
    "btyd_revenue",
]
