from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from campaign_ledger import campaign, judged
from cvm.campaigns.effect_result import CampaignEffect
from cvm.campaigns.effect_table import FILE, SCHEMA, effect_table, write_effect_table
from cvm.errors import MissingOutputError


def stored(folder: Path, found: CampaignEffect) -> CampaignEffect:
    folder.mkdir(exist_ok=True)
    (folder / f"{found.campaign_id}.json").write_text(json.dumps(found.to_dict(), allow_nan=False))
    return found


def test_the_table_holds_what_the_evaluations_found(tmp_path: Path) -> None:
    found = stored(tmp_path, judged(campaign(arms=("control", "mail", "call")), segment_by="city"))
    rows = effect_table(tmp_path).to_pylist()
    whole = {(row["arm"], row["metric"]): row for row in rows if row["segment"] is None}
    assert whole.keys() == {(effect.arm, effect.metric) for effect in found.effects}
    margin, best = whole["mail", "margin"], found.effect("mail", "margin").best
    money = next(arm for arm in found.earned if arm.arm == "mail")
    assert money.roi is not None
    assert [margin[name] for name in ("effect", "lower", "upper", "roi")] == [
        best.value, best.lower, best.upper, money.roi.value,
    ]  # fmt: skip
    assert margin["verdict"] == next(verdict.word for verdict in found.verdicts if verdict.arm == "mail")
    assert (margin["n_treated"], margin["assigned_from"]) == (money.n_treated, found.assigned_from)
    assert (whole["mail", "orders"]["roi"], whole["mail", "orders"]["verdict"]) == (None, None)
    parts = [row for row in rows if row["segment"] is not None]
    assert [(row["segment_by"], row["segment"], row["arm"], row["metric"]) for row in parts] == [
        ("city", row.segment, row.arm, "margin") for row in found.segments
    ]
    assert [row["false_discovery_rate"] for row in parts] == [row.false_discovery_rate for row in found.segments]


def test_an_effect_that_is_not_identified_has_no_number(tmp_path: Path) -> None:
    tables = campaign(n=60)
    tables["customers"] = [{**row, "city": "lone" if number == 0 else "b"} for number, row in enumerate(tables["customers"])]
    stored(tmp_path, judged(tables, segment_by="city"))
    (lone,) = [row for row in effect_table(tmp_path).to_pylist() if row["segment"] == "lone"]
    assert [lone[name] for name in ("effect", "lower", "false_discovery_rate")] == [None, None, None]
    assert lone["n_treated"] + lone["n_control"] == 1


def test_nothing_evaluated_is_an_empty_table(tmp_path: Path) -> None:
    found = effect_table(tmp_path / "effects")
    assert (found.num_rows, found.schema) == (0, SCHEMA)


def test_the_file_is_what_the_reader_returns(tmp_path: Path) -> None:
    stored(tmp_path, judged(campaign()))
    assert pq.read_table(write_effect_table(tmp_path)).equals(effect_table(tmp_path))
    assert (tmp_path / FILE).exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"campaign_id": 1}'])
def test_a_damaged_evaluation_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "spring.json").write_text(text)
    with pytest.raises(MissingOutputError, match=r"spring\.json is damaged\. Run `cvm evaluate CAMPAIGN` to write it again"):
        effect_table(tmp_path)
