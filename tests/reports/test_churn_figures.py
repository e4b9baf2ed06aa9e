from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest

from cvm.evaluation import ContactTerms, contact_decision
from cvm.models.judged_tables import lift_table, profit_table, reliability_table
from cvm.reports.canvas import canvas, label_lines
from cvm.reports.churn_figures import lift_figure, profit_figure, reliability_figure

RNG = np.random.default_rng(5)
P = RNG.beta(2, 1, 300)
CHURNED = (RNG.random(300) < P).astype(float)
CANDIDATES = {"recency rule": P**2, "churn factor": np.full(300, 0.5), "BTYD": P, "best": np.sqrt(P)}


def words(figure) -> list[str]:
    figure.savefig(BytesIO(), format="png")  # a label may fail only when it is drawn
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("draw", [reliability_figure, lift_figure])
def test_every_candidate_is_named_beside_its_line(draw):
    assert set(CANDIDATES) <= set(words(draw(CHURNED, CANDIDATES, winner="best")))


@pytest.mark.parametrize("n", [1, 3, 12])
def test_a_handful_of_customers_can_be_drawn(n):
    few = {name: p[:n] for name, p in CANDIDATES.items()}
    for draw in (reliability_figure, lift_figure):
        assert set(few) <= set(words(draw(np.ones(n), few, winner="best")))


def test_the_figure_of_profit_tells_both_ways_to_choose():
    decision = contact_decision(CHURNED, P, np.full(300, 30.0), ContactTerms(2.0, 0.1))
    text = " ".join(words(profit_figure(decision, currency="EUR")))
    assert f"churn ≥ {decision.threshold:.0%}: {decision.by_threshold.profit:,.0f}" in text
    assert f"own expected profit > 0: {decision.by_customer.profit:,.0f}" in text


def test_where_no_contact_pays_there_is_no_threshold_to_mark():
    decision = contact_decision(CHURNED, P, np.full(300, 1.0), ContactTerms(2.0, 0.1))
    assert "churn ≥" not in " ".join(words(profit_figure(decision, currency="EUR")))


def test_names_that_would_overlap_are_moved_apart():
    _, axes = canvas("title")
    axes.set_ylim(0, 1)
    label_lines(axes, [(0.9, "a", "red"), (0.9, "b", "red"), (0.1, "c", "red"), (0.95, "d", "red")])
    heights = sorted(text.xy[1] for text in axes.texts)
    assert min(np.diff(heights)) >= 0.054
    assert heights[-1] <= 1.0 + 1e-9


def test_tables_are_json_and_complete():
    decision = contact_decision(CHURNED, P, np.full(300, 30.0), ContactTerms(2.0, 0.1))
    for table in (reliability_table(CHURNED, P), lift_table(CHURNED, P), profit_table(decision)):
        read = json.loads(json.dumps(table, allow_nan=False))
        assert len({len(column) for column in read.values()}) == 1
    groups = reliability_table(CHURNED, P)
    assert sum(groups["n_customers"]) == 300
    assert all(
        low <= rate <= high for low, rate, high in zip(*(groups[k] for k in ("lower", "happened", "upper")), strict=True)
    )
    assert lift_table(np.zeros(10), P[:10])["lift"] == [None] * 10
