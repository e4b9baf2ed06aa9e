"""The whole page from hand-made files: what stands on it, what never does, and what it makes of hostile or missing input."""

import re
from dataclasses import replace
from datetime import date, datetime
from html.parser import HTMLParser
from types import SimpleNamespace

import pyarrow as pa
import pytest

import report_files as files
from cvm.errors import MissingOutputError
from cvm.ingest.quality.finding import Finding
from cvm.reports.base import Base
from cvm.reports.html.page import report_html
from cvm.reports.html.sections import (
    actions,
    campaigns,
    card,
    churn,
    cohorts,
    data_quality,
    monitoring,
    segments,
    summary,
    value,
    value_map,
)
from cvm.reports.words import LANGUAGES, words
from memory import Memory

SECTIONS = (summary, value_map, segments, cohorts, churn, value, campaigns, actions, data_quality, card)


@pytest.fixture(scope="module")
def engine():
    with Memory() as found:
        yield found


@pytest.fixture(scope="module")
def full(tmp_path_factory, engine) -> Base:
    """Everything there is to show."""
    base = files.base(tmp_path_factory.mktemp("full"), engine)
    files.write_scores(base.workspace, files.AS_OF, files.score_rows())
    files.write_scores(base.workspace, files.PREVIOUS, files.score_rows(360, seed=4))
    files.fill(base.workspace)
    return base


@pytest.fixture(scope="module")
def page(full) -> str:
    return report_html(full, language="uk")


@pytest.fixture
def bare(tmp_path, engine) -> Base:
    """Scores, and a model that nobody could judge."""
    base = files.base(tmp_path, engine, bundle=files.bundle({"notes": []}))
    files.write_scores(base.workspace, files.AS_OF, files.score_rows(50))
    return base


def said(base: Base, module, language: str = "en") -> str:
    return str(module.section(module.read(base), words(language)).html(words(language)))


def own(page: str) -> str:
    """The page without the library of figures."""
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_every_section_stands_in_every_language(page):
    for language in LANGUAGES:
        for key in (
            "summary",
            "value_map",
            "segments",
            "cohorts",
            "churn",
            "value",
            "campaigns",
            "actions",
            "data",
            "monitoring",
            "card",
        ):
            assert words(language)(f"titles.{key}") in page
    assert page.startswith('<!DOCTYPE html>\n<html lang="uk">')
    assert re.findall(r'<template data-language="(\w+)"', page) == list(LANGUAGES)


def test_the_page_asks_nobody_for_anything(page):
    assert not re.findall(r"""(?:src|href|action|data)\s*=\s*["'](?!#|data:)[^"']*""", own(page).replace("data-", "x-"))
    assert "http" not in own(page)
    assert "@import" not in page.split("</style>")[0]


def test_the_page_is_bounded(page):
    assert len(page.encode()) < 8 * 2**20
    assert page.count("c00") < 3 * 3 * 3 * 200  # languages x tables of customers


def test_hostile_names_are_text(page):
    assert files.HOSTILE not in page
    assert "&lt;script&gt;" in page


class Structure(HTMLParser):
    """Elements that close in the order they opened, and the levels of headings."""

    def __init__(self):
        super().__init__()
        self.open, self.levels, self.ids = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)
        if re.fullmatch(r"h[1-6]", tag):
            self.levels.append(int(tag[1]))
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_html_is_well_formed_and_its_headings_are_in_order(page):
    one = re.sub(r"<template.*</template>", "", own(page), flags=re.DOTALL)
    found = Structure()
    found.feed(one)
    assert found.open == []
    assert all(later - earlier <= 1 for earlier, later in zip(found.levels, found.levels[1:], strict=False))
    assert len(found.ids) == len(set(found.ids))


@pytest.mark.parametrize("module", SECTIONS, ids=lambda module: module.__name__.rpartition(".")[2])
def test_without_its_files_a_section_says_why_it_is_empty(bare, module):
    for language in LANGUAGES:
        assert '<p class="lead' in said(bare, module, language)


