"""Whether a model foretells what params ask for."""

from __future__ import annotations

from cvm.errors import BundleError, FeatureMismatchError
from cvm.models.bundle import Bundle, read_bundle
from cvm.params import Params
from cvm.promotion.gates import differences, predicted
from cvm.stages.context import workspace_of
from cvm.stages.inputs import prediction_of


def unlike_params(bundle: Bundle, params: Params) -> str:
    """In words, what a bundle foretells otherwise than params ask for; empty where it is what they ask for."""
    return differences(predicted(bundle), prediction_of(params))


def check_prediction(bundle: Bundle, params: Params) -> None:
    """Refuse to work with a bundle that foretells something else.

    Raises
    ------
    FeatureMismatchError
        Names all that differs.
    """
    if differing := unlike_params(bundle, params):
        raise FeatureMismatchError(
            f"The model {bundle.model_version} foretells something else than params.yaml asks for: {differing}. Run "
            "`cvm features` and `cvm train`, or set params.yaml back. Where a challenger waits, `cvm promote` says why."
        )


def has_fitting_champion(params: Params) -> bool:
    """Whether there is a champion that this version of cvm can read, and that foretells what params ask for."""
    try:
        return not unlike_params(read_bundle(workspace_of(params).champion), params)
    except BundleError:
        return False
