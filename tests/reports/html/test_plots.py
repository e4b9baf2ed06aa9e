import pytest

from cvm.reports.html.plots import axis, bars, grid_layout, heatmap, intervals, line, plot

NAMES = ["big_spender", "big spender", "big spender", "<b>x</b> & y", "n" * 200]
CATEGORY = {"type": "category"}


def along(names, **layout):
    points = intervals([1.0] * len(names), names, [0.0] * len(names), [2.0] * len(names), across=True, hover=names)
    return plot([points], yaxis=axis(**CATEGORY), **layout)


def test_every_name_has_a_place_of_its_own_and_is_text():
    found = along(NAMES)
    assert found["data"][0]["y"] == found["layout"]["yaxis"]["tickvals"] == [0, 1, 2, 3, 4]
    assert found["layout"]["yaxis"]["ticktext"][:4] == [*NAMES[:3], "&lt;b&gt;x&lt;/b&gt; &amp; y"]


def test_long_names_leave_room_and_are_whole_beside_the_pointer():
    found = along(NAMES)
    assert len(found["layout"]["yaxis"]["ticktext"][4]) == 28
    assert len(found["layout"]["yaxis"]["shorttext"][4]) == 19
    assert found["data"][0]["customdata"][4].replace("<br>", "") == NAMES[4]


def test_an_entity_is_never_cut():
    found = along(["<" * 200])["layout"]["yaxis"]
    assert found["shorttext"] == ["&lt;" * 9 + "…" + "&lt;" * 9]


def test_short_names_without_a_sign_stay_categories():
    assert along(["new", "lost"])["data"][0]["y"] == ["new", "lost"]


def test_traces_share_their_places():
    traces = [bars(NAMES, [1.0] * 5, across=True), bars(NAMES, [2.0] * 5, across=True)]
    found = plot(traces, yaxis=axis(**CATEGORY))
    assert [trace["y"] for trace in found["data"]] == [[0, 1, 2, 3, 4]] * 2


def test_a_grid_shows_texts_as_they_are_and_lines_where_a_line_ends():
    grid = heatmap([[1.0]], columns=["<i>"], rows=["a"], texts=[["1\n<br>"]], hover=[["a\n<a href=x>"]])
    found = plot([grid], **grid_layout(1, x="<x>", y=""))
    (trace,) = found["data"]
    assert trace["text"] == [["1<br>&lt;br&gt;"]]
    assert trace["customdata"] == [["a<br>&lt;a href=x&gt;"]]
    assert trace["x"] == [0]
    assert trace["y"] == ["a"]
    assert found["layout"]["xaxis"]["ticktext"] == ["&lt;i&gt;"]
    assert found["layout"]["xaxis"]["title"]["text"] == "&lt;x&gt;"


@pytest.mark.parametrize(
    "trace", [bars(["a"], [1.0], label="<b>", hover=["<b>"]), line([1], [1.0], label="<b>", hover=["<b>"])]
)
def test_labels_and_hovers_of_every_trace_are_text(trace):
    assert trace["name"] == "&lt;b&gt;"
    assert trace["customdata"] == ["&lt;b&gt;"]
