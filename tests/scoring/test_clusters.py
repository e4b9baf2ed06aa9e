from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from cvm.scoring.clusters import CLUSTERS_FILE, read_profiles, write_clusters
from cvm.scoring.score import score_table


def test_every_buyer_is_in_one_cluster_and_the_profiles_say_which(trained, tmp_path):
    scores = score_table(trained.bundle, trained.features, as_of=trained.as_of)
    write_clusters(tmp_path, trained.features, scores, k=3, seed=7)
    table = pq.read_table(tmp_path / CLUSTERS_FILE).to_pandas()
    buyers = trained.features.loc[trained.features["n_orders"] > 0, "customer_id"]
    assert table["customer_id"].tolist() == buyers.tolist()
    found = read_profiles(tmp_path)
    assert (found["k"], len(found["tried"]), len(found["clusters"])) == (3, 2, 3)
    assert (found["note"] is None) == (found["stability"] >= found["stable_from"])
    assert sum(cluster["share"] for cluster in found["clusters"]) == pytest.approx(1)
    values = [cluster["mean_clv"] for cluster in found["clusters"]]
    assert values == sorted(values, reverse=True)
    for number, cluster in enumerate(found["clusters"], 1):
        members = table[table["cluster"] == number]
        assert (len(members), set(members["name"])) == (cluster["n"], {cluster["name"]})
    together = table.merge(scores.select(["customer_id", "clv"]).to_pandas(), on="customer_id")
    assert together.groupby("cluster")["clv"].mean().tolist() == pytest.approx(values)


def test_a_few_customers_make_no_clusters(trained, tmp_path):
    scores = score_table(trained.bundle, trained.features, as_of=trained.as_of)
    write_clusters(tmp_path, trained.features.head(50), scores.slice(0, 50), k=None, seed=7)
    assert list(tmp_path.iterdir()) == []
    assert read_profiles(tmp_path) is None
