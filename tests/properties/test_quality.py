"""What the checks find depends on the rows alone: not on their order, and never on a crash."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cvm.ingest.quality import Finding
from inspected import findings_of, verdicts_of

MOMENTS = st.integers(0, 400 * 24).map(lambda hour: datetime(2022, 11, 1) + timedelta(hours=hour))
LINES = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(["a", "b", "c", "guest"]),
        "occurred_at": MOMENTS,
        "amount": st.sampled_from([-5.0, 0.0, 5.0, 1e6]),
        "order_id": st.sampled_from(["1", "2", "3", None]),
        "quantity": st.sampled_from([-1.0, 0.0, 1.0]),
        "channel": st.sampled_from(["web", "shop", None]),
    }
)
TABLES = st.lists(LINES, min_size=1, max_size=30)


@settings(max_examples=25, deadline=None)
@given(rows=TABLES, seed=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter_and_counts_and_shares_are_possible(rows: list[dict[str, Any]], seed: Any) -> None:
    found = findings_of(transactions=rows)
    assert_possible(found.values())
    verdicts = verdicts_of(transactions=rows)
    seed.shuffle(rows)
    assert findings_of(transactions=rows) == found
    assert verdicts_of(transactions=rows) == verdicts


def assert_possible(findings: Iterable[Finding]) -> None:
    for finding in findings:
        assert finding.n > 0
        assert 0 < finding.share <= 1
        assert len(finding.examples) <= 5
        assert "{" not in finding.meaning
