"""scikit-learn's own checks of estimators; those that cannot hold are named, with the reason."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from cvm.models.btyd.estimator import BuyTillYouDie
from cvm.models.churn_classifier import ChurnClassifier

pytestmark = pytest.mark.slow

# These checks draw two to ten columns of numbers between which there is no relation; histories are four that have one.
# What they ask is asked of histories in ``tests/models/btyd/test_estimator.py``.
_NO_HISTORIES = "its numbers are no order histories, and those are refused"
EXPECTED: dict[type, dict[str, str]] = {
    ChurnClassifier: {},
    BuyTillYouDie: dict.fromkeys(
        (
            "check_dict_unchanged",
            "check_dont_overwrite_parameters",
            "check_dtype_object",
            "check_estimators_dtypes",
            "check_estimators_fit_returns_self",
            "check_estimators_overwrite_params",
            "check_estimators_pickle",
            "check_f_contiguous_array_estimator",
            "check_fit2d_1sample",
            "check_fit2d_predict1d",
            "check_fit_check_is_fitted",
            "check_fit_idempotent",
            "check_fit_score_takes_y",
            "check_methods_sample_order_invariance",
            "check_methods_subset_invariance",
            "check_n_features_in",
            "check_n_features_in_after_fitting",
            "check_pipeline_consistency",
            "check_positive_only_tag_during_fit",
            "check_readonly_memmap_input",
            "check_transformer_data_not_an_array",
            "check_transformer_general",
            "check_transformer_preserve_dtypes",
        ),
        _NO_HISTORIES,
    ),
}


@parametrize_with_checks(
    [BuyTillYouDie(), ChurnClassifier()], expected_failed_checks=lambda estimator: EXPECTED[type(estimator)]
)
def test_an_estimator_keeps_the_conventions_of_scikit_learn(estimator, check):
    check(estimator)