def test_the_page_of_a_base_that_nobody_could_judge_still_stands(bare):
    found = report_html(bare, language="en")
    for key in ("cohorts.empty", "churn.empty", "campaigns.empty", "actions.empty", "data.empty", "summary.first_run"):
        assert words("en")(key) in found


def test_without_scores_the_report_names_what_to_run(tmp_path, engine):
    with pytest.raises(MissingOutputError, match=r"scores\.parquet does not exist yet.*cvm score"):
        report_html(files.base(tmp_path, engine), language="en")


def test_a_damaged_file_is_named_with_the_command_that_writes_it(bare):
    path = bare.workspace.outputs / "kpis" / "kpis.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"nothing")
    with pytest.raises(MissingOutputError, match=r"kpis\.parquet is damaged.*cvm kpis"):
        summary.read(bare)


@pytest.mark.parametrize("text", ["{", "[]", '{"triggers": [1]}'])
def test_damaged_triggers_are_named(bare, text):
    path = bare.workspace.outputs / "triggers" / "triggers.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(MissingOutputError, match=r"triggers\.json is damaged"):
        actions.read(bare)


@pytest.mark.parametrize("text", ["{", "[]", '{"effects": 1}'])
def test_a_damaged_evaluation_is_named(bare, text):
    bare.workspace.effects.mkdir(parents=True)
    (bare.workspace.effects / "spring.json").write_text(text)
    with pytest.raises(MissingOutputError, match=r"spring\.json is damaged.*cvm evaluate"):
        campaigns.read(bare)


def test_the_summary_compares_with_the_run_before(full):
    found = said(full, summary)
    assert "+11.1% since" in found  # 400 customers after 360
    assert "on track" in found
    assert "keep vip" in found


def test_without_an_earlier_date_the_summary_says_so(bare):
    assert "no scores of an earlier date" in said(bare, summary)


def test_the_summary_says_where_season_is_not_known(full):
    content = summary.read(full)
    unknown = replace(content, knows_season=False)
    sentence = words("en")("summary.no_season")
    assert sentence in str(summary.section(unknown, words("en")).html(words("en")))
    assert sentence not in said(full, summary)


def test_a_sentence_on_drivers_begins_with_a_capital(full):
    assert "Recent orders moves the churn probability most" in said(full, churn)


def test_value_models_show_the_metric_that_decides(full):
    found = said(full, value)
    assert "Tweedie deviance</button>" in found
    assert 'data-v="14"' in found


def test_the_age_of_a_source_is_days_and_no_share(bare):
    lag = Finding("transactions", "stale source", "info", 412, "days", 1.0, "kept", "Old.", "Fine.")
    gap = Finding("transactions", "gap in the calendar", "info", 3, "days", 0.25, "kept", "Empty.", "Ask.")
    content = replace(data_quality.read(bare), findings=[lag, gap])
    found = str(data_quality.section(content, words("en")).html(words("en")))
    assert words("en").count(412, "days") in found
    assert "100.0%" not in found
    assert "25.0%" in found


def test_the_map_counts_every_customer_once(full):
    content = value_map.read(full)
    assert sum(cell["n"] for cell in content.cells) == 400
    assert len(content.customers) == 200
    stakes = [row["at_risk"] for row in content.customers]
    assert stakes == sorted(stakes, reverse=True)


def test_the_lead_of_the_map_counts_everybody_above_one_half(tmp_path, engine):
    risks = [0.40, 0.50, 0.51, 0.59, 0.60, 0.99]
    rows = [
        {**row, "p_churn": p_churn, "clv": 100.0, "value_tier": "top"}
        for row, p_churn in zip(files.score_rows(6), risks, strict=True)
    ]
    base = files.base(tmp_path, engine)
    files.write_scores(base.workspace, files.AS_OF, rows)
    lead = value_map.section(value_map.read(base), words("en")).lead
    assert lead == words("en")(
        "value_map.lead", n=words("en").count(4, "customers"), clv=words("en").money(400.0, "EUR"), share="67%"
    )


