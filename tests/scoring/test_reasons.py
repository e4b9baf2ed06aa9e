from __future__ import annotations

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from cvm.models.attribution import Contributions
from cvm.models.btyd import BTYD_COLUMNS
from cvm.models.bundle import Bundle, read_bundle
from cvm.models.churn import ChurnFactorRule, RecencyRule
from cvm.models.churn_blend import fit_blended_churn
from cvm.scoring import reasons as reasons_module
from cvm.scoring.pyfunc import ScoringModel
from cvm.scoring.reasons import reasons, strongest
from cvm.scoring.schema import REASONS
from cvm.scoring.score import score_table
from simulated import bundle, sample

AS_OF = date(2024, 6, 1)
COLUMNS = ["n_orders", "recency_days", "tenure_days", "recency_over_mean_gap", "noise", "colour", *BTYD_COLUMNS]


def customers(n_customers: int = 400, *, seed: int = 2) -> pd.DataFrame:
    """Customers as the features stage would hand them over, two of them prospects."""
    frame = sample(n_customers=n_customers, seed=seed).features.drop(columns=list(BTYD_COLUMNS))
    frame = frame.assign(spend=frame["n_orders"] * frame["mean_order_value"], historic_value=10.0, last_gap_days=30.0)
    is_prospect = frame.index.isin([3, 5])
    frame.loc[is_prospect, frame.select_dtypes("number").columns] = np.nan
    frame.loc[is_prospect, ["n_orders", "spend", "historic_value"]] = 0.0
    return frame


@pytest.fixture(scope="module")
def by_recency() -> Bundle:
    """A booster taught that nothing but recency decides who churns."""
    samples = []
    for seed in (1, 3):
        part = sample(n_customers=1500, seed=seed)
        leaves = expit((part.features["recency_days"].to_numpy() - 60) / 10)
        stays = np.random.default_rng(seed).random(len(leaves)) >= leaves
        samples.append(replace(part, n_orders=stays.astype(float)))
    return bundle(churn=fit_blended_churn(samples, samples[0].ahead, columns=COLUMNS, settings={"num_threads": 1}, seed=1))


def told(model: Bundle, asked: pd.DataFrame) -> list[list[dict]]:
    return reasons(model, asked, as_of=AS_OF).to_pylist()


class TestRecency:
    def test_where_it_alone_drives_churn_it_is_the_first_reason(self, by_recency) -> None:
        asked = customers(1200)
        firsts = [
            of_customer[0]
            for of_customer, silence in zip(told(by_recency, asked), asked["recency_days"], strict=True)
            if silence > 120
        ]
        named = [first["feature"] in ("recency_days", "recency_over_mean_gap") for first in firsts]
        assert len(named) > 300
        assert np.mean(named) > 0.95
        assert {first["direction"] for first, is_recency in zip(firsts, named, strict=True) if is_recency} == {"raises"}

    @pytest.mark.parametrize("kind", ["booster", "recency rule", "churn factor", "BTYD"])
    def test_its_sentence_tells_the_silence_and_what_is_usual(self, by_recency, kind: str) -> None:
        model = {
            "booster": by_recency,
            "recency rule": bundle(churn=RecencyRule(-1.0, 0.5, 0.3)),
            "churn factor": bundle(churn=ChurnFactorRule(-1.0, 0.5, 0.3)),
            "BTYD": bundle(),
        }[kind]
        asked = customers(1).assign(n_orders=10.0, tenure_days=373.0, recency_days=94.0, recency_over_mean_gap=94 / 31)
        first = told(model, asked)[0][0]
        assert first["sentence"] == "no order for 94 days; usually every 31 days"
        assert first["direction"] == "raises"
        assert first["value"] == pytest.approx(asked[first["feature"]].iloc[0])


