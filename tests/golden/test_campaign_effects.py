"""Campaigns whose effects are known: Hillstrom's e-mails and the waves of Starbucks, from files to effects.

Sources: Hillstrom (2008), MineThatData E-Mail Analytics challenge, and Udacity's Starbucks capstone; counts, means, Welch
differences and chi-square follow from the public files by definition. Adjusted figures depend on conventions: within 2 %.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest

from cvm.campaigns.effect import ANY, evaluate
from cvm.campaigns.effect_settings import EvaluationSettings
from cvm.datasets import DATASETS, is_available, prepare
from cvm.engines import DuckDBEngine, literal
from memory import Memory

SHARED = Path(__file__).parents[3] / "shared" / "data"


def warehouse(name: str, folder: Path) -> DuckDBEngine:
    source = Path(os.environ["CVM_DATA_DIR"]) if "CVM_DATA_DIR" in os.environ else SHARED
    if not is_available(DATASETS[name], source):
        if source.is_dir() and os.environ.get("CI"):
            pytest.fail(f"{source} is there and lacks the files of {name}")
        pytest.skip(f"the public files of {name} are not on this machine; see `cvm data list`")
    prepare(DATASETS[name], folder, source=source)
    engine = Memory()
    for path in (folder / "data").glob("*.parquet"):
        money = "* REPLACE (CAST(amount AS DECIMAL(18, 4)) AS amount)" if path.stem == "transactions" else "*"
        engine.replace_table(path.stem, f"SELECT {money} FROM read_parquet({literal(str(path))})")
    return engine


@pytest.fixture(scope="module")
def hillstrom(tmp_path_factory: pytest.TempPathFactory) -> DuckDBEngine:
    return warehouse("hillstrom", tmp_path_factory.mktemp("hillstrom"))


@pytest.fixture(scope="module")
def starbucks(tmp_path_factory: pytest.TempPathFactory) -> DuckDBEngine:
    return warehouse("starbucks", tmp_path_factory.mktemp("starbucks"))


def hillstrom_effect(engine: DuckDBEngine, *covariates: str):
    settings = EvaluationSettings(
        14, observed_until=datetime(2008, 4, 3), events=("visit",), metric="revenue", covariates=covariates
    )
    return evaluate(engine, "hillstrom", settings)


def test_hillstrom_arms(hillstrom):
    found = {arm.arm: arm for arm in hillstrom_effect(hillstrom).arms}
    assert {name: arm.n for name, arm in found.items()} == {"control": 21_306, "mens": 21_307, "womens": 21_387}
    published = {
        "control": (0.106167, 0.005726, 0.652789),
        "mens": (0.182757, 0.012531, 1.422617),
        "womens": (0.151400, 0.008837, 1.077202),
    }
    for name, figures in published.items():
        means = found[name].means
        assert (means["did_visit"], means["active"], means["revenue"]) == pytest.approx(figures, abs=5.1e-7)


def test_hillstrom_effects_and_their_welch_errors(hillstrom):
    found = hillstrom_effect(hillstrom)
    published = {
        "mens": ((0.076590, 0.003386), (0.006805, 0.000921), (0.769827, 0.145247)),
        "womens": ((0.045233, 0.003234), (0.003111, 0.000823), (0.424412, 0.130333)),
        ANY: ((0.060882, 0.002777), (0.004955, 0.000717), (0.596796, 0.112556)),
    }
    for arm, figures in published.items():
        for metric, expected in zip(("did_visit", "active", "revenue"), figures, strict=True):
            plain = found.effect(arm, metric).plain
            assert (plain.value, plain.standard_error) == pytest.approx(expected, abs=5.1e-7)


def test_hillstrom_sample_ratio(hillstrom):
    gate = hillstrom_effect(hillstrom).gates[0]
    assert (gate.name, gate.severity) == ("sample ratio", "ok")
    assert "chi2 0.2025, p 0.9037" in gate.message


def test_hillstrom_adjusted(hillstrom):
    found = hillstrom_effect(hillstrom, "recency", "history", "mens", "womens", "newbie")
    for arm, value, error in (("mens", 0.0761, 0.0033), ("womens", 0.0454, 0.0032)):
        adjusted = found.effect(arm, "did_visit").adjusted
        assert (adjusted.value, adjusted.standard_error) == pytest.approx((value, error), rel=0.02)
    cuped = hillstrom_effect(hillstrom, "history").effect("mens", "revenue").cuped
    assert (cuped.value, cuped.standard_error) == pytest.approx((0.767, 0.145), rel=0.02)


@pytest.mark.parametrize(
    ("hour", "received", "difference", "error"),
    [
        (0, 12_650, 11.536, 0.640),
        (168, 12_669, 12.221, 0.614),
        (336, 12_711, 6.225, 0.379),
        (408, 12_778, 5.094, 0.653),
        (504, 12_704, 4.804, 0.565),
        (576, 12_765, 7.684, 0.849),
    ],
)
def test_starbucks_waves(starbucks, hour, received, difference, error):
    """Waves overlap, so each counts until the next; the last until hour 714, with which the data end."""
    settings = EvaluationSettings(
        7, metric="revenue", until_next=True, allow_partial=True, observed_until=datetime(2018, 8, 30, 18)
    )
    found = evaluate(starbucks, f"wave-{hour:03d}", settings)
    assert {arm.arm: arm.n for arm in found.arms} == {"control": 17_000 - received, "offer": received}
    plain = found.effect("offer", "revenue").plain
    assert (plain.value, plain.standard_error) == pytest.approx((difference, error), abs=5.1e-4)
    assert found.is_partial == (hour == 576)
    assert found.gates[0].severity == "ok"
