"""The ceiling: the posterior is right, and says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.datasets.simulate import SimulationOutcome, simulate
from cvm.datasets.simulate.ceiling import Ceiling, ceiling
from cvm.datasets.simulate.likelihood import candidates_after
from cvm.datasets.simulate.world import World
from cvm.errors import MissingOutputError, ParamsError, SourceError
from cvm.evaluation import reliability

N_CUSTOMERS = 12_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ceiling")
    simulate(folder, n_customers=N_CUSTOMERS, seed=2)
    return folder


@pytest.fixture(scope="module")
def figures(folder: Path) -> Ceiling:
    return ceiling(folder)


@pytest.fixture(scope="module")
def both(folder: Path, figures: Ceiling) -> pd.DataFrame:
    """Truth and oracle side by side; the oracle's columns end in ``_known``."""
    truth, oracle = (pq.read_table(folder / "truth" / f"{name}.parquet").to_pandas() for name in ("truth", "oracle"))
    return pd.concat([truth, oracle.rename(columns={name: f"{name}_known" for name in oracle if name in truth})], axis=1)


def test_p_alive_is_calibrated(figures: Ceiling) -> None:
    # Required: .03. A decile of 1,180 customers has a standard error of at most .0145.
    assert figures.p_alive_gap < 0.03
    assert figures.p_alive_error < 0.01
    assert len(figures.p_alive_predicted) == len(figures.p_alive_happened) == 10


def test_expected_value_is_right_in_sum_and_by_decile(figures: Ceiling, both: pd.DataFrame) -> None:
    assert figures.ratio_to_truth == pytest.approx(1, abs=0.02)
    # The sum of 12,000 futures has a standard error of 1.3 per cent.
    assert figures.ratio_to_future == pytest.approx(1, abs=0.04)
    for horizon_days in (90, 181, 365):
        groups = reliability(
            both[f"expected_revenue_{horizon_days}d"].to_numpy(), both[f"expected_truth_revenue_{horizon_days}d"].to_numpy()
        )
        # Of the upper seven deciles, which hold all but a hundredth of the value; standard errors of 2 to 4 per cent.
        assert groups.happened[3:] / groups.predicted[3:] == pytest.approx(np.ones(7), abs=0.12)
        for quantity in ("orders", "margin"):
            name = f"expected_{quantity}_{horizon_days}d"
            assert both[f"{name}_known"].sum() / both[name].sum() == pytest.approx(1, abs=0.02)


def test_nobody_ranks_the_future_better_than_the_truth(figures: Ceiling) -> None:
    assert 0.8 < figures.spearman_with_truth < 0.95
    assert 0.8 < figures.normalised_gini < figures.normalised_gini_of_truth < 1


def test_state_is_partly_hidden(figures: Ceiling) -> None:
    # By behaviour alone, less than half of the variance of being alive can be explained.
    assert 0.2 < figures.alive_explained_by_behaviour < 0.5
    assert figures.alive_explained_by_behaviour < figures.alive_explained < 0.9
    assert figures.p_alive_auc < 0.99


def test_expected_effects_are_calibrated(both: pd.DataFrame) -> None:
    for arm in ("email", "letter"):
        for window in ("next", "next_year"):
            true = both[f"effect_{window}_{arm}"]
            known = both[f"effect_given_observables{window.removeprefix('next')}_{arm}"]
            eligible = true.notna()
            groups = reliability(true[eligible].to_numpy(), known[eligible].to_numpy(), n_groups=4)
            # Quarters of 1,500 customers, whose true effects spread by 4 in a month and 10 in a year.
            error = true[eligible].std() / np.sqrt(eligible.sum() / 4)
            assert np.all(np.abs(groups.predicted - groups.happened) < 3.5 * error)


def test_knowing_more_is_worth_more(figures: Ceiling) -> None:
    value = figures.net_value
    assert value["truth"] > value["observable"] > max(value["email for all"], value["letter for all"])
    assert value["observable"] > 1.2 * value["email for all"]
    assert all(0.1 < share < 0.6 for share in figures.effect_explained.values())


def test_figures_can_be_printed(figures: Ceiling) -> None:
    text = "\n".join(f"{what}: {how_much}" for what, how_much in figures.rows())
    for expected in ("12,000, of whom", "Spearman", "P(alive)", "letter for all", "observable"):
        assert expected in text


def test_the_oracle_has_every_customer_once(folder: Path, both: pd.DataFrame) -> None:
    assert len(both) == N_CUSTOMERS
    assert both["p_alive"].between(0, 1).all()
    assert (both.loc[~both["has_ordered"], "p_alive"] == 1).all()
    oracle = pq.read_table(folder / "truth" / "oracle.parquet")
    assert oracle["customer_id"].equals(pq.read_table(folder / "truth" / "truth.parquet")["customer_id"])
    assert not any("future" in name or "left" in name for name in oracle.column_names)


def test_a_base_of_other_people_is_refused(tmp_path: Path) -> None:
    simulate(tmp_path, n_customers=50, seed=1)
    path = tmp_path / "truth" / "truth.parquet"
    truth = pq.read_table(path)
    pq.write_table(truth.take(pa.array(range(49, -1, -1))), path)
    with pytest.raises(SourceError, match="was simulated by another version of cvm or numpy"):
        ceiling(tmp_path)


def test_no_base_no_ceiling(tmp_path: Path) -> None:
    with pytest.raises(MissingOutputError, match="Run `cvm simulate` first"):
        ceiling(tmp_path)


def test_a_horizon_without_truth_is_refused(simulated: SimulationOutcome) -> None:
    with pytest.raises(ParamsError, match=r"horizon_days == 30, must be one of \[90, 181, 365\]"):
        ceiling(simulated.folder, horizon_days=30)


def test_a_damaged_truth_is_refused(tmp_path: Path) -> None:
    simulate(tmp_path, n_customers=50, seed=1)
    (tmp_path / "truth" / "truth.parquet").write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"truth.parquet cannot be read"):
        ceiling(tmp_path)


def test_candidates_cover_the_time_since_the_last_order() -> None:
    candidates = candidates_after(World(), np.array([-1.0, -400.0]))
    width = np.exp(candidates.log_width)
    before = ~candidates.is_alive
    # A midpoint rule of 64 steps: exact to a few parts in ten thousand.
    assert width[:, before].sum(axis=1) == pytest.approx([1.0, 400.0], rel=1e-3)
    assert width[:, candidates.is_alive][:, :-1].sum(axis=1) == pytest.approx([56.0, 56.0])
    assert (np.diff(candidates.day, axis=1) > 0).all()
