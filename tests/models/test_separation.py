import numpy as np
import pandas as pd
import pytest

from cvm.models.separation import separating_columns, separation

N = 2_000
RNG = np.random.default_rng(3)
LABEL = (RNG.random(N) < 0.2).astype(float)


def column(values):
    return pd.Series(values)


@pytest.mark.parametrize(
    "values",
    [
        LABEL,
        -LABEL,
        LABEL.astype(bool),
        np.where(LABEL == 1, "left", "stayed"),
        np.where(LABEL == 1, RNG.normal(size=N), np.nan),  # filled in for those who left only
        np.where(LABEL == 1, np.nan, RNG.normal(size=N)),
        np.where(LABEL == 1, 3.0, RNG.choice([1.0, 5.0], N)),  # a code in the middle
        np.where(LABEL == 1, None, RNG.choice(["a", "b"], N)),
        np.where(LABEL == 1, np.inf, RNG.normal(size=N)),
        np.where(LABEL == 1, pd.Timestamp("2024-05-01"), pd.NaT),
        pd.array(LABEL, dtype="Int64"),
    ],
)
def test_what_was_written_down_after_the_outcome_separates(values):
    assert separation(column(values), LABEL) > 0.995


@pytest.mark.parametrize(
    "values",
    [
        [f"id{number}" for number in range(N)],
        np.arange(N),
        RNG.normal(size=N),
        np.full(N, np.nan),
        np.full(N, "same"),
        pd.array([None] * N, dtype="string"),
    ],
)
def test_ids_noise_and_nothing_separate_nothing(values):
    assert separation(column(values), LABEL) < 0.56


def test_a_good_feature_is_no_leak():
    features = pd.DataFrame({"good": LABEL * 3 + RNG.normal(size=N), "leak": LABEL, "leak_too": 1 - LABEL})
    assert 0.95 < separation(features["good"], LABEL) < 0.99
    assert separating_columns(features, LABEL) == [("leak", 1.0), ("leak_too", 1.0)]
    assert [name for name, _ in separating_columns(features, LABEL, least_auc=0.9)] == ["leak", "leak_too", "good"]


def test_with_one_kind_of_label_nothing_is_told():
    assert np.isnan(separation(column(LABEL), np.zeros(N)))
    assert separating_columns(pd.DataFrame({"any": LABEL}), np.ones(N)) == []


def test_large_tables_are_judged_by_a_share_of_their_rows():
    n = 300_000
    label = (np.random.default_rng(0).random(n) < 0.01).astype(float)
    found = separating_columns(pd.DataFrame({"leak": label, "noise": np.arange(n)}), label)
    assert found == [("leak", 1.0)]
