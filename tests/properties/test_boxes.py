"""Boxes of golden parts: whatever is written is read as it was meant, or refused."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.boxes import read_box
from aoi_daemon.config.recipe import GoldenPart
from aoi_daemon.engine.faults import InputError
from aoi_daemon.engine.golden_parts.read import parse_box

PX = st.integers(0, 4096)
NAMES = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters=" -_,"), min_size=1, max_size=64)


@given(PX, PX, PX, PX, st.one_of(st.just(""), NAMES))
def test_a_box_is_the_same_on_the_command_line_and_in_a_manifest(x1, y1, x2, y2, label):
    """A class may have a comma in its name; blanks around it are not part of it."""
    label = label.strip()
    raw = [x1, y1, x2, y2, label] if label else [x1, y1, x2, y2]
    if not (x1 < x2 and y1 < y2):
        with pytest.raises(ValueError, match="x1 must be below x2 and y1 below y2"):
            read_box(raw)
        return
    box = read_box(raw)
    assert parse_box(str(box)) == box
    part = GoldenPart(image="a", sha256="0" * 64, passed=False, boxes=[raw])
    assert json.loads(part.model_dump_json())["boxes"] == [raw]
    assert GoldenPart.model_validate_json(part.model_dump_json()) == part


@given(st.text(max_size=40))
def test_any_other_text_is_refused_in_one_line_that_names_it(text):
    try:
        box = parse_box(text)
    except InputError as error:
        assert str(error).startswith("--box ")
    else:
        assert 0 <= box.x1 < box.x2 and 0 <= box.y1 < box.y2
