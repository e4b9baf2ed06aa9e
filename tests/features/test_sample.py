"""A sample of customers has their rows, every kind in its share, and the grouped histories of everybody."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cvm.engines import DuckDBEngine
from cvm.features.files import (
    PLAN_FILE,
    SAMPLE_FILE,
    features_file,
    outcome_file,
    read_features,
    read_grouped,
    read_notes,
    read_outcome,
    treatments_file,
)
from cvm.features.sample import Sampled, write_sample
from cvm.features.snapshots import SnapshotPlan
from cvm.models.btyd import Btyd
from cvm.models.btyd.histories import Histories
from shop import FIRST_DAY

SCORE = FIRST_DAY + timedelta(days=400)
EARLIER = SCORE - timedelta(days=90)
PLAN = SnapshotPlan(
    score=SCORE,
    horizon_days=90,
    lead_days=0,
    judged_days=0,
    test=None,
    training=(),
    labelled=(EARLIER,),
    first_day=FIRST_DAY,
)
N = 3000


def everybody(as_of, n):
    rng = np.random.default_rng(4)
    ids = [f"c{number:05d}" for number in range(N)]
    n_orders, recency, value = rng.geometric(0.3, N) - 1.0, rng.integers(1, 400, N).astype(float), rng.gamma(4, 10, N)
    bought = n_orders > 0
    return pa.table(
        {
            "as_of": [str(as_of)] * n,
            "customer_id": ids[:n],
            "n_orders": n_orders[:n],
            "recency_days": pa.array(recency[:n], mask=~bought[:n]),
            "tenure_days": pa.array((recency + 30 * n_orders)[:n], mask=~bought[:n]),
            "mean_order_value": pa.array(value.round(4)[:n], mask=~bought[:n]),
        }
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all")
    for as_of, n in ((SCORE, N), (EARLIER, N // 2)):
        path = features_file(folder, as_of)
        path.parent.mkdir()
        pq.write_table(everybody(as_of, n), path)
    outcome = {"customer_id": [f"c{number:05d}" for number in range(0, N // 2, 3)]}
    pq.write_table(pa.table({**outcome, "n_orders": [1.0] * 500}), outcome_file(folder, EARLIER, 90))
    pq.write_table(pa.table({**outcome, "is_treated": [True] * 500}), treatments_file(folder, EARLIER, 90))
    (folder / PLAN_FILE).write_text("{}")
    (folder / "notes.json").write_text(json.dumps(["a note"]))
    return folder


def drawn(source, folder, size):
    with DuckDBEngine() as engine:
        return write_sample(engine, source, folder, PLAN, size=size)


def test_every_kind_of_customer_is_there_in_its_share(source, tmp_path):
    found = drawn(source, tmp_path / "some", 600)
    assert found.n_customers == N
    assert 600 <= found.n_sampled < 660  # a rest of every kind is rounded up
    before, after = read_features(source, SCORE), read_features(tmp_path / "some", SCORE)
    for n_orders in range(8):
        is_kind, is_drawn = before["n_orders"] == n_orders, after["n_orders"] == n_orders
        assert is_drawn.mean() == pytest.approx(is_kind.mean(), abs=0.02)
    assert (after["n_orders"] >= 15).any()


def test_the_same_customers_are_drawn_at_every_snapshot_and_every_time(source, tmp_path):
    drawn(source, tmp_path / "one", 600)
    drawn(source, tmp_path / "other", 600)
    one, other = (read_features(tmp_path / name, SCORE)["customer_id"].tolist() for name in ("one", "other"))
    assert one == other == sorted(one)
    earlier = read_features(tmp_path / "one", EARLIER)["customer_id"].tolist()
    assert earlier == [who for who in one if who < f"c{N // 2:05d}"]
    outcome = read_outcome(tmp_path / "one", EARLIER, 90)["customer_id"]
    assert set(outcome) == {who for who in earlier if int(who[1:]) % 3 == 0}


def test_a_larger_sample_holds_the_smaller_one(source, tmp_path):
    drawn(source, tmp_path / "some", 300)
    drawn(source, tmp_path / "more", 900)
    some, more = (set(read_features(tmp_path / name, SCORE)["customer_id"]) for name in ("some", "more"))
    assert some < more


def test_everybody_is_drawn_where_there_are_no_more(source, tmp_path):
    found = drawn(source, tmp_path / "all", N)
    assert found == Sampled(N, N)
    assert not found.note
    assert len(read_features(tmp_path / "all", SCORE)) == N
    assert read_grouped(tmp_path / "all", SCORE) is None  # the features themselves are of everybody
    assert not (tmp_path / "all" / SAMPLE_FILE).exists()


def test_the_notes_say_that_it_is_a_sample(source, tmp_path):
    found = drawn(source, tmp_path / "some", 600)
    assert read_notes(tmp_path / "some") == ["a note", found.note]
    assert f"a sample of {found.n_sampled:,} of 3,000 customers" in found.note


def test_btyd_learns_from_everybody_as_it_would_from_their_features(source, tmp_path):
    drawn(source, tmp_path / "some", 600)
    whole, some = read_features(source, SCORE), read_features(tmp_path / "some", SCORE)
    grouped = read_grouped(tmp_path / "some", SCORE)
    histories = Histories(*grouped)
    assert histories.n_buyers == (whole["n_orders"] > 0).sum()
    assert histories.n_repeaters == (whole["n_orders"] > 1).sum()
    expected, found = Btyd.fit(whole), Btyd.fit(some, histories=histories)
    assert found.process.state() == pytest.approx(expected.process.state(), rel=1e-9)
    assert found.spend.state() == pytest.approx(expected.spend.state(), rel=1e-5)


def test_features_of_everybody_have_no_grouped_histories(source):
    assert read_grouped(source, SCORE) is None
