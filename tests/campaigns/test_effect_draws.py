"""Sizes that the draw fixed, segments of scores, looks while outcomes come in, and cells."""

from __future__ import annotations

from datetime import date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shop
from campaign_ledger import STARTS, campaign, drawn, gate, judged, line
from cvm.campaigns.effect_cells import cells_of, evaluate_together
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.errors import ExperimentError


def fixed_draw(*, n_control, n_mail, strata=("a", "b")):
    """Arms of fixed size in each stratum, drawn half and half."""
    ledger = []
    for stratum in strata:
        for arm, n in (("control", n_control), ("mail", n_mail)):
            ledger += [drawn(f"{stratum}{arm}{i}", arm, propensity=0.5, stratum=stratum) for i in range(n)]
    return {
        "assignments": ledger,
        "transactions": [line(ledger[0]["customer_id"], days=1, amount=5.0), line("z", days=90, amount=1.0)],
    }


def test_sizes_that_the_draw_fixed_must_be_equal():
    """Nine control customers too few in 400 are nothing to a chi-square, and impossible for a fixed draw."""
    lost = fixed_draw(n_control=91, n_mail=100)
    assert gate(judged(lost), "sample ratio").startswith("serious: SIZES DIFFER FROM THE DRAW")
    assert "stratum 'a': control 91, drawn for 95.5" in gate(judged(lost), "sample ratio")
    assert gate(judged(lost, draw="independent"), "sample ratio").startswith("ok")
    assert gate(judged(fixed_draw(n_control=100, n_mail=101)), "sample ratio").startswith(
        "ok: control 200, mail 202; as drawn"
    )


def test_fixed_sizes_without_strata_are_asked_for_in_params():
    tables = fixed_draw(n_control=91, n_mail=100, strata=("a",))
    for row in tables["assignments"]:
        del row["stratum"]
    assert gate(judged(tables), "sample ratio").startswith("ok")
    assert gate(judged(tables, draw="fixed"), "sample ratio").startswith("serious: SIZES DIFFER")


def test_a_ledger_with_exact_draws_by_stratum_passes():
    from cvm.campaigns.assignment import Split
    from python_draws import assign_balanced

    names, strata = [f"c{i}" for i in range(1_000)], [str(i % 7) for i in range(1_000)]
    split = Split({"control": 0.13, "mail": 0.6, "call": 0.27})
    arms = assign_balanced(names, strata, split, campaign_id="spring", salt="s")
    ledger = [
        drawn(name, str(arm), propensity=split.shares[arm], stratum=stratum)
        for name, arm, stratum in zip(names, arms, strata, strict=True)
    ]
    found = judged({"assignments": ledger, "transactions": [line("c1", days=1, amount=1.0), line("z", days=90, amount=1.0)]})
    assert gate(found, "sample ratio").startswith("ok")
    assert "7 strata" in gate(found, "sample ratio")


@pytest.fixture
def scores(tmp_path):
    """Scores before and after the campaign began, and its tables."""
    tables = campaign(n=600)

    def write(as_of: date, tier: str) -> None:
        ids = [row["customer_id"] for row in tables["assignments"]][:500]
        pq.write_table(
            pa.table({"customer_id": ids, "value_tier": [f"{tier}{i % 2}" for i in range(500)], "reasons": [["a"]] * 500}),
            tmp_path / f"{as_of}.parquet",
        )

    days = {date(2024, 1, 1): "old", date(2024, 3, 1): "known", date(2024, 3, 2): "later"}
    for as_of, tier in days.items():
        write(as_of, tier)
    return tables, {as_of: tmp_path / f"{as_of}.parquet" for as_of in days}


def test_segments_of_scores_are_those_known_when_the_campaign_began(scores):
    tables, files = scores
    found = judged(tables, segment_by="value_tier", score_files=files)
    assert {row.segment for row in found.segments} == {"known0", "known1", "unknown"}
    assert (found.segment_by, found.scores_as_of) == ("value_tier", date(2024, 3, 1))
    assert sum(row.n_treated + row.n_control for row in found.segments) == 600


def test_scores_younger_than_the_campaign_are_refused(scores):
    tables, files = scores
    younger = {date(2024, 3, 2): files[date(2024, 3, 2)]}
    with pytest.raises(ExperimentError, match=r"\(2024-03-02 is the first\) are younger than the campaign \(2024-03-01\)"):
        judged(tables, segment_by="value_tier", score_files=younger)
    older = files[date(2024, 1, 1)]
    pq.write_table(pq.read_table(older).drop_columns("value_tier"), older)
    with pytest.raises(ExperimentError, match=r"\(2024-03-02 is the first\) are younger than the campaign \(2024-03-01\)"):
        judged(tables, segment_by="value_tier", score_files={date(2024, 1, 1): older} | younger)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("reasons", "is VARCHAR\\[\\], not one value per customer"),
        ("tier", "no column of customers .* nor of scores of 2024"),
    ],
)
def test_columns_that_are_no_segments_are_refused(scores, column, message):
    tables, files = scores
    with pytest.raises(ExperimentError, match=message):
        judged(tables, segment_by=column, score_files=files)


