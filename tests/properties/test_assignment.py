from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

import python_draws
from cvm.campaigns.assignment import RESOLUTION, Split
from cvm.campaigns.holdout import GlobalHoldout
from cvm.campaigns.power import Baseline, Design, power_at, required_customers
from sql_draws import assign, assign_balanced, held_out

ids = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=40, unique=True)
texts = st.text(min_size=1, max_size=8).filter(str.strip)
START = date(2026, 1, 1)
bounded = settings(derandomize=True, deadline=None, database=None)
drawn = settings(bounded, max_examples=40)  # by SQL, as the product draws


@st.composite
def splits(draw: st.DrawFn) -> Split:
    weights = draw(st.lists(st.integers(1, 20), min_size=2, max_size=5))
    names = ["control", *(f"arm {number}" for number in range(1, len(weights)))]
    return Split({name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)})


@drawn
@given(ids, splits(), texts, texts, st.randoms(use_true_random=False))
def test_order_and_company_change_nobody(customers, split, campaign_id, salt, random):
    arms = assign(customers, split, campaign_id=campaign_id, salt=salt)
    assert arms.tolist() == python_draws.assign(customers, split, campaign_id=campaign_id, salt=salt).tolist()
    together = dict(zip(customers, arms, strict=True))
    some = random.sample(customers, random.randint(1, len(customers)))
    assert {name: together[name] for name in some} == dict(
        zip(some, assign(some, split, campaign_id=campaign_id, salt=salt), strict=True)
    )


@bounded
@given(splits())
def test_the_cuts_fill_the_whole_range_in_order(split):
    cuts = list(split.cuts.values())
    assert cuts == sorted(cuts)
    assert cuts[-1] == RESOLUTION
    assert all(cut > 0 for cut in cuts)


@drawn
@given(ids, splits(), st.integers(1, 40), st.randoms(use_true_random=False))
def test_strata_are_split_to_less_than_one_customer_in_any_order(customers, split, most, random):
    strata = [random.choice([None, *map(str, range(most))]) for _ in customers]  # often of one customer
    arms = assign_balanced(customers, strata, split, campaign_id="c", salt="s")
    assert arms.tolist() == python_draws.assign_balanced(customers, strata, split, campaign_id="c", salt="s").tolist()
    for stratum in set(strata):
        inside = [arm for arm, where in zip(arms, strata, strict=True) if where == stratum]
        assert all(abs(inside.count(arm) - len(inside) * share) < 1 for arm, share in split.shares.items())
    order = random.sample(range(len(customers)), len(customers))
    again = assign_balanced(
        [customers[place] for place in order], [strata[place] for place in order], split, campaign_id="c", salt="s"
    )
    assert again.tolist() == arms[order].tolist()


@drawn
@given(st.integers(1, 60), st.integers(0, 400))
def test_the_global_holdout_changes_only_when_it_rotates(rotation_days, day):
    holdout, customers = GlobalHoldout(0.3, START, rotation_days), [f"c{number}" for number in range(200)]
    on = START + timedelta(days=day)
    today, tomorrow = (held_out(customers, holdout, on=moment, salt="s") for moment in (on, on + timedelta(days=1)))
    rotates = (day + 1) % rotation_days == 0
    assert (today != tomorrow).any() == rotates


@settings(bounded, max_examples=40)  # each searches three times for a size
@given(st.floats(0.01, 0.5), st.floats(0.02, 1.0), st.floats(0.05, 0.95), st.integers(1, 4))
def test_the_required_size_has_the_power_and_more_customers_have_more(rate, relative, share, n_treatments):
    baseline, design = Baseline("orders", rate, rate, rate), Design.even(share, n_treatments=n_treatments)
    n = required_customers(baseline, design, effect=relative * rate)
    power = power_at(baseline, design, n_customers=n, effect=relative * rate)
    assert (
        design.power - 1e-6 <= power < power_at(baseline, design, n_customers=2 * n, effect=relative * rate) or power > 0.999
    )
    assert required_customers(baseline, design, effect=relative * rate / 2) > n
