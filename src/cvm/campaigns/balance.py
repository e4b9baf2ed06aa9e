"""Did the draw work: are the arms as large as their shares say, and alike before anything happened.

A draw that failed one of these checks (a filter applied after it, an export cut short, ids drawn twice) cannot be mended by
any later arithmetic, so they come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from scipy.stats import norm

from cvm.campaigns.assignment import AssignmentError, Split
from cvm.engines import Engine, identifier, literal
from cvm.evaluation import sample_ratio_test
from cvm.features.treatments import CONTROL
from cvm.ingest.column_types import is_number

# In this share of campaigns a healthy draw is called faulty (Fabijan et al. 2019, KDD, recommend a small level).
SRM_ALPHA = 0.001
BALANCE_ALPHA = 0.001
# Below this standardised difference a covariate hardly matters (Austin 2009, Statistics in Medicine 28).
SMALL_DIFFERENCE = 0.1
# Of a text, the shares of its most frequent values are compared; a value of fewer customers could tell who they are.
_MAX_VALUES = 10
_FEWEST_OF_A_VALUE = 20
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class RatioCheck:
    """Sizes of the arms against their shares (sample ratio mismatch).

    Attributes
    ----------
    counts, expected : mapping of str to float
        Customers by arm.
    statistic, p_value : float
        Pearson's chi-square with one degree of freedom less than arms.
    """

    counts: Mapping[str, int]
    expected: Mapping[str, float]
    statistic: float
    p_value: float

    @property
    def holds(self) -> bool:
        """Whether chance explains the sizes."""
        return self.p_value >= SRM_ALPHA


@dataclass(frozen=True)
class CovariateBalance:
    """One covariate in one treatment against control.

    Attributes
    ----------
    covariate, arm : str
        A covariate with gaps is checked twice: its values, and as ``<name> is missing`` where it has any. A text is checked
        by the shares of its most frequent values, ``<name> = <value>`` each.
    difference : float
        Of the means, in standard deviations (pooled: root of the mean of both variances); treatment minus control.
    p_value : float
        Of no difference, before the number of checks is allowed for.
    """

    covariate: str
    arm: str
    difference: float
    p_value: float


@dataclass(frozen=True)
class DrawCheck:
    """Both checks of one draw.

    Attributes
    ----------
    ratio : RatioCheck
    balance : tuple of CovariateBalance
        Largest difference first.
    """

    ratio: RatioCheck
    balance: tuple[CovariateBalance, ...]

    @property
    def unbalanced(self) -> tuple[CovariateBalance, ...]:
        """Differences that chance does not explain, the number of checks allowed for (Bonferroni)."""
        return tuple(found for found in self.balance if found.p_value * len(self.balance) < BALANCE_ALPHA)

    @property
    def sentence(self) -> str:
        """The verdict in plain words."""
        sizes = ", ".join(f"{arm} {n:,} ({self.ratio.expected[arm]:,.0f} expected)" for arm, n in self.ratio.counts.items())
        if not self.ratio.holds:
            return (
                f"The draw failed: {sizes}; chance gives that with p = {self.ratio.p_value:.2g}. Find what removed or added "
                "customers after the draw before using it."
            )
        if self.unbalanced:
            worst = ", ".join(f"{found.covariate} of {found.arm} {found.difference:+.3f}" for found in self.unbalanced[:3])
            return (
                f"The draw failed: sizes hold, but {len(self.unbalanced):,} of {len(self.balance):,} differences are more "
                f"than chance (in standard deviations: {worst}). The arms were not drawn alike."
            )
        largest = max((abs(found.difference) for found in self.balance), default=0.0)
        small = "" if largest < SMALL_DIFFERENCE else " (chance in so few customers; stratify to avoid it)"
        return f"The draw holds: {sizes}, p = {self.ratio.p_value:.2f}; largest difference {largest:.3f} SD{small}."


def ratio_check(counts: Mapping[str, int], split: Split) -> RatioCheck:
    """Whether arms drawn independently are as large as their shares say.

    For arms drawn at fixed size (``stratified``) chance varies less than the test allows for: it then errs on the quiet
    side.

    Parameters
    ----------
    counts : mapping of str to int
        Customers by arm; an arm that is not there has none.
    split : Split

    Raises
    ------
    AssignmentError
        If there is an arm that the split does not know, or nobody at all.
    """
    strangers = sorted(set(counts) - set(split.shares))
    if strangers:
        raise AssignmentError(f"The arms {strangers} are not among {list(split.shares)}; correct the ledger or the shares.")
    if sum(counts.values()) <= 0:
        raise AssignmentError("No customer is in any arm, so there is nothing to check.")
    found = {arm: int(counts.get(arm, 0)) for arm in split.shares}
    statistic, p_value = sample_ratio_test(
        np.array(list(found.values()), dtype=float), np.array(list(split.shares.values()), dtype=float)
    )
    expected = {arm: sum(found.values()) * share for arm, share in split.shares.items()}
    return RatioCheck(found, expected, statistic, p_value)


def draw_check(engine: Engine, assigned: str, covariates: str, split: Split) -> DrawCheck:
    """Sizes and balance of one draw, from one pass over the customers.

    Parameters
    ----------
    engine : Engine
    assigned : str
        A table, or a query in parentheses, with ``customer_id`` and ``arm``.
    covariates : str
        The same with ``customer_id`` and what was known before the draw, for example features at ``as_of``; columns that are
        neither numbers, flags nor texts are left out, customers without a row count as missing everything. Of texts, values
        count that at least 1 % and ``20`` customers share, the ten most frequent; so no address is ever told.
    split : Split

    Raises
    ------
    AssignmentError
        As ``ratio_check``.
    """
    measured = _measured(engine, covariates)
    names = list(measured)
    moments = {row["arm"]: row for row in engine.table(_moments_query(assigned, covariates, measured)).to_pylist()}
    ratio = ratio_check({arm: row["n"] for arm, row in moments.items()}, split)
    found = []
    for arm in split.shares:
        if arm != CONTROL and arm in moments and CONTROL in moments:
            found += _balance_of(arm, names, moments[arm], moments[CONTROL])
    return DrawCheck(ratio, tuple(sorted(found, key=lambda one: -abs(one.difference))))


def _measured(engine: Engine, covariates: str) -> dict[str, str]:
    """Name to SQL of every number that is compared."""
    measured = {}
    for name, kind in engine.columns(covariates).items():
        column = identifier(name)
        if name == "customer_id" or kind.endswith("]"):  # a list
            continue
        if is_number(kind) or kind == "BOOLEAN":
            number = f"CAST({column} AS DOUBLE)"
            measured[name] = f"CASE WHEN isfinite({number}) THEN {number} END"
        elif kind.startswith(("VARCHAR", "ENUM")):
            text = f"CAST({column} AS VARCHAR)"
            for value in _frequent_values(engine, covariates, text):
                measured[f"{name} = {value}"] = f"CASE WHEN {text} = {literal(value)} THEN 1.0 ELSE 0.0 END"
            measured[f"{name} is missing"] = f"CAST({column} IS NULL AS DOUBLE)"
    return measured


def _frequent_values(engine: Engine, covariates: str, text: str) -> list[str]:
    """Values of a text that enough customers share, the most frequent first; without the last of all that there are."""
    counts = f"SELECT {text} AS value, count(*) AS n FROM {covariates} AS covariates WHERE {text} IS NOT NULL GROUP BY 1"
    rows = engine.table(
        "SELECT *, CAST(sum(n) OVER () AS DOUBLE) AS n_customers, count(*) OVER () AS n_values "
        f"FROM ({counts}) ORDER BY n DESC, value LIMIT {_MAX_VALUES}"
    ).to_pylist()
    shared = [row["value"] for row in rows if row["n"] >= max(_FEWEST_OF_A_VALUE, _LEAST_SHARE * row["n_customers"])]
    return shared[:-1] if rows and len(shared) == rows[0]["n_values"] else shared


def _moments_query(assigned: str, covariates: str, measured: Mapping[str, str]) -> str:
    parts = ["arm", "count(*) AS n"]
    for number, value in enumerate(measured.values()):
        parts += [
            f"count({value}) AS n_{number}",
            f"avg({value}) AS mean_{number}",
            f"var_pop({value}) AS variance_{number}",
        ]
    return (
        f"SELECT {', '.join(parts)} FROM {assigned} AS assigned LEFT JOIN {covariates} AS covariates USING (customer_id) "
        "GROUP BY arm"
    )


def _balance_of(
    arm: str, names: Sequence[str], treated: Mapping[str, float], control: Mapping[str, float]
) -> list[CovariateBalance]:
    found = []
    for number, name in enumerate(names):
        sides = [(side[f"n_{number}"], side[f"mean_{number}"], side[f"variance_{number}"]) for side in (treated, control)]
        found.append(_compared(name, arm, *sides))
        gaps = [(side["n"], 1 - side[f"n_{number}"] / side["n"]) for side in (treated, control)]
        if any(share > 0 for _, share in gaps):
            found.append(_compared(f"{name} is missing", arm, *((n, share, share * (1 - share)) for n, share in gaps)))
    return [one for one in found if not np.isnan(one.difference)]


def _compared(
    name: str, arm: str, treated: tuple[float, float, float], control: tuple[float, float, float]
) -> CovariateBalance:
    (n_treated, mean_treated, variance_treated), (n_control, mean_control, variance_control) = treated, control
    if min(n_treated, n_control) < 2:
        return CovariateBalance(name, arm, nan, nan)
    gap, spread = mean_treated - mean_control, sqrt((variance_treated + variance_control) / 2)
    error = sqrt(variance_treated / n_treated + variance_control / n_control)
    if spread <= 1e-12 * max(abs(mean_treated), abs(mean_control), 1e-300):
        return CovariateBalance(name, arm, nan, nan)  # a constant says nothing
    return CovariateBalance(name, arm, gap / spread, float(2 * norm.sf(abs(gap) / error)))
