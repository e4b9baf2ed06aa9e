from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from cvm.ingest.components import connected_components
from memory import Memory


def components(links: list[tuple[str, str]]) -> dict[str, str]:
    """Node to root."""
    with Memory() as engine:
        a, b = ([link[side] for link in links] for side in (0, 1))
        engine.register("links", pa.table({"a": pa.array(a, pa.string()), "b": pa.array(b, pa.string())}))
        connected_components(engine, "SELECT * FROM links", name="found")
        assert engine.tables() == {"found"}
        return {row["node"]: row["root"] for row in engine.table("SELECT * FROM found").to_pylist()}


def test_no_links_no_components() -> None:
    assert components([]) == {}
    assert components([("a", "a")]) == {}


def test_every_node_finds_the_smallest_of_its_component() -> None:
    links = [("d", "b"), ("b", "d"), ("c", "b"), ("y", "x"), ("x", "x")]
    assert components(links) == {"b": "b", "c": "b", "d": "b", "x": "x", "y": "x"}


def test_a_chain_of_ten_thousand_is_one_component_in_any_order() -> None:
    nodes = [f"n{number:05d}" for number in range(10_000)]
    nodes = np.random.default_rng(3).permutation(nodes).tolist()
    found = components(list(pairwise(nodes)))
    assert found == dict.fromkeys(nodes, "n00000")


def test_a_random_graph_has_the_components_of_a_union_find() -> None:
    drawn = np.random.default_rng(5).integers(0, 2000, (1100, 2))
    links = [(f"{a:04d}", f"{b:04d}") for a, b in drawn]
    parent = {node: node for link in links for node in link if link[0] != link[1]}

    def find(node: str) -> str:
        while parent[node] != node:
            node = parent[node]
        return node

    for a, b in links:
        if a != b:
            low, high = sorted([find(a), find(b)])
            parent[high] = low
    assert components(links) == {node: find(node) for node in parent}
