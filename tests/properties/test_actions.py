"""What holds of next best actions, cycles and pairs, whatever the base."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import planned
from acted import decided
from cvm.actions.cycles import Gaps, item_cycles, pair_cycles
from cvm.actions.playbook import NO_RULE, Candidates, PlaybookRule, resolved
from cvm.segments.conditions import Condition
from planned import ids, profile, scored

FEW = settings(max_examples=6, deadline=None, derandomize=True)
MANY = settings(max_examples=80, deadline=None, derandomize=True)

person = st.tuples(st.booleans(), st.booleans(), st.booleans(), st.one_of(st.just(np.nan), st.floats(-5, 5)))


@MANY
@given(
    st.integers(0, 12).flatmap(
        lambda n: st.lists(
            st.tuples(st.one_of(st.none(), st.integers(1, 4)), st.lists(person, min_size=n, max_size=n)),
            min_size=1,
            max_size=4,
        )
    )
)
def test_everybody_gets_one_action_at_most_and_no_rule_more_than_it_may(case) -> None:
    rules = [PlaybookRule(f"r{number}", Condition(), cap=cap) for number, (cap, _) in enumerate(case)]
    offered = []
    for _, people in case:
        columns = [np.array([one[k] for one in people], dtype=bool) for k in range(3)]
        offered.append(Candidates(*columns, np.array([one[3] for one in people], dtype=float)))
    found, counts = resolved(rules, offered)
    assert len(found) == len(case[0][1])
    for position, (rule, one, count) in enumerate(zip(rules, offered, counts, strict=True)):
        given_to = found == position
        assert given_to.sum() == count.n_given <= (rule.cap or len(found))
        assert (one.holds & one.may_be_reached & ~one.is_harmed)[given_to].all()
        assert count.n_held == count.n_out_of_reach + count.n_harmed + count.n_over_cap + count.n_given
        # Whom it passed over had no higher value, unless a rule before it took them or it may not reach them.
        passed = one.holds & one.may_be_reached & ~one.is_harmed & ((found == NO_RULE) | (found > position))
        worth = np.nan_to_num(one.value, nan=-np.inf)
        if given_to.any() and passed.any():
            assert worth[passed].max() <= worth[given_to].min()


@FEW
@given(st.integers(0, 10_000), st.integers(1, 20))
def test_nobody_is_named_for_a_contact_they_did_not_agree_to(seed, cap) -> None:
    rng, names = np.random.default_rng(seed), ids(40)
    agreed = {name: (bool(rng.random() < 0.6), bool(rng.random() < 0.6)) for name in names}
    profiles = [profile(name, consent_post=post, consent_email=email) for name, (post, email) in agreed.items()]
    rows = [scored(name, p_churn=float(rng.random()), segment=str(rng.choice(["vip", "core"]))) for name in names]
    rules = (
        PlaybookRule("letter", Condition({"segment": ["vip"]}), "keep", channel="post", cap=cap),
        PlaybookRule("mail", Condition(), "keep", channel="email"),
    )
    with TemporaryDirectory() as folder:
        found = decided(Path(folder), planned.warehouse(names, customers=profiles), rows, *rules).actions.to_pylist()
    assert len({row["customer_id"] for row in found}) == len(found)
    assert sum(row["rule"] == "letter" for row in found) <= cap
    for row in found:
        assert agreed[row["customer_id"]][row["channel"] == "email"]


@MANY
@given(st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=8), min_size=1, max_size=6), st.integers(2, 9))
def test_cycles_are_finite_and_stretch_with_time(gaps, factor) -> None:
    pair = np.repeat(np.arange(len(gaps)), [len(of_pair) for of_pair in gaps])
    days = np.concatenate([np.array(of_pair, dtype=float) for of_pair in gaps])
    item = np.arange(len(gaps)) % 2
    n_items = min(len(gaps), 2)

    def cycles(scale: float) -> np.ndarray:
        known = Gaps(np.log(days * scale), pair, item, n_items)
        return pair_cycles(known, item_cycles(known)).log_days

    plain = cycles(1.0)
    assert np.isfinite(plain).all()
    np.testing.assert_allclose(cycles(float(factor)), plain + np.log(factor), rtol=1e-6, atol=1e-6)
