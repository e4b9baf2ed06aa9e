from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from cvm.campaigns.power import Baseline, Design
from cvm.campaigns.power_groups import GroupPower
from cvm.campaigns.power_plan import EffectToFind, PowerPlan, power_plan
from cvm.errors import WorkspaceError
from cvm.reports.power import check_figure_name, group_table, power_figure, power_sentences, power_tables, write_power_figure

TENTH = Design.even(0.1)


def conversion_plan(**changes: object) -> PowerPlan:
    return power_plan(Baseline.of_conversion(0.05), TENTH, **changes)  # type: ignore[arg-type]  # of several types


def test_the_plan_is_told_in_plain_words() -> None:
    sentences = power_sentences(conversion_plan(n_customers=50_000, effect=EffectToFind.parse("10%")), currency="USD")
    assert sentences == [
        "Without the campaign: conversion of 5.00% per customer, as given.",
        "50,000 customers, 5,000 of them held out (10%): an effect from +0.92 points per customer (+18.4%) on is found "
        "in 80% of campaigns.",
        "An effect of +0.50 points per customer (+10.0%) is found in 33% of such campaigns; 80% need 167,260 customers, "
        "10% of them held out.",
        "No share of 50,000 customers is enough for that: more customers or more days are.",
    ]


def test_money_and_orders_carry_their_unit() -> None:
    revenue = power_plan(Baseline("revenue", 40.0, 9000.0, 0.3), TENTH, n_customers=5000)
    orders = power_plan(Baseline("orders", 0.4, 0.9, 0.3), TENTH, n_customers=5000)
    assert power_sentences(revenue, currency="EUR")[0].startswith("Without the campaign: revenue of 40.00 EUR per customer")
    assert power_sentences(orders, currency="EUR")[0].startswith("Without the campaign: orders of 0.400 orders per customer")


def test_too_few_customers_are_told_and_their_cells_are_empty() -> None:
    plan = power_plan(Baseline.of_conversion(0.9), TENTH, n_customers=60)
    assert "too few to find any possible effect in 80% of campaigns." in power_sentences(plan, currency="USD")[1]
    console = Console(width=160)
    with console.capture() as captured:
        console.print(*power_tables(plan, currency="USD"), sep="\n")
    assert "-         -" in captured.get()


def test_the_table_has_a_row_per_share_with_the_chosen_one_among_them() -> None:
    plan = power_plan(Baseline.of_conversion(0.05), Design.even(0.125), n_customers=50_000)
    console = Console(width=160)
    with console.capture() as captured:
        console.print(*power_tables(plan, currency="USD"), sep="\n")
    text = captured.get()
    for share in ("5%", "10%", "12.5%", "20%", "30%", "50%"):
        assert f"\n{share:>9} " in text


def test_segments_are_told_by_name_with_what_they_lack() -> None:
    plan = conversion_plan(n_customers=50_000, effect=EffectToFind.parse("10%"))
    groups = [
        GroupPower("[top]", 9_000, Baseline.of_conversion(0.2), 0.031, 0.41),
        GroupPower("often", 900, Baseline.of_conversion(0.95)),
        GroupPower("new", 12, None, gap="no conversion in past windows"),
    ]
    console = Console(width=160)
    with console.capture() as captured:
        console.print(group_table(plan, groups, segment_by="value_tier", currency="USD"))
    lines = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert lines[0] == "Each value_tier by itself, 10% held out"
    assert "[top] 9,000 20.00% +3.10 points 15.5% 41%" in lines
    assert "often 900 95.00% none possible - -" in lines
    assert "new 12 - no conversion in past windows" in lines
    assert lines[-1].startswith("Customers are in the value_tier of today in all past windows")


def test_the_figure_has_a_line_per_share_and_one_for_the_power_wanted() -> None:
    axes = power_figure(conversion_plan(n_customers=50_000)).axes[0]
    assert len(axes.get_lines()) == 6
    assert axes.get_title(loc="left") == "Which effect on conversion will be found?"
    assert {text.get_text() for text in axes.texts} == {f"{share}% held out" for share in (5, 10, 20, 30, 50)}


@pytest.mark.parametrize(("name", "begins"), [("curve.png", b"\x89PNG"), ("curve.SVG", b"<?xml"), ("curve.pdf", b"%PDF")])
def test_the_figure_is_written_in_the_format_of_its_name(tmp_path: Path, name: str, begins: bytes) -> None:
    check_figure_name(tmp_path / name)
    write_power_figure(conversion_plan(n_customers=50_000), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_format_that_is_none_is_refused() -> None:
    with pytest.raises(WorkspaceError, match=r"The figure curve.bmp must end in one of .png, .svg, .pdf"):
        check_figure_name(Path("curve.bmp"))
