"""Everybody is in exactly one segment, and what two runs are compared by adds up to both."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.segments import DEFAULT_RULES, LIFECYCLE_STAGES, SEGMENTS, VALUE_TIERS, border_crossers, matched, migration_matrix

bounded = settings(derandomize=True, deadline=None, database=None, max_examples=12)

customers = st.dictionaries(
    st.integers(0, 30).map(lambda number: f"c{number:02d}"),
    st.tuples(st.sampled_from(SEGMENTS), st.floats(-1e3, 1e6), st.one_of(st.none(), st.floats(0, 1))),
    max_size=25,
)


def run(people: dict[str, tuple[str, float, float | None]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": pd.array(list(people), dtype="str"),
            "segment": pd.array([row[0] for row in people.values()], dtype="str"),
            "clv": np.array([row[1] for row in people.values()], dtype=float),
            "p_churn": np.array([row[2] for row in people.values()], dtype=float),
        }
    )


@bounded
@given(customers, customers)
def test_migrations_add_up_to_both_runs(previous, now):
    before, after = run(previous), run(now)
    both = matched(before, after)
    matrix = migration_matrix(both)
    assert matrix["n_customers"].sum() == len({*previous, *now})
    for side, value, frame in (("from_segment", "previous_clv", before), ("to_segment", "clv", after)):
        counts = matrix.dropna(subset=[side]).groupby(side)["n_customers"].sum()
        assert counts.to_dict() == frame["segment"].value_counts().to_dict()
        assert matrix[value].sum() == pytest.approx(frame["clv"].sum())
        if len(frame):
            assert (counts / len(frame)).sum() == pytest.approx(1)
    crossed = border_crossers(both)
    moved = matrix.dropna(subset=["from_segment", "to_segment"]).query("from_segment != to_segment")
    assert len(crossed) == moved["n_customers"].sum()
    assert set(crossed["customer_id"]) <= {*previous} & {*now}


@bounded
@given(
    st.lists(
        st.tuples(st.sampled_from(VALUE_TIERS), st.sampled_from(LIFECYCLE_STAGES), st.floats(allow_infinity=True)),
        min_size=1,
        max_size=50,
    )
)
def test_the_segment_is_a_total_function_of_each_customer_alone(rows):
    def segments(rows):
        tiers, stages, growth = (np.array(column) for column in zip(*rows, strict=True))
        columns = {"value_tier": tiers, "lifecycle_stage": stages, "growth_potential": growth}
        return DEFAULT_RULES.segment(columns, n=len(rows)).tolist()

    together = segments(rows)
    assert set(together) <= set(SEGMENTS)
    assert together == [segments([row])[0] for row in rows]
    shares = np.unique(together, return_counts=True)[1] / len(rows)
    assert shares.sum() == pytest.approx(1)