class TestShape:
    def test_prospects_have_none_and_others_up_to_three_about_different_things(self, by_recency) -> None:
        asked = customers()
        found = reasons(by_recency, asked, as_of=AS_OF)
        assert found.type == REASONS
        rows = found.to_pylist()
        assert [position for position, row in enumerate(rows) if row is None] == [3, 5]
        assert all(len(row) <= 3 and len({reason["feature"] for reason in row}) == len(row) for row in rows if row)
        assert {reason["direction"] for row in rows if row for reason in row} == {"raises", "lowers"}

    def test_nobody_has_no_reasons(self) -> None:
        assert told(bundle(), customers().head(0)) == []
        assert told(bundle(), customers().iloc[[3, 5]]) == [None, None]

    def test_a_customers_reasons_depend_on_nobody_else(self, by_recency, monkeypatch) -> None:
        asked = customers()
        expected = told(by_recency, asked)
        shuffled = asked.sample(frac=1, random_state=4)
        assert told(by_recency, shuffled) == [expected[position] for position in shuffled.index]
        assert told(by_recency, asked.iloc[[17]]) == [expected[17]]
        monkeypatch.setattr(reasons_module, "_CHUNK", 7)
        assert told(by_recency, asked) == expected

    def test_optional_features_may_be_missing(self, by_recency) -> None:
        asked = customers(20).drop(columns=["recency_over_mean_gap", "noise", "colour"])
        assert all(row for position, row in enumerate(told(by_recency, asked)) if position not in (3, 5))

    def test_who_is_beyond_the_models_reach_is_told_what_btyd_sees(self, by_recency) -> None:
        asked = customers()
        far = (asked["recency_days"] > 100).to_numpy()
        limited = told(bundle(churn=by_recency.churn, eligible_days=100), asked)
        unlimited = told(by_recency, asked)
        assert [row for row, is_far in zip(limited, far, strict=True) if not is_far] == [
            row for row, is_far in zip(unlimited, far, strict=True) if not is_far
        ]
        beyond = [reason for row, is_far in zip(limited, far, strict=True) if is_far for reason in row]
        assert {reason["feature"] for reason in beyond} == {"recency_days", "n_orders"}

    def test_a_bundle_on_file_tells_the_same(self, by_recency, tmp_path) -> None:
        by_recency.write(tmp_path)
        again = read_bundle(tmp_path)
        assert again.reference == by_recency.reference
        assert again.model_version == by_recency.model_version
        assert told(again, customers()) == told(by_recency, customers())


class TestScores:
    def test_they_are_in_the_scores_and_no_id_is_in_them(self, trained) -> None:
        scores = score_table(trained.bundle, trained.features, as_of=trained.as_of).to_pylist()
        for row in scores:
            assert (row["reasons"] is None) == (row["p_churn"] is None)
            for reason in row["reasons"] or ():
                assert row["customer_id"] not in reason["sentence"]
                assert "@" not in reason["sentence"]

    def test_they_are_served_as_json(self, trained) -> None:
        answer = ScoringModel(trained.bundle).predict(trained.features)
        served = json.loads(json.dumps(answer["reasons"].tolist(), allow_nan=False))
        assert served == score_table(trained.bundle, trained.features, as_of=trained.as_of)["reasons"].to_pylist()


class TestStrongest:
    KNOWN = pd.DataFrame({"recency_days": [10.0, 10.0], "n_orders_30d": [1.0, np.nan], "colour": ["red", None]})

    def chosen(self, *rows: list[float], fields=("recency_days", "n_orders_30d", "colour")) -> list[list[str | None]]:
        found = strongest(Contributions(0.0, fields, np.array(rows)), self.KNOWN.head(len(rows)))
        return [[fields[field] if field >= 0 else None for field in row] for row in found.field.tolist()]

    def test_a_theme_is_told_by_the_field_that_speaks_for_its_direction(self) -> None:
        assert self.chosen([-0.3, 0.9, 0.1]) == [["n_orders_30d", "colour"]]
        assert self.chosen([-0.9, 0.3, 0.1]) == [["recency_days", "colour"]]

    def test_a_field_that_is_missing_is_told_only_where_nothing_else_is(self) -> None:
        assert self.chosen([0.3, 0.1, 0.5], [0.1, 0.9, 0.5]) == [["colour", "recency_days"], ["recency_days", "colour"]]

    def test_what_hardly_moves_anything_is_no_reason(self) -> None:
        assert self.chosen([0.5, 0.0, 0.01]) == [["recency_days", None]]