def test_looks_are_wider_the_earlier_they_are():
    tables = campaign(n=2_000, lift=20.0)
    end = judged(tables, sequential=True)
    early = judged(tables, sequential=True, allow_partial=True, observed_until=datetime(2024, 3, 9, 10))
    assert (end.information, early.information) == pytest.approx((1.0, 8 / 30), rel=0.06)
    for found in (early, end):
        effect = found.effect("mail", "margin")
        assert effect.always_valid.upper - effect.always_valid.lower > 1.5 * (effect.best.upper - effect.best.lower)
        assert found.effect("mail", "margin").always_valid.p_value > effect.best.p_value
    assert end.verdicts[0].word == "works"
    assert judged(tables).effect("mail", "margin").always_valid is None


def test_the_verdict_of_many_looks_needs_more():
    tables = campaign(n=1_200, lift=6.5)
    once, often = judged(tables), judged(tables, sequential=True)
    assert (once.verdicts[0].word, often.verdicts[0].word) == ("works", "inconclusive")


def cells(*, overlap=False):
    tables = campaign(n=1_000, arms=("control", "mail"))
    for number, row in enumerate(tables["assignments"]):
        row["campaign_id"] = "spring.letter" if number % 2 else "spring.call"
    if overlap:
        tables["assignments"].append({**tables["assignments"][0], "campaign_id": "spring.letter"})
    return shop.warehouse(**tables)


def test_cells_are_judged_apart_and_added_up():
    engine = cells()
    found = evaluate_together(engine, "spring", EvaluationSettings(outcome_days=30, fixed_cost=50.0))
    assert cells_of(engine, "spring") == ["spring.call", "spring.letter"]
    assert [cell.campaign_id for cell in found.cells] == ["spring.call", "spring.letter"]
    arms = [arm for cell in found.cells for arm in cell.earned]
    assert found.total.cost == pytest.approx(sum(arm.cost for arm in arms))
    assert found.total.cost == pytest.approx(sum(arm.n_treated for arm in arms) + 50)
    assert found.total.net == pytest.approx(sum(arm.net.value for arm in arms))
    apart = sum(arm.net.standard_error**2 for arm in arms) ** 0.5
    net = found.total.bootstrap.net
    assert net.upper - net.lower == pytest.approx(2 * 1.96 * apart, rel=0.1)


def test_cells_that_share_customers_do_not_add_up():
    with pytest.raises(ExperimentError, match="1 customers are in several cells of campaign 'spring'"):
        evaluate_together(cells(overlap=True), "spring", EvaluationSettings(outcome_days=30))


def test_a_campaign_without_cells_is_no_family():
    with pytest.raises(ExperimentError, match=r"no campaign whose name begins with 'autumn\.'"):
        evaluate_together(cells(), "autumn", EvaluationSettings(outcome_days=30))
    assert cells_of(cells(), "spring.call") == []


def test_a_campaign_may_be_a_cell_of_itself():
    engine = cells()
    engine.execute("UPDATE assignments SET campaign_id = 'spring' WHERE campaign_id = 'spring.call'")
    assert cells_of(engine, "spring") == ["spring", "spring.letter"]
    found = evaluate_together(engine, "spring", EvaluationSettings(outcome_days=30))
    assert [cell.campaign_id for cell in found.cells] == ["spring", "spring.letter"]


def test_a_loss_too_small_to_matter_is_told_and_no_ground_to_give_up():
    found = judged(fixed_draw(n_control=2_000, n_mail=2_003, strata=("a",)))
    assert gate(found, "sample ratio").startswith("warning: SIZES DIFFER FROM THE DRAW")


def test_scores_of_the_day_of_the_campaign_are_known_on_the_clock_of_the_business(scores):
    """23:30 UTC of the last of February is the first of March in Kyiv, whose scores are then known."""
    tables, files = scores
    for row in tables["assignments"]:
        row["assigned_at"] = STARTS.replace(month=2, day=29, hour=23)
    settings = {"segment_by": "value_tier", "score_files": files}
    assert judged(tables, timezone="Europe/Kyiv", **settings).scores_as_of == date(2024, 3, 1)
    assert judged(tables, **settings).scores_as_of == date(2024, 1, 1)
