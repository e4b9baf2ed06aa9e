"""The tables of ``docs/kpis.md``, written by the catalogue: ``python -m cvm.kpis.documentation``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cvm.kpis.campaign_returns import CAMPAIGN_KPIS
from cvm.kpis.catalogue import KPIS
from cvm.kpis.definition import GROUPS, Kpi

PAGE = Path(__file__).parents[3] / "docs" / "kpis.md"
_BEGIN, _END = "<!-- catalogue: begin -->\n", "<!-- catalogue: end -->\n"
_SHORT = {"acquisition_channel": "acquisition", "segment_at_start": "at start"}


def catalogue_tables() -> str:
    """All KPIs, and what they are grouped by, as Markdown."""
    return "\n".join([*_kpis(), "", *_groups(), ""])


def _kpis() -> Iterator[str]:
    yield "| KPI | formula | unit | groups (**bold**: adds up to all) | needs |"
    yield "|---|---|---|---|---|"
    for kpi in KPIS.values():
        yield f"| `{kpi.name}` | {kpi.meaning} | {kpi.unit} | {_grouped(kpi)} | {', '.join(kpi.needs)} |"
    for name, meaning in CAMPAIGN_KPIS.items():
        yield f"| `{name}` | {meaning} | ratio | {'campaign' if name == 'campaign_roi' else 'segment'} | `cvm evaluate` |"


def _grouped(kpi: Kpi) -> str:
    named = {name: _SHORT.get(name, name) for name in kpi.groups}
    return ", ".join(f"**{short}**" if name in kpi.adds_up else short for name, short in named.items()) or "-"


def _groups() -> Iterator[str]:
    yield "| `group_by` | a row is counted in |"
    yield "|---|---|"
    for name, meaning in GROUPS.items():
        short = f" ({_SHORT[name]})" if name in _SHORT else ""
        yield f"| `{name}`{short} | {meaning} |"


def kpi_tables_of_the_page() -> tuple[str, str]:
    """The page as it is, and as it should be."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return page, f"{before}{_BEGIN}{catalogue_tables()}{_END}{after}"


if __name__ == "__main__":
    PAGE.write_text(kpi_tables_of_the_page()[1], encoding="utf-8")