def test_why_somebody_may_leave_is_the_strongest_reason_that_speaks_for_it(tmp_path, engine):
    def reason(direction, sentence):
        return {"feature": "recency_days", "value": 1.0, "direction": direction, "sentence": sentence}

    told = [
        [reason("lowers", "orders in 9 months"), reason("raises", "no order for 94 days"), reason("raises", "third")],
        [reason("lowers", "orders in 9 months")],
        [],
        None,
    ]
    rows = [{**row, "reasons": reasons} for row, reasons in zip(files.score_rows(4), told, strict=True)]
    base = files.base(tmp_path, engine)
    files.write_scores(base.workspace, files.AS_OF, rows)
    found = said(base, value_map)
    assert "no order for 94 days" in found
    assert "orders in 9 months" not in found
    assert "third" not in found
    assert found.count("Nothing speaks for leaving") == 2


def test_migrations_show_who_moved_and_leave_out_who_came_or_went_from_the_matrix(full):
    found = said(full, segments)
    assert "Who moved between segments?" in found
    assert "(no longer there)" in found
    assert "At most 200 rows are shown" in found


def test_months_that_are_not_over_are_no_cells_of_the_cohort_map(full):
    found = said(full, cohorts)
    assert "Not over yet" in found
    assert "26%" in found


def test_a_campaign_shows_its_verdict_interval_and_doubts(full):
    found = said(full, campaigns)
    assert ">works</span>" in found
    assert ">inconclusive</span>" in found
    assert "Arms differ in tenure." in found
    assert "no harm seen" in found
    assert "Campaigns drawn in cells, as a whole" in found
    assert "300 to 3.70\N{NO-BREAK SPACE}k)" in found


def test_money_in_another_currency_and_effects_that_are_none_are_not_added_up(bare):
    effects = bare.workspace.effects
    files.write_campaign(effects)
    (effects / "spring.json").rename(effects / "first.json")
    files.write_campaign(effects, campaign_id="abroad", currency="USD")
    (effects / "spring.json").rename(effects / "second.json")
    verdicts = [{"arm": arm, "word": "not identified", "sentence": "None."} for arm in ("letter", "email")]
    files.write_campaign(effects, campaign_id="broken", verdicts=verdicts)
    content = campaigns.read(bare)
    found = campaigns.section(content, words("en"))
    assert "after cost: 1.70\N{NO-BREAK SPACE}k\N{NO-BREAK SPACE}EUR" in found.lead  # (2400 - 500) + (300 - 500)
    page = said(bare, campaigns)
    assert "The sum leaves out 4\N{NO-BREAK SPACE}treatments" in page
    assert "<td>USD</td>" in page
    table = page.partition("Verdict and money</caption>")[2].partition("</table>")[0]
    assert ">Net<" in table
    assert "broken · letter" not in page.partition("</figure>")[0]
    assert [(whole.currency, whole.net["value"]) for whole in content.wholes] == [("EUR", None)]


def test_where_nothing_can_be_added_up_there_is_no_sum(bare):
    files.write_campaign(bare.workspace.effects, currency="USD")
    assert "after cost" not in campaigns.section(campaigns.read(bare), words("en")).lead
    assert "Net, USD" in said(bare, campaigns)


@pytest.mark.parametrize(("until", "n"), [(None, 2), (datetime(2026, 1, 1, 5), 2), (datetime(2026, 1, 1, 4, 59), 0)])
def test_what_was_evaluated_later_is_not_known_yet(bare, until, n):
    files.write_campaign(bare.workspace.effects, observed_until="2026-01-01T05:00:00")
    content = campaigns.read(replace(bare, until=until))
    assert len(content.arms) == n
    assert len(content.wholes) == n // 2


