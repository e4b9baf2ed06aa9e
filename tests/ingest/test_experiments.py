from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from cvm.ingest.sufficiency_verdict import SufficiencyVerdict
from inspected import verdicts_of
from shop import order

DRAWN = datetime(2023, 6, 1)


def campaign(name: str, **arms: int) -> list[dict[str, Any]]:
    return [
        {"campaign_id": name, "arm": arm, "customer_id": f"{arm}{k}", "assigned_at": DRAWN}
        for arm, n in arms.items()
        for k in range(n)
    ]


def orders(day: date, **arms: int) -> list[dict[str, Any]]:
    return [order(f"{arm}{k}", on=day, amount=5.0) for arm, n in arms.items() for k in range(n)]


def uplift(assignments: list[dict[str, Any]] | None, transactions: list[dict[str, Any]]) -> SufficiencyVerdict:
    tables = {"assignments": assignments} if assignments is not None else {}
    return verdicts_of(transactions=transactions, horizon_days=30, **tables)["uplift"]


SOON = (DRAWN + timedelta(days=10)).date()


def test_an_experiment_of_sufficient_size_is_enough_and_its_power_is_told() -> None:
    verdict = uplift(campaign("x", control=600, mail=300, sms=300), orders(SOON, control=60, mail=40, sms=30))
    assert verdict.is_enough
    # 2.8 * sqrt(0.1 * 0.9 * (1 / 600 + 1 / 600)) = 4.85 %.
    assert verdict.because == (
        "campaign x: 600 treated (70 bought) and 600 in control (60 bought); tells differences from 4.8% from chance",
    )


def test_people_whose_accounts_were_put_into_several_arms_are_on_neither_side() -> None:
    drawn, bought = {"control": 600, "mail": 600}, {"control": 60, "mail": 70}
    torn = uplift(campaign("x", **drawn, mixed=50), orders(SOON, **bought, mixed=50))
    assert torn == uplift(campaign("x", **drawn), orders(SOON, **bought))


def test_without_assignments_there_is_nothing_to_learn_from() -> None:
    verdict = uplift(None, orders(SOON, a=1))
    assert not verdict.is_enough
    assert verdict.because[0].startswith("there is no assignments table")


def test_a_campaign_without_control_teaches_nothing() -> None:
    verdict = uplift(campaign("x", mail=600, sms=600), orders(SOON, mail=100))
    assert not verdict.is_enough
    assert "none of the 1 campaigns has an arm called control" in verdict.because[0]


def test_a_campaign_of_control_alone_teaches_nothing() -> None:
    assert uplift(campaign("x", control=600), orders(SOON, control=60)).because == (
        "campaign x: everyone is in control, nobody was treated",
    )


def test_small_sides_are_counted() -> None:
    verdict = uplift(campaign("x", control=499, mail=600), orders(SOON, control=60, mail=60))
    assert not verdict.is_enough
    assert "499 in control (60 bought); at least 500 customers are needed on each side" in verdict.because[0]


def test_few_buyers_are_counted_on_either_side() -> None:
    verdict = uplift(campaign("x", control=600, mail=600), orders(SOON, control=60, mail=49))
    assert "600 treated (49 bought)" in verdict.because[0]
    assert "at least 50 buyers are needed on each side" in verdict.because[0]


def test_orders_before_the_draw_and_after_the_window_convert_nobody() -> None:
    before, after = (DRAWN - timedelta(days=1)).date(), (DRAWN + timedelta(days=30)).date()
    sold = orders(before, control=100, mail=100) + orders(after, control=100, mail=100)
    assert "600 treated (0 bought)" in uplift(campaign("x", control=600, mail=600), sold).because[0]


def test_one_sufficient_campaign_is_enough_and_is_the_one_named() -> None:
    drawn = campaign("small", control=10, mail=10) + campaign("x", control=600, mail=600)
    verdict = uplift(drawn, orders(SOON, control=60, mail=60))
    assert verdict.is_enough
    assert [reason.split(":")[0] for reason in verdict.because] == ["campaign x"]


def test_many_campaigns_are_not_all_named() -> None:
    drawn = [row for name in "abcde" for row in campaign(name, control=5, mail=5)]
    assert uplift(drawn, orders(SOON, control=1)).because[-1] == "and 2 campaigns alike"
