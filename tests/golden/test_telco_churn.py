"""The flat table everybody knows: 7,043 subscribers, 1,869 of whom left, and 11 blank TotalCharges."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cvm import cross_validate_churn
from cvm.models.crossvalidation import BASE_RATE, BOOSTED, LOGISTIC
from cvm.models.labelled import labelled_table, read_flat_file

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def telco() -> Path:
    path = Path(os.environ.get("CVM_DATA_DIR", SHARED)) / "telco_churn.csv"
    if not path.is_file():
        pytest.skip("telco_churn.csv is not on this machine; see `cvm data list`")
    return path


def test_blank_charges_are_missing_numbers(telco: Path) -> None:
    table = labelled_table(read_flat_file(telco), label="Churn")
    assert (len(table.churned), table.churned.sum(), len(table.roles)) == (7_043, 1_869, 19)
    assert table.roles["TotalCharges"] == "number"
    assert table.features["TotalCharges"].isna().sum() == 11


@pytest.mark.slow
def test_the_area_is_that_of_the_best_honest_models(telco: Path) -> None:
    found = cross_validate_churn(read_flat_file(telco), label="Churn")
    assert 0.84 <= found.area.value <= 0.855
    assert found.area.value >= found.metrics[LOGISTIC]["auc"]
    assert found.metrics[BOOSTED]["calibration_error"] < 0.015
    assert found.metrics[BOOSTED]["lift_top_decile"] > 2.8
    assert found.metrics[BOOSTED]["brier"] < 0.7 * found.metrics[BASE_RATE]["brier"]
    assert next(iter(found.model.boosted.importance())) == "Contract"
