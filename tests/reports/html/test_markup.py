import pytest

from cvm.reports.html.markup import Markup, markup, script_json, tag


def test_plain_text_is_escaped_and_markup_is_not():
    assert tag("p", "a < b & c", Markup("<b>d</b>")) == "<p>a &lt; b &amp; c<b>d</b></p>"


def test_attributes_are_escaped_named_as_in_html_and_left_out_when_there_is_nothing():
    found = tag("td", "x", data_v='"1" <', class_="number", hidden=True, title=None, lang=False)
    assert found == '<td data-v="&quot;1&quot; &lt;" class="number" hidden>x</td>'


def test_children_may_be_nested_and_absent():
    assert markup(["a", None, ("b", [Markup("<i>")])]) == "ab<i>"


def test_an_element_without_content_has_no_end():
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--", "a & b"])
def test_json_cannot_end_the_script_that_holds_it(text):
    found = script_json({"name": text})
    assert not set(found) & set("<>&")


def test_json_of_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json(float("nan"))
