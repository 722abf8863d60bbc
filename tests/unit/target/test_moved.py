"""How far the target has moved is told by the corners that are seen, or it is said why it cannot be."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoi_daemon.config.lens import LEAST_MARKS, MOST_MARKS, Lens, Mark
from aoi_daemon.decide.lengths import straightened
from aoi_daemon.target.board import Target
from aoi_daemon.target.find import CalibrationError, Found, find_target
from aoi_daemon.target.moved import find_near, marks_of, moved
from tests.unit.target.rendering import distorted, seen

TARGET = Target(14, 10, 10.0)


def corners(image, least=LEAST_MARKS):
    return find_target("b", image, TARGET, least=least)


@pytest.fixture(scope="module")
def lens():
    return Lens(width_px=640, height_px=480, px_per_mm=4.4, marks=marks_of(corners(seen(TARGET))))


def test_marks_are_far_apart(lens):
    """However many corners there are: near ones would tell the same twice."""
    places = np.array([(mark.x_px, mark.y_px) for mark in lens.marks])
    apart = np.linalg.norm(places[:, None] - places[None], axis=2) + 1e9 * np.eye(len(places))
    assert len(places) == MOST_MARKS
    assert apart.min() > 60


def test_some_of_the_marks_are_enough_to_tell_and_too_few_are_not(lens):
    covered = seen(TARGET, seed=5, shift_px=(2.0, -1.0))
    covered[:, :250] = 200
    found = moved(lens, corners(covered))
    assert LEAST_MARKS <= found.seen < MOST_MARKS
    assert (found.x_px, found.y_px) == pytest.approx((2.0, -1.0), abs=0.2)
    covered[:, :540] = 200
    with pytest.raises(CalibrationError, match=r"b: \d of the 16 corners that were kept are seen, at least 4"):
        moved(lens, corners(covered, least=1))


def test_a_target_is_looked_for_where_it_was_and_told_in_px_of_the_frame():
    """And not in the rest of a large frame, whatever looks like it there."""
    target, at = Target(5, 4, 10.0), np.array((900, 500))
    frame = np.full((1200, 1600), 130, np.uint8)
    picture = seen(target, size=(300, 200), px_per_mm=3.0)

    def shown(place):
        image = frame.copy()
        image[place[1] : place[1] + 200, place[0] : place[0] + 300] = picture
        return image

    marks = marks_of(find_target("a", shown(at), target, least=12))
    lens = Lens(width_px=1600, height_px=1200, px_per_mm=3.0, marks=marks)
    assert moved(lens, find_near("b", shown(at + np.array((90, -60))), lens, target))[:2] == pytest.approx((90.0, -60.0), abs=0.01)
    with pytest.raises(CalibrationError, match="b: no target in it"):
        find_near("b", shown((20, 20)), lens, target)
    with pytest.raises(CalibrationError, match="b: is 1200 x 1600 px, the camera was measured at 1600 x 1200"):
        find_near("b", shown(at).T, lens, target)


def test_a_picture_of_another_size_is_of_another_camera(lens):
    with pytest.raises(CalibrationError, match="b: is 800 x 600 px, the camera was measured at 640 x 480"):
        moved(lens, corners(seen(TARGET, size=(800, 600))))


@pytest.mark.parametrize(("bent_px", "holds"), [(1.0, True), (6.0, False)])
def test_corners_that_lie_otherwise_to_each_other_are_no_shift(bent_px, holds):
    """One of four, beside its place; shift, turn and scale take some of that up."""
    lens, found = four_corners()
    assert moved(lens, found)[:3] == pytest.approx((5.0, 5.0, 5.0 * 2**0.5))
    found.seen_px[2, 0] += bent_px
    if holds:
        assert moved(lens, found).x_px == pytest.approx(5.0 + bent_px / 4)
        return
    with pytest.raises(CalibrationError, match=r"from where they lay to each other.*bent, or another one"):
        moved(lens, found)


def test_a_corner_that_lies_elsewhere_than_all_others_is_left_out():
    """As something that covers half of it makes it."""
    lens, found = four_corners(extra=((200.0, 200.0), (150.0, 250.0)))
    found.seen_px[1] += (3.0, -2.0)
    assert moved(lens, found) == pytest.approx((5.0, 5.0, 5.0 * 2**0.5, 5))


def four_corners(extra=()):
    """A lens with four marks, or more, and the same corners seen 5 px farther right and down."""
    places = np.array(((100.0, 100.0), (300.0, 100.0), (300.0, 300.0), (100.0, 300.0), *extra))
    marks = tuple(Mark(id=number, x_px=x, y_px=y) for number, (x, y) in enumerate(places))
    lens = Lens(width_px=640, height_px=480, px_per_mm=4.4, marks=marks)
    return lens, Found("b", np.arange(len(places), dtype=np.int32), places + 5.0, places, (640, 480), 2.0)


def test_an_edge_beside_a_corner_moves_no_target():
    """A strip that covers a part of it is pushed over it, px by px."""
    target, optics = Target(4, 4, 10.0), {"size": (400, 300), "px_per_mm": 3.0, "turn_deg": 0.0, "blur_px": 0.75, "noise": 0.0}
    kept, image = find_target("a", seen(target, **optics), target, least=9), seen(target, shift_px=(0.03, 0.0), **optics)
    lens = Lens(width_px=400, height_px=300, px_per_mm=3.0, marks=marks_of(kept))
    told = []
    for left in range(100, 240, 2):
        covered = image.copy()
        covered[:155, left - 1 : left + 59] = 120
        with contextlib.suppress(CalibrationError):
            told.append(moved(lens, find_target("b", covered, target, least=LEAST_MARKS)).farthest_px)
    assert len(told) > 40
    assert max(told) < 0.5


@given(st.floats(-0.13, 0.1), st.floats(-8, 8), st.floats(-8, 8), st.floats(-0.02, 0.02))
def test_a_knock_is_told_as_the_same_wherever_the_target_is_seen(k1, x, y, turn):
    """Near the corner of a frame that a lens bends by a tenth, 8 px are seen as 10 or 6."""
    places = np.array(((20.0, 20.0), (150.0, 30.0), (140.0, 130.0), (40.0, 150.0)))
    lens = Lens(width_px=640, height_px=480, px_per_mm=4.4, k1=k1)
    marks = tuple(
        Mark(id=number, x_px=at[0], y_px=at[1]) for number, at in enumerate(distorted(places, (640, 480), k1, 0.0) + 40)
    )
    true = straightened(lens, [(mark.x_px, mark.y_px) for mark in marks])
    middle = true.mean(axis=0)
    turned = (true - middle) @ np.array(((np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn)))) + middle + (x, y)
    found = Found("b", np.arange(4, dtype=np.int32), distorted(turned, (640, 480), k1, 0.0), places, (640, 480), 2.0)
    told = moved(lens.model_copy(update={"marks": marks}), found)
    assert told[:2] == pytest.approx((x, y), abs=1e-6)
    assert told.farthest_px == pytest.approx(np.linalg.norm(turned - true, axis=1).max(), abs=1e-6)
