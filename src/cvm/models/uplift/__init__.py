"""Uplift: the effect of each treatment on each customer, learned from randomised experiments."""

from cvm.features.treatments import CONTROL
from cvm.models.uplift.experiment import Experiment, experiment_of
from cvm.models.uplift.learners import HURDLE, MEAN, PROPORTIONAL, RELATIVE, fit_learners
from cvm.models.uplift.lessons import Learned, TreatmentUplift, Uplift, learn_uplift
from cvm.models.uplift.model import ArmEvidence, ArmUplift, UpliftFit, UpliftModel, fit_uplift, uplift_from_state
from cvm.models.uplift.observational import Overlap, observational_experiment
from cvm.models.uplift.policies import PolicyEvidence, policy_evidence
from cvm.models.uplift.responses import Learning

__all__ = [
    "CONTROL",
    "HURDLE",
    "MEAN",
    "PROPORTIONAL",
    "RELATIVE",
    "ArmEvidence",
    "ArmUplift",
    "Experiment",
    "Learned",
    "Learning",
    "Overlap",
    "PolicyEvidence",
    "TreatmentUplift",
    "Uplift",
    "UpliftFit",
    "UpliftModel",
    "experiment_of",
    "fit_learners",
    "fit_uplift",
    "learn_uplift",
    "observational_experiment",
    "policy_evidence",
    "uplift_from_state",
]
