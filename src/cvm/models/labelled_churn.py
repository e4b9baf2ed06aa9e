"""Churn learned from a labelled flat table: LightGBM anchored on the base rate, kept as JSON and LightGBM text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, logit

from cvm.errors import BundleError
from cvm.features.supplied import Role, roles_from_state, roles_state
from cvm.models.boosting import Boosted, Encoder, Task, TrainingRows, fit_boosted
from cvm.models.labelled import numbered_rows, read_roles

Floats = NDArray[np.float64]

SCHEMA_VERSION = 1
_CONTENT = "model.json"
_TREES = "churn.txt"
# A leaf of the hundred customers that suit a large base is most of a small one.
_LEAVES_PER_BASE = 50
_MIN_IN_LEAF, _MAX_IN_LEAF = 10, 100


@dataclass(frozen=True)
class LabelledChurn:
    """Probabilities out of the columns of a flat table.

    Attributes
    ----------
    boosted : Boosted
        Trees that add to the logit of the base rate.
    base_rate : float
        Share that left among those it was fitted to.
    roles : dict of str to Role
        Its columns.
    label, positive : str
        What is predicted: that this column says this.
    """

    boosted: Boosted
    base_rate: float
    roles: dict[str, Role]
    label: str
    positive: str

    def p_churn(self, frame: object) -> Floats:
        """Probability of leaving for each row of a table like the one it was fitted to: array of shape (n_rows,).

        Columns that are missing, and values not seen before, count as missing.

        Raises
        ------
        SourceError
            If ``frame`` is no frame.
        """
        with numbered_rows("customers", frame) as rows:
            return self.p_churn_of(read_roles(rows, self.roles))

    def p_churn_of(self, features: pd.DataFrame) -> Floats:
        """The same for columns that are already as ``labelled_table`` makes them."""
        return expit(logit(self.base_rate) + self.boosted.margin(features))

    def write(self, folder: Path) -> None:
        """Write the files into an existing folder."""
        content = {
            "schema_version": SCHEMA_VERSION,
            "label": self.label,
            "positive": self.positive,
            "base_rate": self.base_rate,
            "roles": roles_state(self.roles),
            "encoder": self.boosted.encoder.state(),
            "trees_sha256": _digest(self.boosted.text.encode()),
        }
        (folder / _TREES).write_bytes(self.boosted.text.encode())
        text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
        (folder / _CONTENT).write_bytes(text.encode())


def fit_labelled_churn(
    features: pd.DataFrame,
    churned: Floats,
    *,
    roles: dict[str, Role],
    label: str,
    positive: str,
    seed: int,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> LabelledChurn:
    """Fit trees to customers whose outcome is known; their number comes from folds by customer among these.

    Parameters
    ----------
    features : DataFrame of shape (n_customers, ...)
        ``customer_id`` and the columns of ``roles``.
    churned : array of shape (n_customers,)
        1 or 0, both of them there.
    roles : dict of str to Role
    label, positive : str
        What is predicted.
    seed : int
    settings : mapping of str to value, optional
        Parameters of LightGBM other than the usual ones.
    """
    base_rate = float(churned.mean())
    task = Task(
        TrainingRows([features], list(roles)),
        target=churned,
        anchor=np.full(len(churned), logit(base_rate)),
        objective={"objective": "binary"},
        settings={
            "min_data_in_leaf": int(np.clip(len(churned) / _LEAVES_PER_BASE, _MIN_IN_LEAF, _MAX_IN_LEAF)),
            **settings,
        },
        seed=seed,
    )
    return LabelledChurn(fit_boosted(task).boosted, base_rate, roles, label, positive)


def read_labelled_churn(folder: Path) -> LabelledChurn:
    """Read and verify what ``LabelledChurn.write`` wrote; loading it runs no code from it.

    Raises
    ------
    BundleError
        If the folder holds no such model, or a file was changed since.
    """
    try:
        trees = (folder / _TREES).read_bytes()
        content: dict[str, Any] = json.loads((folder / _CONTENT).read_bytes())
        if content["schema_version"] != SCHEMA_VERSION or content["trees_sha256"] != _digest(trees):
            raise ValueError("it was changed after it was written, or by another cvm")
        return LabelledChurn(
            Boosted(Encoder.from_state(content["encoder"]), trees.decode()),
            float(content["base_rate"]),
            roles_from_state(content["roles"]),
            str(content["label"]),
            str(content["positive"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(
            f"{folder} holds no churn model that can be read ({error}). Write it again with `cvm crossvalidate --out`."
        ) from None


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