def test_a_campaign_starts_on_a_day_of_the_business(bare):
    files.write_campaign(bare.workspace.effects, assigned_from="2025-10-02T22:00:00")
    days = {arm.started for zone in ("UTC", "Europe/Kyiv") for arm in campaigns.read(replace(bare, timezone=zone)).arms}
    assert days == {date(2025, 10, 2), date(2025, 10, 3)}


def rows_of_kpis(base, **values):
    """Orders and NPS of October to January, as a run in the middle of January leaves them."""
    months = [date(2025, 10, 1), date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]
    files.write_table(base.workspace.kpis / "kpis.parquet", [
        {"kpi": kpi, "period": "month", "period_start": start, "period_end": end, "group_by": "all", "group": None,
         "value": value, "unit": unit, "currency": None, "reason": None}
        for kpi, unit in (("orders", "orders"), ("nps", "score"))
        for start, end, value in zip(months, months[1:], values[kpi], strict=False)
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("as_of", "orders", "months", "is_stale"),
    [
        (date(2026, 1, 15), (100.0, 110.0, 120.0, None), ["Dec", "Nov"], False),  # January is not over
        (date(2026, 1, 1), (100.0, 110.0, 120.0, 5.0), ["Dec", "Nov"], False),  # the file is later than the report
        (date(2025, 12, 10), (100.0, 110.0, 120.0, 5.0), ["Nov", "Oct"], False),
        (date(2026, 1, 15), (100.0, 110.0, None, None), ["Nov", "Oct"], True),  # the file is earlier
    ],
)
def test_metrics_are_of_the_last_month_with_orders_that_was_over(bare, as_of, orders, months, is_stale):
    files.write_scores(bare.workspace, as_of, files.score_rows(20))
    rows_of_kpis(bare, orders=orders, nps=(None, None, None, 9.0))
    found = said(replace(bare, as_of=as_of), summary)
    table = found.partition("Metrics of the latest month</caption>")[2].partition("</thead>")[0]
    assert re.findall(r">(\w{3})\xa0\d{4}<", table) == months
    assert ("The file ends with Nov" in found) == is_stale


def test_cohorts_of_later_months_are_left_out_and_missing_ones_told(full):
    earlier, later = (cohorts.read(replace(full, as_of=day)) for day in (date(2025, 12, 1), date(2026, 3, 1)))
    assert max(row["cohort"] for row in earlier.cohorts) == date(2025, 11, 1)
    assert max(row["cohort"] for row in later.cohorts) == date(2025, 12, 1)
    said_of = [str(cohorts.section(content, words("en")).html(words("en"))) for content in (earlier, later)]
    assert ["The file ends with Dec" in text for text in said_of] == [False, True]


def test_a_cohort_whose_earlier_payments_are_not_known_hides_no_other(full):
    content = cohorts.read(full)
    oldest, following = sorted({row["cohort"] for row in content.cohorts})[:2]
    rows = [{**row, "margin": None} if row["cohort"] == oldest else row for row in content.cohorts]
    found = str(cohorts.section(replace(content, cohorts=rows), words("en")).html(words("en")))
    assert f"A customer of {words('en').month(following)} has brought a margin of" in found


@pytest.mark.parametrize(("module", "command"), [(summary, "cvm kpis"), (actions, "cvm actions")])
def test_goals_and_lists_of_another_day_are_told(full, bare, module, command):
    stale = "This is as of 1\N{NO-BREAK SPACE}Oct\N{NO-BREAK SPACE}2025"
    assert stale not in said(full, module)
    files.fill(bare.workspace)
    files.write_kpis(bare.workspace.outputs, as_of=files.PREVIOUS)
    path = bare.workspace.triggers / "triggers.json"
    path.write_text(path.read_text().replace(str(files.AS_OF), str(files.PREVIOUS)))
    assert f"{stale}, which is not the day of this report. Run {command}." in said(bare, module)


def test_what_nobody_has_measured_is_not_expected_to_bring_nothing(full):
    content = actions.read(full)
    blind = replace(content, actions=[{**row, "net": None} for row in content.actions])
    found = str(actions.section(blind, words("en")).html(words("en"))).partition("</figure>")[0]
    assert "The commonest action is" in found
    assert "0\N{NO-BREAK SPACE}EUR" not in found.partition("<figure>")[2]


def test_the_page_says_when_another_model_made_the_scores(full):
    assert "were made by model" not in said(full, summary)
    other = replace(full, bundle=SimpleNamespace(**{**vars(full.bundle), "model_version": "ffffffffffff"}))
    assert "were made by model 0123456789ab, the champion is ffffffffffff" in said(other, summary)


def test_the_latest_monitoring_up_to_the_date_of_the_report_is_told(full, bare):
    assert "Nothing was monitored yet" in said(bare, monitoring)
    found = said(full, monitoring)
    assert "As of 1\N{NO-BREAK SPACE}Dec\N{NO-BREAK SPACE}2025: train again (model 0123456789ab)." in found
    assert "of 2025-12-01." in found
    assert files.HOSTILE not in found
    assert "2026" not in found
    (bare.workspace.monitoring).mkdir()
    (bare.workspace.monitoring / "2025-12-31.json").write_text("{")
    with pytest.raises(MissingOutputError, match=r"2025-12-31\.json is damaged.*cvm monitor"):
        monitoring.read(bare)


def test_every_run_of_monitoring_is_a_point_and_earlier_scores_are_told_by_segment(full):
    content = monitoring.read(full)
    assert [(str(run["as_of"]), run["verdict"]) for run in content.runs] == [("2025-11-01", "ok"), ("2025-12-01", "retrain")]
    found = said(full, monitoring)
    assert "outside of what is usual in 1 of 2 months" in found
    assert "120 of 181" in found
    assert "everybody" in found
    latest = {**content.latest, "backtests": [{**one, "segment": "at_risk"} for one in content.latest["backtests"]]}
    assert ">під ризиком<" in str(monitoring.section(replace(content, latest=latest), words("uk")).html(words("uk")))


def test_examples_of_findings_never_show(page):
    assert "c00001@x" not in page


def test_ids_are_hashed_on_request_and_the_same_everywhere(full, engine):
    hidden = Base(engine, full.workspace, full.bundle, full.as_of, hash_salt="secret")
    found = own(report_html(hidden, language="en"))
    assert not re.findall(r"\bc0\d{4}\b", found)
    assert hidden.customer("c00001") == hidden.customer("c00001") != Base.customer(hidden, "c00002")
    assert re.fullmatch("[0-9a-f]{12}", hidden.customer("c00001"))
    assert words("en")("page.hashed") in found


def test_paths_of_the_machine_never_show(full, page):
    assert str(full.workspace.outputs) not in page
    assert "outputs/scores/as_of=2026-01-01/scores.parquet" in page


def test_customers_without_value_or_risk_do_no_harm(tmp_path, engine):
    rows = [{**row, "p_churn": None, "clv": 0.0, "expected_orders": None, "reasons": None} for row in files.score_rows(5)]
    base = files.base(tmp_path, engine)
    files.write_scores(base.workspace, files.AS_OF, rows)
    assert words("en")("value_map.empty") in report_html(base, language="en")


def test_a_base_without_customers_still_has_a_page(tmp_path, engine):
    base = files.base(tmp_path, engine)
    files.write_scores(base.workspace, files.AS_OF, [])
    assert "<h1>" in report_html(base, language="ru")


def test_scores_are_added_up_by_the_engine(full):
    assert isinstance(full.engine.table("SELECT 1 AS one"), pa.Table)
    assert len(value.read(full).percentiles) <= 100
