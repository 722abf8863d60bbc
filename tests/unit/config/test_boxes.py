"""config/boxes.py: a labelled box, as a file or the command line has it."""

import math

import pytest

from aoi_daemon.config.boxes import Box, read_box


@pytest.mark.parametrize(
    ("value", "box"),
    [
        ([1, 2.5, 3, 4], Box(1.0, 2.5, 3.0, 4.0)),
        ((1, 2, 3, 4, "open"), Box(1.0, 2.0, 3.0, 4.0, "open")),
        ([0, 0, 16_384, 16_384, "x" * 64], Box(0.0, 0.0, 16_384.0, 16_384.0, "x" * 64)),
        (Box(1.0, 2.0, 3.0, 4.0), Box(1.0, 2.0, 3.0, 4.0)),
        (Box(1.0, 2.0, 3.0, 4.0, "open"), Box(1.0, 2.0, 3.0, 4.0, "open")),
    ],
)
def test_four_corners_and_perhaps_a_class_are_a_box(value, box):
    assert read_box(value) == box


@pytest.mark.parametrize("value", ["1,2,3,4", [1, 2, 3], [1, 2, 3, 4, "a", "b"], [1, 2, 3, "4"], [True, 2, 3, 4], [1, 2, 3, math.inf], None])
def test_anything_else_is_refused_with_what_it_must_be(value):
    with pytest.raises(ValueError, match="must be x1, y1, x2, y2 in px"):
        read_box(value)


@pytest.mark.parametrize("label", ["", "x" * 65, 7, None])
def test_a_class_is_a_name_of_1_to_64_characters(label):
    with pytest.raises(ValueError, match="the class must be a name of 1 to 64 characters"):
        read_box([1, 2, 3, 4, label])


@pytest.mark.parametrize("corners", [[2, 1, 2, 3], [3, 1, 2, 3], [1, 2, 3, 2], [-1, 1, 2, 3], [1, -1, 2, 3], [1, 1, 16_385, 3], [1, 1, 3, 16_385]])
def test_corners_are_in_order_and_within_the_largest_picture(corners):
    with pytest.raises(ValueError, match="x1 must be below x2 and y1 below y2, all of them 0 to 16384"):
        read_box(corners)


@pytest.mark.parametrize(("box", "text"), [(Box(1, 2.5, 3, 4), "1,2.5,3,4"), (Box(1, 2, 3, 4, "open"), "1,2,3,4,open")])
def test_a_box_is_told_as_the_command_line_takes_it(box, text):
    assert str(box) == text
