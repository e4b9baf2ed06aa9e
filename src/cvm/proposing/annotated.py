"""A proposal as ``params.yaml``, every value with its reason beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

from cvm.proposing.proposal import Proposal, ProposedTable, column_value

_COMMENT_AT = 44
_HALF_YEAR, _YEAR = 180, 365


def params_text(proposal: Proposal) -> str:
    """The whole file."""
    lines = [
        "# Written by cvm init from your files: look at the reasons behind the values, then run: cvm run",
        "# Relative paths are relative to this file. Every other key has its default; the params.yaml of cvm's repository",
        "# shows all of them, with a comment each.",
        *(f"# Look at this: {_one_line(note)}" for note in proposal.notes),
        "",
        "data:",
    ]
    for table in proposal.tables:
        lines += _table_lines(table)
    lines += [f"  # {_one_line(name)} is left out" for name in proposal.left_out]
    lines += [
        _line("  max_rejected_share: 0.05", "more faulty rows than this refuse the run"),
        "",
        "business:",
        _line(f"  currency: {proposal.currency[0]}", proposal.currency[1]),
        _line(f"  timezone: {_plain(proposal.timezone[0])}", proposal.timezone[1]),
        *_margin_lines(proposal),
        _line(
            f"  active_days: {_active_days(proposal.rehearsal.horizon_days)}",
            "who bought within this many days is a customer",
        ),
        "",
        "windows:",
        _line(f"  horizon_days: {proposal.rehearsal.horizon_days}", proposal.horizon_reason),
        _line(f"  clv_days: {max(365, proposal.rehearsal.horizon_days)}", "CLV counts margin over this many days"),
        "",
        "churn:",
    ]
    lines.append(_line(f"  definition: {proposal.churn_definition[0]}", proposal.churn_definition[1]))
    return "\n".join(lines) + "\n"


def _table_lines(table: ProposedTable) -> list[str]:
    candidate, files = table.candidate, table.candidate.sample.files
    lines = [_line(f"  {candidate.table}:", candidate.reason)]
    if isinstance(files.path, str):
        lines.append(f"    path: {_plain(files.path)}")
    else:
        lines += ["    path:", *(f"      - {_plain(path)}" for path in files.path)]
    if candidate.preset:
        return [*lines, _line(f"    preset: {candidate.preset}", "names of its columns are known")]
    lines.append(_line("    columns:", "ours: yours"))
    for ours, match in candidate.matches.items():
        lines.append(_line(f"      {ours}: {_value(column_value(match))}", match.note))
    lines += [_line(f"    {key}: {_value(value)}", reason) for key, (value, reason) in table.writing.keys.items()]
    if table.skips_anonymous:
        lines.append(_line("    skip_without: [customer_id]", table.skips_anonymous))
    if table.ignore:
        lines.append(_line(f"    ignore: {_value(list(table.ignore))}", "of persons, or different in every row"))
    if table.attributes:
        lines.append(f"    # attributes: {_one_line(', '.join(table.attributes))}")
    if table.unused and not table.ignore:
        lines.append(f"    # not used: {_one_line(', '.join(table.unused))}")
    return lines


def _margin_lines(proposal: Proposal) -> list[str]:
    value, reason = proposal.margin_rate
    if not proposal.lacks_margin:
        return [_line(f"  margin_rate: {value}", reason)]
    return [
        "  # !!! FILL THIS IN: 1.0 says that all revenue is profit. 0.3 = 30 % of the price is margin.",
        f"  margin_rate: {value}",
    ]


def _active_days(horizon_days: int) -> int:
    """Two outcome windows, a year at most."""
    return max(horizon_days, 2 * horizon_days if horizon_days < _HALF_YEAR else _YEAR)


def _line(text: str, comment: str) -> str:
    return f"{text.ljust(_COMMENT_AT - 1)} # {_one_line(comment)}"


def _one_line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    return _listed(value) if isinstance(value, list) else _plain(value)


def _listed(values: Iterable[str]) -> str:
    return "[" + ", ".join(map(_plain, values)) + "]"


def _plain(text: str) -> str:
    """Text as YAML reads it back, without quotes where they are not needed."""
    if re.fullmatch(r"(/|[^\W\d_])[\w ./*-]*", text) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)
