from __future__ import annotations

from rich.console import Console

from cvm.reports.tables import titled_table


def test_a_title_is_shown_as_it_stands():
    table = titled_table("spring [v2][/] of the shop: who")
    table.add_column("step")
    table.add_row("wide enough for the title to stand on one line")
    console = Console(width=60)
    with console.capture() as captured:
        console.print(table)
    assert "spring [v2][/] of the shop: who" in captured.get()


def test_headers_and_cells_are_shown_as_they_stand():
    table = titled_table("arms")
    table.add_column("[n/a]")
    table.add_row("[/] of :smile: [bold]")
    console = Console(width=60)
    with console.capture() as captured:
        console.print(table)
    assert "[n/a]" in captured.get()
    assert "[/] of :smile: [bold]" in captured.get()
