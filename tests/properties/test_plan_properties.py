"""What holds of every plan, whatever the base."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

import planned
import shop
from cvm.campaigns.limits import Limits, Treatment
from cvm.campaigns.plan_choice import choose
from cvm.campaigns.plan_files import write_ledger_file
from cvm.campaigns.plan_settings import Audience, ContactPolicy, PlanError
from planned import LETTER, MAIL, ids, profile, scored

FEW = settings(max_examples=8, deadline=None, derandomize=True)
MANY = settings(max_examples=100, deadline=None, derandomize=True)

worth = st.one_of(st.just(float("nan")), st.floats(-5, 20, width=32))


@MANY
@given(
    st.lists(st.tuples(worth, worth), min_size=1, max_size=6),
    st.sampled_from([0.5, 0.8, 1.0]),
    st.one_of(st.none(), st.floats(0.5, 12)),
    st.dictionaries(st.sampled_from(["post", "phone"]), st.integers(0, 3)),
)
def test_no_choice_breaks_a_limit_or_beats_its_bound(values, share, budget, capacity):
    treatments = (Treatment("letter", "post", 1.0), Treatment("call", "phone", 2.5))
    limits, values = Limits(budget, capacity), np.array(values, dtype=float)
    found = choose(values, treatments, limits, treated_share=share)
    assert limits.hold(treatments, found.contacts(2, share))
    chosen = found.arm >= 0
    assert (values[chosen, found.arm[chosen]] > 0).all()
    best = 0.0
    for arms in product((-1, 0, 1), repeat=len(values)):
        picked = [(row, arm) for row, arm in enumerate(arms) if arm >= 0]
        worths = [values[row, arm] for row, arm in picked]
        counts = [-(-sum(arm == k for _, arm in picked) * share // 1) for k in (0, 1)]
        if not any(np.isnan(worths)) and limits.hold(treatments, [int(n) for n in counts]):
            best = max(best, sum(worths))
    assert found.value <= best + 1e-6
    assert best <= found.bound + 1e-6 * max(1, best)


base = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "budget": st.one_of(st.none(), st.floats(0.2, 30)),
        "capacity": st.dictionaries(st.sampled_from(["post", "email"]), st.integers(1, 15)),
        "control_share": st.floats(0.05, 0.6),
        "exploration_share": st.sampled_from([0.0, 0.1, 0.5]),
        "floor_share": st.sampled_from([0.0, 0.3]),
    }
)


def random_base(seed, n=60):
    rng = np.random.default_rng(seed)
    rows = [
        scored(
            name,
            p_churn=float(rng.choice([np.nan, rng.random()])) if rng.random() < 0.2 else float(rng.random()),
            clv=float(rng.gamma(1, 30)),
            value_tier=str(rng.choice(["low", "top"])),
            segment=str(rng.choice(["core", "lost"], p=[0.8, 0.2])),
            growth_potential=float(rng.normal()),
        )
        for name in ids(n)
    ]
    profiles = [
        profile(name, consent_post=bool(rng.random() < 0.8), consent_email=bool(rng.random() < 0.8)) for name in ids(n)
    ]
    return rows, profiles


def asked(case):
    return planned.settings(
        treatments=(LETTER, MAIL),
        audience=Audience(segments=["core"]),
        limits={"budget": case["budget"], "capacity": case["capacity"]},
        **{name: case[name] for name in ("control_share", "exploration_share", "floor_share")},
    )


@FEW
@given(base)
def test_everybody_has_one_fate_and_no_limit_is_broken(case):
    rows, profiles = random_base(case["seed"])
    with TemporaryDirectory() as folder:
        summary, found = planned.planned(Path(folder), planned.warehouse(ids(60), customers=profiles), rows, asked(case))
    assert sum(fate.n for fate in summary.fates) == len(found) == 60
    assert case["budget"] is None or summary.spent <= case["budget"] + 1e-9
    assert all(summary.used[channel] <= n for channel, n in case["capacity"].items())
    assert sum(cell.n + cell.n_by_hand for cell in summary.cells) == sum(row["arm"] is not None for row in found.values())
    for row, known in zip(rows, profiles, strict=True):
        fate = found[row["customer_id"]]
        if fate["channel"]:
            assert known[f"consent_{fate['channel']}"]
        if fate["arm"]:
            assert row["segment"] == "core"
            assert 0 < fate["propensity"] < 1


@FEW
@given(base, st.integers(1, 5))
def test_customers_outside_of_the_audience_change_nobody(case, n_more):
    rows, profiles = random_base(case["seed"])
    more = [scored(f"b{number}", segment="lost", clv=1e4, growth_potential=99.0) for number in range(n_more)]
    with TemporaryDirectory() as folder:
        _, before = planned.planned(Path(folder), planned.warehouse(ids(60), customers=profiles), rows, asked(case))
        more_profiles = [*profiles, *(profile(row["customer_id"]) for row in more)]
        engine = planned.warehouse(ids(60), customers=more_profiles[::-1])
        _, after = planned.planned(Path(folder), engine, [*more, *rows], asked(case))
    assert {name: after[name] for name in before} == before


@FEW
@given(
    st.lists(st.tuples(st.integers(0, 25), st.sampled_from([(LETTER,), (MAIL,), (LETTER, MAIL)])), min_size=2, max_size=5),
    st.integers(1, 2),
    st.integers(1, 14),
    st.integers(0, 10_000),
)
def test_no_sequence_of_plans_breaks_the_contact_policy(plans, max_contacts, window_days, seed):
    rng, names = np.random.default_rng(seed), ids(25)
    sent = [
        shop.event(str(rng.choice(names)), "sms_sent", on=planned.AS_OF - timedelta(days=int(rng.integers(1, 20))))
        for _ in range(20)
    ]
    policy = ContactPolicy(window_days=window_days, max_contacts=max_contacts, max_per_channel={"post": 1})
    contacts = {name: [] for name in names}
    for event in sent:
        contacts[event["customer_id"]].append((event["occurred_at"].date(), "sms"))
    fixed = {name: list(days) for name, days in contacts.items()}
    with TemporaryDirectory() as place:
        folder, ledgers = Path(place), []
        for number, (later, treatments) in enumerate(plans):
            settings_ = planned.settings(
                name=f"plan{number}", treatments=treatments, policy=policy, starts_on=planned.AS_OF + timedelta(days=later)
            )
            try:
                with planned.warehouse(names, events=sent) as engine:
                    _, found = planned.planned(folder, engine, [scored(n) for n in names], settings_, ledgers=tuple(ledgers))
                    ledgers.append(folder / f"ledger{number}.parquet")
                    write_ledger_file(engine, folder / "plan.parquet", ledgers[-1])
            except PlanError:
                continue
            assert pq.read_table(ledgers[-1]).num_rows == sum(row["arm"] is not None for row in found.values())
            for name, row in found.items():
                if row["channel"]:
                    contacts[name].append((row["assigned_at"].date(), row["channel"]))
    for name, days in contacts.items():
        ours = days[len(fixed[name]) :]
        for day, _ in ours:
            window = [(other, channel) for other, channel in days if day <= other < day + timedelta(days=window_days)]
            back = [(other, channel) for other, channel in days if day - timedelta(days=window_days) < other <= day]
            for each in (window, back):
                assert len(each) <= max_contacts
                assert sum(channel == "post" for _, channel in each) <= 1
