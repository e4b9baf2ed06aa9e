"""Uplift coefficients as other libraries define them, to compare a figure with one from elsewhere.

No coefficient of one name is comparable with one of another, nor across data sets: all divide by something of the data set.
Judge models by ``qini_per_customer``. Ties aside the figures are those of the libraries named; among tied customers the
libraries depend on the order of rows, these do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cvm.errors import ExperimentError
from cvm.evaluation.uplift import UpliftCurve, checked_experiment, uplift_curve

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Judged:
    """The curve of a score, with the customers behind it."""

    outcome: Floats
    treated: NDArray[np.bool_]
    curve: UpliftCurve

    @property
    def n(self) -> Floats:
        """Customers down to each score."""
        return self.curve.n_treated + self.curve.n_control

    def by(self, score: Floats) -> _Judged:
        """The same customers ranked otherwise."""
        return _Judged(self.outcome, self.treated, uplift_curve(self.outcome, self.treated, score))


def uplift_coefficient(outcome: ArrayLike, treated: ArrayLike, score: ArrayLike, *, variant: str) -> float:
    """How well a score orders customers by uplift, in the manner of another library.

    Parameters
    ----------
    outcome, treated, score : arrays of shape (n_customers,)
        See ``uplift_curve``.
    variant : str
        - ``sklift_qini``: scikit-uplift ``qini_auc_score``: area between Qini curve and chord, over that of a perfect curve
          in which treatment may do harm; outcomes of 0 and 1.
        - ``sklift_qini_no_harm``: the same with ``negative_effect=False``.
        - ``sklift_auuc``: scikit-uplift ``uplift_auc_score``: the same for the gain curve; outcomes of 0 and 1.
        - ``causalml_auuc``: causalml ``auuc_score``: mean height of the gain curve over its absolute end.
        - ``causalml_qini``: causalml ``qini_score``: mean height of the Qini curve above its chord, over its absolute end.
        - ``causalml_auuc_raw``, ``causalml_qini_raw``: the same with ``normalize=False``, in customers times outcome.

    Raises
    ------
    ExperimentError
        If the variant is unknown, wants outcomes of 0 and 1, or has nothing to divide by.

    Source
    ------
    scikit-uplift 0.5.1, causalml 0.18.0: the definitions their documentation gives, checked against their output.
    """
    if variant not in _VARIANTS:
        raise ExperimentError(f"Variant {variant!r} is unknown; there are {sorted(_VARIANTS)}.")
    y, is_treated, s = checked_experiment(outcome, treated, score)
    if variant.startswith("sklift") and not set(np.unique(y)) <= {0.0, 1.0}:
        raise ExperimentError(f"{variant} is defined for outcomes of 0 and 1 only; qini_per_customer takes any outcome.")
    above, below = _VARIANTS[variant](_Judged(y, is_treated, uplift_curve(y, is_treated, s)))
    if below == 0:
        raise ExperimentError(f"{variant} has nothing to divide by here: treatment added nothing. Use qini_per_customer.")
    return above / below


def _sklift_qini(judged: _Judged) -> tuple[float, float]:
    y, treated = judged.outcome, judged.treated
    return _above_chord(judged.n, _sklift_qini_curve(judged.curve)), _perfect_qini(judged, np.where(treated, y, -y))


def _perfect_qini(judged: _Judged, best: Floats) -> float:
    perfect = judged.by(best)
    return _above_chord(perfect.n, _sklift_qini_curve(perfect.curve))


def _sklift_qini_no_harm(judged: _Judged) -> tuple[float, float]:
    end = float(_sklift_qini_curve(judged.curve)[-1])
    n = len(judged.outcome)
    # Everybody who was won comes first; without a gain there is nobody.
    perfect = _above_chord(np.array([0.0, end, n]), np.array([0.0, end, end])) if end > 0 else 0.0
    return _above_chord(judged.n, _sklift_qini_curve(judged.curve)), perfect


def _sklift_auuc(judged: _Judged) -> tuple[float, float]:
    y, treated = judged.outcome, judged.treated.astype(float)
    control_bought, treated_did_not = int(((y == 1) & (treated == 0)).sum()), int(((y == 0) & (treated == 1)).sum())
    perfect = judged.by(2.0 * (y == treated) + (y if control_bought > treated_did_not else treated))
    return _above_chord(judged.n, _sklift_gain(judged.curve)), _above_chord(perfect.n, _sklift_gain(perfect.curve))


def _sklift_qini_curve(curve: UpliftCurve) -> Floats:
    """An empty control group counts as one without outcomes."""
    return curve.treated_outcome - curve.control_outcome * _over(curve.n_treated, curve.n_control)


def _sklift_gain(curve: UpliftCurve) -> Floats:
    """An empty arm counts as one without outcomes."""
    treated, control = _over(curve.treated_outcome, curve.n_treated), _over(curve.control_outcome, curve.n_control)
    return (curve.n_treated + curve.n_control) * (treated - control)


def _causalml_auuc(judged: _Judged) -> tuple[float, float]:
    effect = _by_customer(judged, judged.curve.effect, (judged.curve.n_treated > 0) & (judged.curve.n_control > 0))
    gain = effect * np.arange(len(effect))
    return float(gain.mean()), abs(float(gain[-1]))


def _causalml_qini(judged: _Judged) -> tuple[float, float]:
    height = _by_customer(judged, judged.curve.qini, judged.curve.n_control > 0)
    return float(height.mean() - height[-1] / 2), abs(float(height[-1]))


def _by_customer(judged: _Judged, height: Floats, known: NDArray[np.bool_]) -> Floats:
    """Heights at 0, 1, ... n customers: from 0 straight to the first that is known, and straight through ties."""
    known = known.copy()
    known[0] = True
    return np.interp(np.arange(len(judged.outcome) + 1), judged.n[known], height[known])


def _raw(variant: Callable[[_Judged], tuple[float, float]]) -> Callable[[_Judged], tuple[float, float]]:
    return lambda judged: (variant(judged)[0], 1.0)


def _above_chord(n: Floats, height: Floats) -> float:
    return float((np.diff(n) * (height[1:] + height[:-1])).sum() / 2 - n[-1] * height[-1] / 2)


def _over(sums: Floats, counts: Floats) -> Floats:
    return np.divide(sums, counts, out=np.zeros(len(counts)), where=counts > 0)


_VARIANTS: dict[str, Callable[[_Judged], tuple[float, float]]] = {
    "sklift_qini": _sklift_qini,
    "sklift_qini_no_harm": _sklift_qini_no_harm,
    "sklift_auuc": _sklift_auuc,
    "causalml_auuc": _causalml_auuc,
    "causalml_qini": _causalml_qini,
    "causalml_auuc_raw": _raw(_causalml_auuc),
    "causalml_qini_raw": _raw(_causalml_qini),
}
