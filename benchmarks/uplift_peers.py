"""Who learns uplift in ``benchmarks/uplift.py``: ours and the peers, all taught and judged by the same halves.

Peers get the same columns as ours (categories as 0/1 columns), the true propensity, and LightGBM with the settings that ours
starts from, so that what is compared is the way of learning uplift and not the trees below it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cvm.models.uplift import Experiment, fit_uplift
from cvm.models.uplift.responses import link_of

Floats = NDArray[np.float64]

OURS, SCORED = "cvm, chosen learner", "cvm, as it scores"
_TREES: dict[str, Any] = {
    "n_estimators": 100,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_child_samples": 100,
    "colsample_bytree": 0.7,
    "subsample": 0.8,
    "subsample_freq": 1,
    "reg_lambda": 10.0,
    "n_jobs": 1,
    "random_state": 7,
    "verbose": -1,
}


@dataclass(frozen=True)
class Scores:
    """Scores of the judged customers, by name, and what there is to say of them."""

    by_name: Mapping[str, Floats]
    notes: dict[str, Any] = field(default_factory=dict)


Learns = Callable[[Experiment, Experiment, int], Scores]


def cvm_scores(taught: Experiment, judged: Experiment, seed: int) -> Scores:
    """The ranking of the learner we choose, and the uplift we would write: the mean effect where no difference is found."""
    fit = fit_uplift(taught, seed=seed)
    (evidence,) = fit.evidence
    return Scores(
        {OURS: fit.ranking(judged.features)[:, 0], SCORED: fit.model.expected_uplift(judged.features)[:, 0]},
        {"chosen": evidence.chosen, "p_value": evidence.p_value, "differs": evidence.is_heterogeneous},
    )


def econml_dr(taught: Experiment, judged: Experiment, seed: int) -> Scores:
    """DR learner with LightGBM for outcomes and effects."""
    from econml.dr import DRLearner
    from lightgbm import LGBMRegressor

    learner = DRLearner(
        model_propensity=_coin(),
        model_regression=LGBMRegressor(**_TREES),
        model_final=LGBMRegressor(**_TREES),
        cv=4,
        random_state=seed,
    )
    return _econml(learner, "EconML DR learner", taught, judged)


def econml_linear_dr(taught: Experiment, judged: Experiment, seed: int) -> Scores:
    """DR learner with its default straight line for effects."""
    from econml.dr import DRLearner
    from lightgbm import LGBMRegressor

    learner = DRLearner(model_propensity=_coin(), model_regression=LGBMRegressor(**_TREES), cv=4, random_state=seed)
    return _econml(learner, "EconML DR learner, linear", taught, judged)


def econml_forest(taught: Experiment, judged: Experiment, seed: int) -> Scores:
    """Causal forest with leaves that suit the data (those of its defaults rank far worse), with LightGBM for outcomes."""
    from econml.dml import CausalForestDML
    from lightgbm import LGBMRegressor

    learner = CausalForestDML(
        model_y=LGBMRegressor(**_TREES),
        model_t=_coin(),
        discrete_treatment=True,
        n_estimators=200,
        min_samples_leaf=100,
        cv=4,
        n_jobs=1,
        random_state=seed,
    )
    return _econml(learner, "EconML causal forest", taught, judged)


def causalml_x(taught: Experiment, judged: Experiment, seed: int) -> Scores:
    """X learner with LightGBM."""
    from causalml.inference.meta import BaseXClassifier, BaseXRegressor
    from lightgbm import LGBMClassifier, LGBMRegressor

    if link_of(taught.outcome) == "logit":
        learner = BaseXClassifier(outcome_learner=LGBMClassifier(**_TREES), effect_learner=LGBMRegressor(**_TREES))
    else:
        learner = BaseXRegressor(learner=LGBMRegressor(**_TREES))
    X, X_judged = _matrices(taught, judged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner.fit(X, treatment=taught.arm, y=taught.outcome, p=np.full(len(taught), 0.5))
        found = learner.predict(X_judged, p=np.full(len(judged), 0.5))
    return Scores({"causalml X learner": np.asarray(found, dtype=float)[:, 0]}, {"seed": seed})


LEARNERS: dict[str, Learns] = {
    "cvm": cvm_scores,
    "EconML DR learner": econml_dr,
    "EconML DR learner, linear": econml_linear_dr,
    "EconML causal forest": econml_forest,
    "causalml X learner": causalml_x,
}


def _econml(learner: Any, name: str, taught: Experiment, judged: Experiment) -> Scores:
    X, X_judged = _matrices(taught, judged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner.fit(taught.outcome, taught.arm, X=X)
        return Scores({name: np.asarray(learner.effect(X_judged), dtype=float).ravel()})


def _coin() -> Any:
    """Propensity of a half for everybody, as the design has it."""
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


def _matrices(taught: Experiment, judged: Experiment) -> tuple[Floats, Floats]:
    both = pd.get_dummies(pd.concat([taught.features, judged.features])[list(taught.columns)], dtype=float)
    return both.iloc[: len(taught)].to_numpy(float), both.iloc[len(taught) :].to_numpy(float)
