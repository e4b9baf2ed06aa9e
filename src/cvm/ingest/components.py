"""Connected components in SQL."""

from __future__ import annotations

from cvm.engines import DuckDBEngine, identifier


def connected_components(engine: DuckDBEngine, links: str, *, name: str) -> None:
    """Write the temporary table ``name``: every linked node and the smallest node it can be reached from.

    Large-star and small-star steps take turns until every component is a star around its smallest node: a number of
    rounds that grows with the logarithm of the longest path, so that a chain of 10,000 nodes takes some 15. A round is two
    groupings of as many rows as there are links, which the engine can do on disk.

    Parameters
    ----------
    engine : DuckDBEngine
    links : str
        Query with the columns ``a`` and ``b``, both text; their order, repeats and links to oneself do not matter.
    name : str
        Afterwards holds ``node`` and ``root``; a node that is linked to nothing but itself is not in it.

    Source
    ------
    Kiveris, Lattanzi, Mirrokni, Rastogi and Vassilvitskii (2014), Connected Components in MapReduce and Beyond.
    """
    _replace_links(engine, f"SELECT a, b FROM ({links})")
    found, before = _state(engine), None
    while found != before:
        before = found
        _replace_links(engine, _LARGE_STAR)
        _replace_links(engine, _SMALL_STAR)
        found = _state(engine)
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE {identifier(name)} AS "
        "SELECT a AS node, b AS root FROM component_link UNION SELECT b, b FROM component_link; DROP TABLE component_link"
    )


# Every node hands its larger neighbours to the smallest node it knows, itself included.
_LARGE_STAR = """
SELECT other AS a, least(node, min(other) OVER (PARTITION BY node)) AS b
FROM (SELECT a AS node, b AS other FROM component_link UNION ALL SELECT b, a FROM component_link)
QUALIFY other > node
"""
# Every node hands itself and its smaller neighbours to the smallest of them.
_SMALL_STAR = """
SELECT unnest([a, b]) AS a, root AS b FROM (SELECT a, b, min(b) OVER (PARTITION BY a) AS root FROM component_link)
"""


def _replace_links(engine: DuckDBEngine, links: str) -> None:
    """Distinct links, from the larger node to the smaller."""
    engine.execute(
        "CREATE OR REPLACE TEMP TABLE component_link AS "
        f"SELECT DISTINCT greatest(a, b) AS a, least(a, b) AS b FROM ({links}) WHERE a <> b"
    )


def _state(engine: DuckDBEngine) -> dict[str, object]:
    return engine.row("SELECT count(*) AS n, sum(hash(a, b)::HUGEINT)::VARCHAR AS h FROM component_link")
