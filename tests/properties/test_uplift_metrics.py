"""What must hold of uplift metrics for any experiment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.errors import ExperimentError
from cvm.evaluation import (
    effect_qini,
    effect_signal,
    heterogeneity,
    qini_estimate,
    qini_per_customer,
    uplift_at_share,
    uplift_by_group,
    uplift_coefficient,
    uplift_table,
)

TRIALS = settings(max_examples=60, deadline=None)


@st.composite
def experiments(draw):
    """Outcome, treated, score; scores with and without ties."""
    n = draw(st.integers(4, 80))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    treated = rng.permutation(np.arange(n) < draw(st.integers(1, n - 1)))
    outcome = rng.lognormal(size=n) * (rng.random(n) < draw(st.sampled_from([0.1, 0.5, 1.0])))
    return outcome, treated, np.round(rng.normal(size=n), draw(st.sampled_from([0, 1, 8])))


@TRIALS
@given(experiments(), st.integers(0, 2**32 - 1))
def test_shuffling_customers_changes_nothing(experiment, seed):
    outcome, treated, score = experiment
    order = np.random.default_rng(seed).permutation(len(outcome))
    shuffled = (outcome[order], treated[order], score[order])
    assert qini_per_customer(*shuffled) == pytest.approx(qini_per_customer(*experiment), abs=1e-10)
    assert qini_estimate(*shuffled).upper == pytest.approx(qini_estimate(*experiment).upper, abs=1e-10)
    effects = effect_signal(outcome, treated, 0.4), effect_signal(*shuffled[:2], 0.4)
    assert effect_qini(effects[1], score[order]).value == pytest.approx(effect_qini(effects[0], score).value, abs=1e-9)
    groups, other = uplift_by_group(effects[0], score), uplift_by_group(effects[1], score[order])
    np.testing.assert_allclose(groups.effect, other.effect, atol=1e-9)


@TRIALS
@given(experiments(), st.floats(-1e6, 1e6))
def test_a_constant_score_is_worth_exactly_nothing(experiment, constant):
    outcome, treated, score = experiment
    same = np.full(len(score), constant)
    assert qini_per_customer(outcome, treated, same) == 0
    found = qini_estimate(outcome, treated, same)
    assert found.upper == pytest.approx(0, abs=1e-9)
    effect = effect_signal(outcome, treated, 0.3)
    assert effect_qini(effect, same).value == 0
    assert heterogeneity(effect, same).p_value == 1


@TRIALS
@given(experiments())
def test_reversing_the_score_reverses_the_inverse_propensity_form_exactly(experiment):
    outcome, treated, score = experiment
    effect = effect_signal(outcome, treated, 0.35)
    assert effect_qini(effect, -score).value == -effect_qini(effect, score).value


@TRIALS
@given(experiments(), st.floats(1e-3, 1e3))
def test_the_unit_of_the_outcome_is_the_unit_of_the_qini(experiment, factor):
    outcome, treated, score = experiment
    one, other = qini_estimate(outcome, treated, score), qini_estimate(factor * outcome, treated, score)
    assert other.value == pytest.approx(factor * one.value, rel=1e-9, abs=1e-9 * factor)
    assert other.lower == pytest.approx(factor * one.lower, rel=1e-9, abs=1e-9 * factor)
    effect = effect_signal(outcome, treated, 0.5)
    assert effect_qini(factor * effect, score).value == pytest.approx(factor * effect_qini(effect, score).value, abs=1e-9)


@TRIALS
@given(experiments(), st.floats(-100, 100))
def test_what_everybody_has_anyhow_is_no_effect(experiment, constant):
    outcome, treated, score = experiment
    curve_starts_with_both = len(set(treated[score == score.max()])) == 2
    if curve_starts_with_both:
        moved = qini_per_customer(outcome + constant, treated, score)
        assert moved == pytest.approx(qini_per_customer(outcome, treated, score), abs=1e-8)


@TRIALS
@given(experiments())
def test_only_the_order_of_scores_counts(experiment):
    outcome, treated, score = experiment
    assert qini_per_customer(outcome, treated, np.exp(score)) == pytest.approx(
        qini_per_customer(outcome, treated, score), abs=1e-10
    )


@TRIALS
@given(experiments(), st.integers(0, 2**32 - 1), st.floats(0.05, 1.0))
def test_tables_and_shares_do_not_depend_on_the_order_of_rows(experiment, seed, share):
    outcome, treated, score = experiment
    order = np.random.default_rng(seed).permutation(len(outcome))
    table, other = uplift_table(*experiment), uplift_table(outcome[order], treated[order], score[order])
    np.testing.assert_allclose(table.effect_so_far, other.effect_so_far, atol=1e-9)
    np.testing.assert_allclose(table.upper, other.upper, rtol=1e-6, atol=1e-6)
    raw = {"variant": "causalml_auuc_raw"}
    assert uplift_coefficient(outcome[order], treated[order], score[order], **raw) == pytest.approx(
        uplift_coefficient(*experiment, **raw), abs=1e-6
    )
    try:
        found = uplift_at_share(*experiment, share=share)
    except ExperimentError:
        return
    assert uplift_at_share(outcome[order], treated[order], score[order], share=share).value == pytest.approx(found.value)


@TRIALS
@given(experiments())
def test_the_table_ends_with_the_mean_effect(experiment):
    outcome, treated, _ = experiment
    table = uplift_table(*experiment)
    assert table.effect_so_far[-1] == pytest.approx(outcome[treated].mean() - outcome[~treated].mean(), abs=1e-9)
    assert table.n_treated.sum() == treated.sum()
    assert table.share[-1] == 1
