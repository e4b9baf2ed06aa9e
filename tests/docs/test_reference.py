"""The reference is complete, and what is new in the code is in it without an edit of ``docs/``."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
import typer

import cvm.errors
import reference
from cvm import cli
from cvm.features import query
from cvm.features.attributes import attribute_features
from cvm.features.behaviour import event_features, value_features
from cvm.features.catalogue import Feature
from cvm.features.contacts import contact_features
from cvm.features.economics import Economics, money_features
from cvm.features.subscriptions import subscription_features
from cvm.features.transactions import DAY_FEATURES, LINE_FEATURES, ORDER_FEATURES
from cvm.ingest.contracts import CONTRACTS
from cvm.kpis.campaign_returns import CAMPAIGN_KPIS
from cvm.kpis.catalogue import KPIS
from cvm.kpis.definition import GROUPS
from cvm.params import Params
from cvm.params_data import Section
from cvm.scoring.schema import SCORE_COLUMNS, ScoreColumn
from reference import params as of_params
from reference import scores as of_scores
from reference.commands import all_commands
from reference.errors import refusals
from reference.features import catalogue
from reference.params_comments import ITEM, comments
from reference.tables import Row, prose, table

ROOT = Path(__file__).parents[2]
NEW = Feature("n_moons_{window}d", "count(*)", "orders", "moons", "Moons of the last {window} days.", windows=(7, 14))


def plain(part: str) -> str:
    """What a part of the reference says, without the marks of HTML."""
    text = re.sub(r"<[^>]+>", "", part.replace("<br>", " ").replace("</td>", " "))
    return html.unescape(text).replace("\N{NO-BREAK SPACE}", " ")


def names(part: str) -> set[str]:
    """All that stands as code in it."""
    return {plain(found) for found in re.findall(r"<code>.*?</code>", part)}


@pytest.fixture(scope="module")
def parts() -> dict[str, str]:
    return {name: write() for name, write in reference.PARTS.items()}


def test_every_part_has_its_page_and_every_page_its_part() -> None:
    asked = re.findall(
        r"<!-- from the code: (.*) -->", "".join(p.read_text() for p in (ROOT / "docs/reference").glob("*.md"))
    )
    assert sorted(asked) == sorted(reference.PARTS)


@pytest.mark.parametrize(
    "entries",
    [
        ORDER_FEATURES,
        DAY_FEATURES,
        LINE_FEATURES,
        money_features(Economics(cost_per_return=1), columns=["amount"]),
        subscription_features([column.name for column in CONTRACTS["subscriptions"].columns]),
        event_features(["TYPE"]),
        contact_features(["email_sent", "email_open", "email_click"]),
        value_features(["nps"]),
        attribute_features({"signed_up_at": "TIMESTAMP", "COLUMN": "VARCHAR"}),
    ],
)
def test_every_feature_of_the_catalogue_is_there(parts: dict[str, str], entries) -> None:
    wanted = {feature.name.replace("_type", "_TYPE") for entry in entries for feature in entry.expanded()}
    assert wanted
    assert wanted <= names(parts["features"])


def test_features_tell_unit_meaning_source_and_what_stands_for_nothing(parts: dict[str, str]) -> None:
    page = plain(parts["features"])
    assert "n_orders_30d n_orders_90d n_orders_180d n_orders_365d orders Orders in the last N days. 0" in page
    assert (
        "share_discount share Discount of the undiscounted price of what was bought. missing transactions.discount" in page
    )
    assert "n_TYPE_30d n_TYPE_90d n_TYPE_365d events Events of type TYPE in the last N days. 0" in page
    assert "main_event_device" in page
    assert "own_COLUMN" in page
    assert all(feature.meaning and feature.unit for feature in catalogue())


def test_a_new_feature_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "ORDER_FEATURES", (*ORDER_FEATURES, NEW))
    assert "n_moons_7d n_moons_14d moons Moons of the last N days. missing" in plain(reference.PARTS["features"]())


def test_a_relation_without_a_title_has_its_features_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "ORDER_FEATURES", (*ORDER_FEATURES, replace(NEW, relation="tides")))
    page = reference.PARTS["features"]()
    assert "## Tides" in page
    assert "n_moons_7d" in page.replace("<wbr>", "")


def test_every_kpi_is_there_with_formula_unit_groups_and_needs(parts: dict[str, str]) -> None:
    assert {*KPIS, *CAMPAIGN_KPIS, *GROUPS} <= names(parts["kpis"])
    for kpi in KPIS.values():
        groups, needs = ", ".join(kpi.groups) or "-", ", ".join(kpi.needs)
        assert f"{kpi.name} {kpi.meaning} {kpi.unit} {groups} {needs}" in plain(parts["kpis"])


def test_a_new_kpi_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KPIS, "moons", replace(KPIS["orders"], name="moons", meaning="moons seen", needs=("tides",)))
    page = reference.PARTS["kpis"]()
    assert "## Tides" in page
    assert "moons moons seen orders" in plain(page)


def test_every_score_column_is_there_in_order(parts: dict[str, str]) -> None:
    rows = re.findall(r'<tr id="(\w+)">', parts["scores"])
    assert rows == [column.name for column in SCORE_COLUMNS]
    assert "p_churn double Probability of churn by its definition" in plain(parts["scores"])
    assert "list of feature string, value double, direction string, sentence string" in plain(parts["scores"])


def test_a_new_score_column_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    column = ScoreColumn("moons", SCORE_COLUMNS[0].kind, "Moons.")
    monkeypatch.setattr(of_scores, "SCORE_COLUMNS", (*SCORE_COLUMNS, column))
    assert "moons string Moons." in plain(of_scores.score_table())


def keys_of(section: type[Section]) -> int:
    """How many keys a section has, those of sections below included, each kind of section counted once."""
    seen: set[type[Section]] = set()

    def count(kind: type[Section]) -> int:
        seen.add(kind)
        below = [of_params.section_of(field.annotation) for field in kind.model_fields.values()]
        new = [inner for inner in dict.fromkeys(below) if inner and inner not in seen]
        return len(kind.model_fields) + sum(count(inner) for inner in new if inner not in seen)

    return count(section)


def test_every_key_of_params_is_there(parts: dict[str, str]) -> None:
    rows = re.findall(r'<tr id="([\w.\[\]]+)">', parts["params"])
    assert len(rows) == len(set(rows))
    sections = {name for name, field in Params.model_fields.items() if of_params.section_of(field.annotation)}
    assert {*rows, *sections} == {".".join(path) for path in of_params.all_keys()}
    assert len(of_params.all_keys()) == keys_of(Params) - 1  # all but root, which no file has


def test_every_key_of_params_is_explained_in_the_file_or_by_its_section(parts: dict[str, str]) -> None:
    mute = re.findall(r'<tr id="([\w.\[\]]+)">(?:<td[^>]*>(?:(?!</td>).)*</td>){3}<td class="none">', parts["params"])
    assert mute == []


def test_keys_tell_type_bounds_default_and_comment(parts: dict[str, str]) -> None:
    page = plain(parts["params"])
    assert "horizon_days whole number > 0, ≤ 3,650 181 length of the outcome window" in page
    assert "margin_rate number > 0, ≤ 1 1.0 margin / revenue" in page
    assert "goals" in page
    assert "deadline date required" in page
    assert "plans.NAME.budget" in page
    assert "transactions.day_first true or false false 31.12.2024 and" in page


def test_a_new_key_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Moon(Params):
        moons: int = 3

    monkeypatch.setattr(of_params, "Params", Moon)
    assert "moons whole number 3" in plain(of_params.params_tables())


def test_comments_are_read_from_keys_that_are_commented_out_too() -> None:
    said = comments(
        "# About the file.\n\nsea:     # where it is wet\n  depth: 3            # in metres,\n"
        "                      # at low tide\n  # ships:\n  #   - name: a      # of the ship\n"
        "  #     sails: 3     # e.g. 3\n  # Above the key.\n  salt: 1\n"
    )
    assert said == {
        ("sea",): "where it is wet",
        ("sea", "depth"): "in metres, at low tide",
        ("sea", "ships", ITEM, "name"): "of the ship",
        ("sea", "ships", ITEM, "sails"): "e.g. 3",
        ("sea", "salt"): "Above the key.",
    }


def test_every_error_is_there_wherever_it_is_defined(parts: dict[str, str]) -> None:
    found = [kind.name for kind in refusals()]
    assert found[0] == "CvmError"
    assert {name for name in vars(cvm.errors) if name.endswith("Error")} <= set(found)
    assert {"QueryError", "PlanError", "SegmentRulesError"} <= set(found)  # which live beside what they refuse
    assert set(found) <= names(parts["errors"])
    assert "ParamsError params.yaml holds something that cannot be run. ValueError" in plain(parts["errors"])


def test_every_command_is_there_with_its_options(parts: dict[str, str]) -> None:
    sections = re.findall(r"^## cvm (.*)$", parts["commands"], re.MULTILINE)
    assert sections == [command.name for command in all_commands()]
    assert {"run", "train", "data list", "data prepare"} <= set(sections)
    page = plain(parts["commands"])
    assert "--every day|week|month month How far apart its dates are." in page
    assert "`cvm simulate FOLDER [OPTIONS]`" in page
    assert "--label TEXT required Column that tells who left." in page


def test_a_new_command_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()

    @app.command()
    def moons(n: Annotated[int, typer.Option("--moons", help="How many.")] = 2) -> None:
        """Count moons."""

    monkeypatch.setattr(cli.app, "registered_commands", [*cli.app.registered_commands, *app.registered_commands])
    page = plain(reference.PARTS["commands"]())
    assert "## cvm moons\n\n`cvm moons [OPTIONS]`\n\nCount moons." in page
    assert "--moons INTEGER 2 How many." in page


def test_every_public_name_is_in_the_python_reference(parts: dict[str, str]) -> None:
    asked = re.findall(r"^::: (\S+)$", parts["python api"], re.MULTILINE)
    assert {f"cvm.{name}" for name in cvm.__all__} <= set(asked)
    assert {"cvm.engines.Engine", "cvm.models.btyd.ParetoNbd"} <= set(asked)


def test_a_table_tells_in_every_cell_what_it_is_and_lets_nothing_through() -> None:
    made = table(
        ("Key", "Meaning"), [Row("a", ("a", prose("<b> & `c_d`, see docs/kpis.md, docs/no.md"))), Row("", ("b", ""))]
    )
    assert '<tr id="a"><td data-label="Key">a</td><td data-label="Meaning">&lt;b&gt; &amp; <code>c_<wbr>d</code>' in made
    assert 'see <a href="../kpis.html">docs/kpis.md</a>, docs/no.md</td>' in made
    assert '<tr><td data-label="Key">b</td><td class="none"></td></tr>' in made
