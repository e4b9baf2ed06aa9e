"""Words that ``params.yaml`` chooses between; apart from what they choose, which takes long to import."""

from __future__ import annotations

from typing import Literal

# ``btyd.family``, where it is not "auto".
Family = Literal["bg_nbd", "mbg_nbd", "pareto_nbd"]
# ``btyd.backend``
Backend = Literal["cvm", "lifetimes"]
# ``train.features``
Decision = Literal["exclude", "keep"]
# ``train.treated``
Treated = Literal["include", "exclude", "control_only"]
