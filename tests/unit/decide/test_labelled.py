"""Whether what was found on a bad part is what its labels say is there."""

from __future__ import annotations

import pytest

from aoi_daemon.config.boxes import Box
from aoi_daemon.decide.labelled import unmet
from aoi_daemon.messages import Defect

CLASSES = ("open", "short")
BOX = Box(100, 200, 140, 260)  # centre 120, 230; 40 x 60


def found(x1: float, y1: float, x2: float, y2: float, label: int = 0) -> Defect:
    return Defect(label, 0.9, x1, y1, x2, y2)


def met(defect: Defect, box: Box = BOX, shift: tuple[float, float] | None = None) -> bool:
    return unmet([box], [defect], CLASSES, *([] if shift is None else [shift])) == []


@pytest.mark.parametrize(
    ("x", "y", "there"),
    [
        (120, 230, True), (100, 230, True), (140, 230, True), (120, 200, True), (120, 260, True),
        (99.5, 230, False), (140.5, 230, False), (120, 199.5, False), (120, 260.5, False),
        (99.5, 199.5, False), (300, 230, False), (120, 500, False),
    ],
)  # fmt: skip
def test_a_detection_whose_centre_lies_in_the_box_meets_it_however_small(x, y, there):
    """The border belongs to it; the speck itself shares next to nothing with the box."""
    assert met(found(x - 0.25, y - 0.25, x + 0.25, y + 0.25)) is there


@pytest.mark.parametrize(
    ("x1", "y1", "x2", "y2", "there"),
    [
        # As large as the box, beside it, sharing a strip of it: (strip) / (2 - strip) of the area.
        (140 - 8, 200, 180 - 8, 260, True),  # 8 of 40 px: 0.2 / 1.8 = 0.11
        (140 - 7, 200, 180 - 7, 260, False),  # 7 of 40 px: 0.175 / 1.825 = 0.096
        (100 - 40 + 8, 200, 100 + 8, 260, True),
        (100 - 40 + 7, 200, 100 + 7, 260, False),
        (100, 260 - 12, 140, 320 - 12, True),
        (100, 260 - 10, 140, 320 - 10, False),
        (100, 200 - 60 + 12, 140, 200 + 12, True),
        (100, 200 - 60 + 10, 140, 200 + 10, False),
        # A long scratch whose end lies in the box, its centre far from it.
        (100, 200, 100 + 399, 260, True),  # 2400 of 23940: 0.1002
        (100, 200, 100 + 401, 260, False),
        # Beside it in one direction alone, over it in the other: nothing is shared.
        (300, 200, 340, 260, False),
        (100, 400, 140, 460, False),
        (300, 400, 340, 460, False),
        (0, 0, 40, 60, False),
        (140, 260, 180, 320, False),
    ],
)  # fmt: skip
def test_a_detection_beside_its_centre_meets_the_box_by_a_tenth_of_both(x1, y1, x2, y2, there):
    assert met(found(x1, y1, x2, y2)) is there


def test_exactly_a_tenth_is_enough():
    """10 x 10 px of 1000: each of 550."""
    assert met(found(0, 0, 55, 10), Box(45, 0, 100, 10))


def test_a_detection_is_shifted_onto_the_picture():
    """The part lay so far from where the template has it; and to where it was not found it is not shifted."""
    away = found(100 + 70, 200 - 90, 140 + 70, 260 - 90)
    assert not met(away) and met(away, shift=(-70, 90))
    assert not met(away, shift=(70, 90)) and not met(away, shift=(-70, -90))
    # By its corners, as the centre lies outside: a strip of 8 px is enough and one of 7 is not.
    for strip, there in ((8, True), (7, False)):
        assert met(found(140 - strip + 70, 200 - 90, 180 - strip + 70, 260 - 90), shift=(-70, 90)) is there
    # A speck on the border: no shift is none.
    assert met(found(99.75, 230, 100.25, 230)) and met(found(120, 199.75, 120, 200.25))
    assert met(found(139.75, 230, 140.25, 230)) and met(found(120, 259.75, 120, 260.25))


@pytest.mark.parametrize(("named", "label", "there"), [("", 0, True), ("", 1, True), ("open", 0, True), ("open", 1, False), ("short", 0, False), ("short", 1, True)])
def test_a_box_that_names_a_class_is_met_by_that_class_alone(named, label, there):
    assert met(found(100, 200, 140, 260, label), BOX._replace(label=named)) is there


def test_every_box_is_told_that_no_detection_meets():
    """In the order of the labels; one detection may meet several, and one that meets none changes nothing."""
    boxes = [BOX, Box(500, 500, 540, 540), BOX._replace(x1=110), Box(0, 0, 9, 9)]
    assert unmet(boxes, [], CLASSES) == boxes
    assert unmet(boxes, [found(300, 300, 310, 310), found(101, 201, 139, 259)], CLASSES) == [boxes[1], boxes[3]]
    assert unmet([], [found(0, 0, 9, 9)], CLASSES) == []


def test_thin_boxes_beside_each_other_share_nothing():
    """A pixel wide, or high."""
    assert not met(found(300, 200, 301, 260), Box(100, 200, 101, 260))
    assert not met(found(100, 300, 160, 301), Box(100, 200, 160, 201))
