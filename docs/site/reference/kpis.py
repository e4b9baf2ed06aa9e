"""All KPIs of the catalogue, by what they are made of."""

from __future__ import annotations

from cvm.kpis.campaign_returns import CAMPAIGN_KPIS
from cvm.kpis.catalogue import KPIS
from cvm.kpis.definition import GROUPS, Kpi
from reference.tables import Row, code, prose, table

_TITLES = {
    "": "Of orders, for every warehouse",
    "customers": "Of acquisition costs",
    "events": "Of behaviour and messages",
    "scores": "Of scores",
}


def kpi_tables() -> str:
    """Markdown: a table per source, and what KPIs are grouped by."""
    found: dict[str, list[Kpi]] = {}
    for kpi in KPIS.values():
        found.setdefault(kpi.needs[0].split(".")[0] if kpi.needs else "", []).append(kpi)
    head = ("KPI", "Formula", "Unit", "Grouped by", "Needs", "Without a value")
    parts = [
        f"## {_TITLES.get(source, source.capitalize())}\n\n{table(head, map(_row, members), kind='kpis')}"
        for source, members in found.items()
    ]
    campaigns = (Row(name, (code(name), prose(meaning), "ratio")) for name, meaning in CAMPAIGN_KPIS.items())
    parts.append(f"## Of campaigns\n\n{table(('KPI', 'Formula', 'Unit'), campaigns, kind='kpis')}")
    groups = (Row(f"by-{name}", (code(name), prose(meaning))) for name, meaning in GROUPS.items())
    parts.append(f"## What they are grouped by\n\n{table(('group_by', 'A row is counted in'), groups)}")
    return "\n".join(parts)


def _row(kpi: Kpi) -> Row:
    grouped = ", ".join(f"<strong>{code(name)}</strong>" if name in kpi.adds_up else code(name) for name in kpi.groups)
    needs = ", ".join(map(code, kpi.needs))
    return Row(kpi.name, (code(kpi.name), prose(kpi.meaning), kpi.unit, grouped or "-", needs, prose(kpi.without)))
