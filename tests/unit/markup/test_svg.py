"""markup/svg.py: whatever is put in stays text."""

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from aoi_daemon.markup.svg import element, join, picture

# What XML 1.0 can hold at all.
TEXT = st.text(st.characters(min_codepoint=0x20, exclude_categories=("Cs", "Cn")))


@given(TEXT, TEXT)
def test_text_and_values_come_back_as_they_went_in(text, value):
    found = ElementTree.fromstring(element("text", text, data_name=value))
    assert (found.text or "", found.get("data-name"), len(found)) == (text, value, 0)


def test_an_element_inside_is_an_element():
    found = ElementTree.fromstring(element("g", element("rect", width=1.0), "a < b"))
    assert [child.tag for child in found] == ["rect"] and found[0].tail == "a < b"


def test_attributes_are_left_out_written_and_named():
    assert element("rect", class_="bad", fill=None, hidden=False, aria_hidden=True, x=1 / 3, y=2) == (
        '<rect class="bad" aria-hidden="aria-hidden" x="0.333333" y="2"/>'
    )


def test_a_picture_has_its_size_and_name_space():
    found = ElementTree.fromstring(picture(element("g"), width=10, height=2.5, role="img"))
    assert (found.tag, found.get("viewBox"), found.get("role")) == ("{http://www.w3.org/2000/svg}svg", "0 0 10 2.5", "img")


def test_what_is_joined_stays_escaped():
    assert isinstance(join(element("g"), "<b>"), Markup) and join(element("g"), "<b>") == "<g/>&lt;b&gt;"
