"""Who is contacted: every hurdle, the choice, the draws."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import shop
from cvm.campaigns.assignment import CONTROL
from cvm.campaigns.holdout import GlobalHoldout
from cvm.campaigns.limits import Treatment
from cvm.campaigns.plan_settings import Audience, Consent, ContactPolicy, PlanError
from planned import AS_OF, LETTER, MAIL, ids, planned, profile, scored, settings, warehouse, write_uplift
from python_draws import held_out


def fates(found):
    return {name: row["fate"] for name, row in found.items()}


@pytest.fixture
def fate_of(tmp_path):
    """The fate of ``c000`` among nine others of whom nothing special is known."""

    def tell(*, score=None, asked=None, inputs=None, own_profile=None, **tables):
        names = ids(10)
        profiles = [profile(name) for name in names]
        profiles[0] |= own_profile or {}
        engine = warehouse(names, **{"customers": profiles, **tables})
        rows = [scored(name, **(score or {}) if name == "c000" else {}) for name in names]
        _, found = planned(tmp_path, engine, rows, asked or settings(), **(inputs or {}))
        assert all(row["step"] == "drawn" for name, row in found.items() if name != "c000")
        return found["c000"]["fate"]

    return tell


def test_who_takes_all_hurdles_is_drawn(fate_of):
    assert fate_of() == "chosen"


@pytest.mark.parametrize(
    ("score", "audience", "fate"),
    [
        ({"segment": "lost"}, Audience(segments=["core"]), "another segment"),
        ({"value_tier": "low"}, Audience(value_tiers=["medium", "top"]), "another value tier"),
        ({"lifecycle_stage": None}, Audience(lifecycle_stages=["active"]), "another lifecycle stage"),
        ({"p_churn": 0.29}, Audience(minimum={"p_churn": 0.3}), "p_churn out of bounds"),
        ({"clv": 81.0}, Audience(maximum={"clv": 80}), "clv out of bounds"),
        ({"p_churn": float("nan")}, Audience(minimum={"p_churn": 0.3}), "p_churn unknown"),
        ({"p_churn": None}, Audience(minimum={"p_churn": 0.3}), "p_churn unknown"),
        ({"p_churn": float("nan")}, Audience(), "value unknown"),
        ({"clv": 2.0}, Audience(), "not worth the contact"),
    ],
)
def test_scores_decide_who_belongs_and_who_is_worth_it(fate_of, score, audience, fate):
    assert fate_of(score=score, asked=settings(audience=audience)) == fate


@pytest.mark.parametrize("word", ["yes", "True", " 1 ", "opted in"])
def test_consent_may_be_written_in_words(fate_of, word):
    names = ids(10)
    said = [profile(name) | {"consent_post": word} for name in names]
    assert fate_of(customers=said) == "chosen"
    assert fate_of(customers=[{**said[0], "consent_post": "perhaps"}, *said[1:]]) == "no consent"


@pytest.mark.parametrize(
    ("given", "consent", "fate"),
    [
        ({"consent_post": False}, Consent(), "no consent"),
        ({"consent_post": None}, Consent(), "no consent"),
        ({"consent_post_at": datetime(2024, 3, 1)}, Consent(), "consent out of date"),
        ({"consent_post_at": datetime(2024, 2, 29, 23)}, Consent(), "chosen"),
        ({"consent_post_at": datetime(2022, 2, 1)}, Consent(max_age_days=365), "consent out of date"),
        ({"consent_post_at": None}, Consent(max_age_days=365), "consent out of date"),
        ({"consent_post": False}, Consent({"post": None}), "chosen"),
        ({"consent_post": False}, Consent({"post": "consent_email"}), "chosen"),
    ],
)
def test_consent_counts_with_its_date(tmp_path, given, consent, fate):
    names = ids(10)
    profiles = [{**profile(name), "consent_post_at": datetime(2024, 1, 1)} for name in names]
    profiles[0] |= given
    engine = warehouse(names, customers=profiles)
    _, found = planned(tmp_path, engine, [scored(name) for name in names], settings(consent=consent))
    assert found["c000"]["fate"] == fate


def test_whoever_unsubscribed_is_left_alone_until_they_agree_anew(fate_of):
    left = [shop.event("c000", "unsubscribe", on="2024-02-01", channel=None)]
    assert fate_of(events=left) == "unsubscribed"
    other = [shop.event("c000", "unsubscribe", on="2024-02-01", channel="email")]
    assert fate_of(events=other) == "chosen"
    late = [shop.event("c000", "unsubscribe", on="2024-03-01", channel="post")]
    assert fate_of(events=late) == "chosen"
    assert fate_of(events=left, own_profile={"consent_post_at": datetime(2024, 2, 2)}) == "chosen"
    assert fate_of(events=left, asked=settings(consent=Consent({"post": None}))) == "unsubscribed"


def test_events_count_whatever_their_case_and_punctuation(fate_of):
    def fate(event_type, policy, *, n=1):
        events = [shop.event("c000", event_type, on="2024-02-20", channel=None)] * n
        return fate_of(events=events, asked=settings(policy=policy))

    assert fate("Unsubscribe", ContactPolicy()) == "unsubscribed"
    assert fate("Complaint!", ContactPolicy(cooldown_days={"complaint": 30})) == "too soon after complaint"
    assert fate("Скарга", ContactPolicy(cooldown_days={"скарга": 30})) == "too soon after скарга"
    assert fate("Email Sent", ContactPolicy(window_days=30, max_contacts=2), n=2) == "contacted often enough"
    assert fate("Post-sent", ContactPolicy(max_per_channel={"post": 1})) == "contacted often enough by this channel"
    assert fate("consent", ContactPolicy(max_per_channel={"post": 1})) == "chosen"


def test_an_event_recorded_too_late_is_not_known_yet(fate_of):
    late = [shop.event("c000", "unsubscribe", on="2024-02-01", recorded_at=datetime(2024, 3, 2))]
    assert fate_of(events=late) == "chosen"


def test_lists_ids_of_nobody_and_the_global_holdout_suppress(tmp_path, fate_of):
    (tmp_path / "list.txt").write_text("c000\nsomebody else\n")
    assert fate_of(asked=settings(suppression=(tmp_path / "list.txt",))) == "on a suppression list"
    names = [*ids(100), "guest"]
    holdout = GlobalHoldout(0.3, date(2024, 1, 1))
    _, found = planned(
        tmp_path, warehouse(names), [scored(name) for name in names], settings(holdout=holdout, suppression=())
    )
    held = held_out(names, holdout, on=AS_OF, salt="cvm")
    assert found["guest"]["fate"] == "an id of nobody"
    assert [found[name]["fate"] == "in the global holdout" for name in ids(100)] == held[:-1].tolist()


@pytest.mark.parametrize(("on", "fate"), [("2024-02-27", "too soon after order"), ("2024-02-26", "chosen")])
def test_after_an_order_there_is_peace(fate_of, on, fate):
    bought = [shop.order(name, on="2023-10-01", amount=10.0) for name in ids(10)]
    bought.append(shop.order("c000", on=on, amount=5.0))
    bought.append(shop.order("c001", on="2024-02-28", amount=-5.0))  # a return is no order
    policy = ContactPolicy(cooldown_days={"order": 4})
    assert fate_of(transactions=bought, asked=settings(policy=policy)) == fate


def test_a_complaint_cools_down_and_a_misspelt_one_is_named(tmp_path, fate_of):
    events = [shop.event("c000", "complaint", on="2024-02-20")]
    policy = ContactPolicy(cooldown_days={"complaint": 30})
    assert fate_of(events=events, asked=settings(policy=policy)) == "too soon after complaint"
    names = ids(5)
    policy = ContactPolicy(cooldown_days={"complant": 30})
    summary, _ = planned(
        tmp_path, warehouse(names, events=events), [scored(name) for name in names], settings(policy=policy)
    )
    assert any("'complant'" in note or "complant" in note for note in summary.notes)


def drawn(customer, arm="letter", *, on="2024-02-20", campaign="winter", channel="post"):
    return {
        "campaign_id": campaign, "customer_id": customer, "arm": arm, "assigned_at": shop.noon(on), "channel": channel,
    }  # fmt: skip


def test_contacts_are_counted_over_the_ledger_and_what_was_sent(fate_of):
    policy = ContactPolicy(window_days=30, max_contacts=2)
    asked = settings(policy=policy)
    sent = [shop.event("c000", "email_sent", on="2024-02-20", campaign_id=None, channel="email")]
    assert fate_of(events=sent, asked=asked) == "chosen"
    assert fate_of(events=sent, assignments=[drawn("c000")], asked=asked) == "contacted often enough"
    assert fate_of(events=sent, assignments=[drawn("c000", CONTROL)], asked=asked) == "chosen"
    assert fate_of(events=sent * 2, asked=asked) == "contacted often enough"
    old = [shop.event("c000", "sms_sent", on="2024-01-31", campaign_id=None, channel=None)]
    assert fate_of(events=[*sent, *old], asked=asked) == "chosen"  # 30 days before: out of the window


def test_a_campaign_that_shows_in_the_events_counts_once(fate_of):
    asked = settings(policy=ContactPolicy(window_days=30, max_contacts=2))
    sent = [shop.event("c000", "email_sent", on="2024-02-20", campaign_id="winter", channel="email")]
    assert fate_of(events=sent, assignments=[drawn("c000", channel="email")], asked=asked) == "chosen"
    of_cell = [drawn("c000", channel="email", campaign="winter.mail")]
    assert fate_of(events=sent, assignments=of_cell, asked=asked) == "chosen"


def test_a_channel_may_have_a_limit_of_its_own(fate_of):
    asked = settings(policy=ContactPolicy(max_per_channel={"post": 1}))
    assert fate_of(assignments=[drawn("c000")], asked=asked) == "contacted often enough by this channel"
    assert fate_of(assignments=[drawn("c000", channel="email")], asked=asked) == "chosen"


def test_a_customer_closed_to_one_treatment_may_get_another(tmp_path):
    names = ids(40)
    profiles = [profile(name, consent_post=number >= 20) for number, name in enumerate(names)]
    asked = settings(treatments=(LETTER, MAIL))
    summary, found = planned(tmp_path, warehouse(names, customers=profiles), [scored(n) for n in names], asked)
    assert {found[name]["campaign_id"] for name in names[:20]} == {"spring.mail"}
    assert {found[name]["campaign_id"] for name in names[20:]} == {"spring.letter"}
    assert [cell.campaign_id for cell in summary.cells] == ["spring.letter", "spring.mail"]


def test_each_campaign_is_one_draw_with_constant_shares(tmp_path):
    names = ids(200)
    effects = {
        "letter": dict(zip(names, np.linspace(-1, 5, 200), strict=True)),
        "mail": dict(zip(names, np.linspace(3, -1, 200), strict=True)),
    }
    asked = settings(treatments=(LETTER, MAIL), exploration_share=0.5, control_share=0.2)
    summary, found = planned(
        tmp_path, warehouse(names), [scored(n) for n in names], asked, uplift=write_uplift(tmp_path, effects)
    )
    shares = {}
    for row in found.values():
        if row["arm"]:
            shares.setdefault((row["campaign_id"], row["arm"]), set()).add(row["propensity"])
    assert all(len(each) == 1 for each in shares.values())
    assert {key[0] for key in shares} == {"spring.letter", "spring.mail"}
    assert summary.by_uplift
    best = {name: ("letter" if effects["letter"][name] - 1 > effects["mail"][name] - 0.1 else "mail") for name in names}
    assert all(row["campaign_id"] == f"spring.{best[name]}" for name, row in found.items() if row["campaign_id"])
    cell = summary.cells[0]
    assert cell.arms[0].n == pytest.approx(0.2 * cell.n, abs=1)
    assert "not known" in summary.notes[-1]


def test_nobody_is_contacted_at_a_loss(tmp_path):
    names = ids(50)
    effects = {"letter": {name: (0.9 if number % 2 else 1.5) for number, name in enumerate(names)}}
    _, found = planned(
        tmp_path, warehouse(names), [scored(n) for n in names], settings(), uplift=write_uplift(tmp_path, effects)
    )
    assert {row["fate"] for name, row in found.items() if effects["letter"][name] < 1} == {"not worth the contact"}
    assert {row["fate"] for name, row in found.items() if effects["letter"][name] > 1} == {"chosen"}


def test_a_treatment_without_a_learned_effect_is_given_to_the_explored_alone(tmp_path):
    names = ids(100)
    effects = {"letter": dict.fromkeys(names[:40], 3.0)}
    asked = settings(treatments=(LETTER, MAIL), exploration_share=0.4)
    summary, found = planned(
        tmp_path, warehouse(names), [scored(n) for n in names], asked, uplift=write_uplift(tmp_path, effects)
    )
    assert {row["campaign_id"] for row in found.values() if row["arm"] == "mail"} == {"spring.explore"}
    assert any("no effect of mail" in note for note in summary.notes)
    explored = [row for row in found.values() if row["fate"] == "explored"]
    assert len(explored) == 24  # 40 % of the 60 whose effect nobody knows
    assert all(row["propensity"] == pytest.approx(1 / 3) for row in explored)
    none = write_uplift(tmp_path, {"call": dict.fromkeys(names, 1.0)})
    summary, _ = planned(tmp_path, warehouse(names), [scored(n) for n in names], asked, uplift=none)
    assert not summary.by_uplift
    assert any("learned: call" in note for note in summary.notes)


def test_a_plan_that_chooses_nobody_says_what_a_contact_would_bring(tmp_path):
    names = ids(30)
    path = write_uplift(tmp_path, {"letter": dict.fromkeys(names, 0.6)})
    asked = settings(exploration_share=0.5)
    summary, found = planned(tmp_path, warehouse(names), [scored(n) for n in names], asked, uplift=path)
    assert {row["fate"] for row in found.values()} == {"not worth the contact", "explored"}
    assert any("nobody is chosen" in note and "letter 0.60 for a cost of 1.00" in note for note in summary.notes)


@pytest.mark.parametrize(("learned", "n_warnings"), [(14, 1), (30, 0)])
def test_effects_of_another_window_are_told(tmp_path, learned, n_warnings):
    names = ids(20)
    path = write_uplift(tmp_path, {"letter": dict.fromkeys(names, 3.0)})
    rows = pq.read_table(path)
    pq.write_table(rows.append_column("outcome_days", pa.array([learned] * len(rows))), path)
    summary, _ = planned(tmp_path, warehouse(names), [scored(n) for n in names], settings(), uplift=path)
    told = [note for note in summary.notes if "expected effects are of 14 days, campaigns.outcome_days is 30" in note]
    assert len(told) == n_warnings


def test_limits_hold_and_are_used(tmp_path):
    names = ids(300)
    rows = [scored(name, clv=100.0 + number) for number, name in enumerate(names)]
    asked = settings(limits={"budget": 55.0}, exploration_share=0.1)
    summary, found = planned(tmp_path, warehouse(names), rows, asked)
    assert summary.spent <= 55
    assert summary.spent >= 53
    assert summary.used == {"post": summary.spent}
    chosen = [name for name, row in found.items() if row["fate"] == "chosen"]
    assert chosen == names[-len(chosen) :]
    assert sum(row["fate"] == "explored" for row in found.values()) == 10
    asked = settings(treatments=(LETTER, MAIL), limits={"capacity": {"post": 20, "email": 31}})
    summary, _ = planned(tmp_path, warehouse(names), rows, asked)
    assert summary.used == {"post": 20, "email": 31}
    assert summary.gap < 1e-6 + 2 / 51


def test_a_floor_keeps_low_value_from_starving_and_says_what_it_costs(tmp_path):
    names = ids(200)
    rows = [
        scored(n, clv=400.0 + k if k < 100 else 50.0, value_tier="top" if k < 100 else "low") for k, n in enumerate(names)
    ]
    asked = settings(limits={"budget": 45.0})
    plain, found = planned(tmp_path, warehouse(names), rows, asked)
    assert not any(found[name]["arm"] for name in names[100:])
    floored, found = planned(tmp_path, warehouse(names), rows, settings(limits={"budget": 45.0}, floor_share=0.4))
    assert sum(found[name]["arm"] is not None for name in names[100:]) == floored.n_floor == 20
    assert floored.spent <= 45
    assert plain.floor_cost is None
    assert floored.floor_cost == pytest.approx(20 * (0.5 * 400 - 25), rel=0.3)


def test_customers_are_put_in_and_left_out_by_hand(tmp_path):
    names = ids(60)
    rows = [scored(name, segment="lost" if name < "c010" else "core") for name in names]
    profiles = [profile(name, consent_post=name != "c001") for name in names]
    asked = settings(audience=Audience(segments=["core"]))
    engine = warehouse(names, customers=profiles)
    summary, found = planned(tmp_path, engine, rows, asked, included=("c000", "c001", "stranger"), excluded=("c050",))
    assert found["c000"] | {"value": None} == {
        "customer_id": "c000", "step": "drawn", "fate": "put in by hand", "campaign_id": "spring", "arm": "letter",
        "channel": "post", "cost": 1.0, "propensity": 1.0, "assigned_at": datetime(2024, 3, 1), "value": None,
    }  # fmt: skip
    assert fates(found)["c050"] == "left out by hand"
    assert fates(found)["c001"] == "no consent"
    assert "1 customers of --include may not be contacted: 1 no consent" in summary.notes
    assert any(note.startswith("1 customers of --include and --exclude are not among the scores") for note in summary.notes)
    assert summary.cells[0].n_by_hand == 1
    assert sum(cell.n for cell in summary.cells) == 49
    with pytest.raises(PlanError, match="both included and excluded"):
        planned(tmp_path, engine, rows, asked, included=("c000",), excluded=("c000",))
    with pytest.raises(PlanError, match="The 2 customers put in by hand alone are beyond the budget of 1"):
        planned(tmp_path, engine, rows, settings(limits={"budget": 1.0}), included=("c020", "c021"))


def test_fates_add_up_and_the_same_inputs_give_the_same_plan(tmp_path):
    names = ids(150)
    rows = [scored(name, clv=float(number)) for number, name in enumerate(names)]
    asked = settings(limits={"budget": 30.0}, exploration_share=0.1)
    first = planned(tmp_path, warehouse(names), rows, asked)
    again = planned(tmp_path, warehouse(names[::-1]), rows[::-1], asked)
    assert first == again
    assert sum(fate.n for fate in first[0].fates) == first[0].n_scored == 150
    other = planned(tmp_path, warehouse(names), rows, settings(limits={"budget": 30.0}, salt="else", exploration_share=0.1))
    assert other[1] != first[1]


def test_a_campaign_waits_for_a_day_that_is_not_quiet(tmp_path):
    names = ids(5)
    policy = ContactPolicy(quiet_weekdays=["friday", "saturday"], quiet_dates=[date(2024, 3, 3)])
    summary, found = planned(tmp_path, warehouse(names), [scored(n) for n in names], settings(policy=policy))
    assert summary.on == date(2024, 3, 4)
    assert found["c000"]["assigned_at"] == datetime(2024, 3, 4)
    with pytest.raises(PlanError, match=r"a quiet day of .* The next day that is none is 2024-03-04"):
        settings(policy=policy, starts_on=date(2024, 3, 2)).day(AS_OF)
    with pytest.raises(PlanError, match="before its scores of 2024-03-01"):
        settings(starts_on=date(2024, 2, 1)).day(AS_OF)
    _, found = planned(
        tmp_path, warehouse(names), [scored(n) for n in names], settings(policy=policy, timezone="Europe/Kyiv")
    )
    assert found["c000"]["assigned_at"] == datetime(2024, 3, 3, 22)


def test_an_approved_plan_counts_before_it_is_ingested(tmp_path):
    names = ids(20)
    ledger = tmp_path / "ledger.parquet"
    rows = [drawn(name, "letter" if number % 2 else CONTROL, on="2024-03-20") for number, name in enumerate(names)]
    pq.write_table(pa.Table.from_pylist(rows), ledger)
    asked = settings(policy=ContactPolicy(window_days=30, max_contacts=1))
    _, found = planned(tmp_path, warehouse(names), [scored(n) for n in names], asked, ledgers=(ledger,))
    assert {row["fate"] for row in list(found.values())[1::2]} == {"contacted often enough"}
    assert {row["fate"] for row in list(found.values())[::2]} == {"chosen"}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"audience": Audience(segments=["vips"])}, "names the segment 'vips', which nobody has; did you mean 'vip'?"),
        ({"audience": Audience(minimum={"segment": 1})}, "bounds \\['segment'\\], which are no columns of numbers"),
        ({"audience": Audience(segments=["vip"])}, "none of 5 customers is left to be contacted \\(5 another segment\\)"),
        ({"treatments": (Treatment("call", "phone", 1),)}, "no column \\['consent_phone'\\], only \\['consent_email'"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(tmp_path, changes, cause):
    names = ids(5)
    with pytest.raises(PlanError, match=cause):
        planned(tmp_path, warehouse(names), [scored(n) for n in names], settings(**changes))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"limits": {"budget": 0.0}}, "budget of 'spring' == 0: nobody could be contacted"),
        ({"treatments": ()}, "has no treatment"),
        ({"treatments": (Treatment("letter", "post", -1),)}, "cost of \\['letter'\\] is negative"),
        ({"treatments": (Treatment("explore", "post", 1),)}, "must not be called \\['explore'\\]"),
        ({"name": " "}, "has no name"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes, cause):
    with pytest.raises(PlanError, match=cause):
        settings(**changes)


@pytest.mark.parametrize(("on", "n_warnings"), [("2024-02-01", 1), ("2024-01-31", 0)])
def test_contacting_those_whom_a_running_campaign_holds_out_is_told(tmp_path, on, n_warnings):
    names = ids(20)
    running = [drawn(name, CONTROL, on=on, channel=None) for name in names]
    summary, _ = planned(tmp_path, warehouse(names, assignments=running), [scored(n) for n in names], settings())
    assert sum("18 of those to be contacted are held out by campaigns" in note for note in summary.notes) == n_warnings


@pytest.mark.parametrize(("odd", "n"), [(ids(1), 2), ([""], 2), ([None], 2), ([*ids(2), "", None], 2)])
def test_scores_with_a_customer_twice_or_without_an_id_are_refused(tmp_path, odd, n):
    rows = [scored(name) for name in (*ids(2), *odd)]
    with pytest.raises(PlanError, match=rf"has {len(rows)} rows of {n} customers.*each must stand there once, with an id"):
        planned(tmp_path, warehouse(ids(2)), rows, settings())
