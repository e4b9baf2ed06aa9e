from __future__ import annotations

from cvm.reports.figures import drivers_figure


def test_the_largest_drivers_stand_on_top_and_fifteen_are_enough() -> None:
    axes = drivers_figure({f"theme {rank}": 1 / rank for rank in range(1, 21)}).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [f"theme {rank}" for rank in range(15, 0, -1)]
    assert axes.get_title(loc="left") == "What drives churn?"
