"""Inspect and ignore regions."""

import numpy as np
import pytest

from aoi_daemon.config.recipe import Region
from aoi_daemon.decide.regions import compile_views

L_SHAPE = ((0, 0), (100, 0), (100, 50), (50, 50), (50, 100), (0, 100))


def view(*regions, fov=None):
    return compile_views(regions, 1.0, 640, 480)[fov]


def region(kind, corners, fov=None):
    return Region(kind=kind, corners=corners, fov=fov)


def at(where, *points):
    """Whether a small box around each point counts."""
    boxes = np.array([(x - 2, y - 2, x + 2, y + 2) for x, y in points], np.float32)
    return where.counts(boxes).tolist()


def test_a_rectangle_is_named_by_any_two_opposite_corners():
    """(right, top) and (left, bottom) are as good."""
    assert at(view(region("ignore", ((30, 10), (10, 30)))), (20, 20), (31, 20)) == [False, True]


def test_a_polygon_is_filled_by_the_even_odd_rule():
    """An L has no inner corner square."""
    assert at(view(region("inspect", L_SHAPE)), (20, 20), (80, 20), (20, 80), (80, 80)) == [True, True, True, False]


def test_a_polygon_ends_on_both_sides():
    """Beside it, at the height of its middle and of its corners, is not in it."""
    diamond = view(region("inspect", ((100, 50), (150, 100), (100, 150), (50, 100))))
    assert at(diamond, (20, 90), (100, 90), (180, 90)) == [False, True, False]
    assert at(diamond, (20, 100), (100, 100), (180, 100)) == [False, True, False]


def test_the_turn_of_a_polygon_does_not_matter():
    """Clockwise is as good as the other way round."""
    points = [(x, y) for x in range(5, 110, 7) for y in range(5, 110, 7)]
    assert at(view(region("inspect", L_SHAPE)), *points) == at(view(region("inspect", L_SHAPE[::-1])), *points)


def test_several_regions_add_up_and_ignore_goes_before_inspect():
    """In any inspect region, in no ignore region."""
    where = view(
        region("inspect", ((0, 0), (40, 40))),
        region("inspect", ((100, 100), (200, 100), (150, 200))),
        region("ignore", ((0, 0), (10, 10))),
        region("ignore", ((140, 110), (160, 110), (150, 130))),
    )
    assert at(where, (5, 5), (20, 20), (150, 180), (150, 115), (300, 300)) == [False, True, True, False, False]


def test_no_point_falls_between_two_polygons_with_a_common_edge():
    """Each point of a frame that two triangles share lies in one of them."""
    ends = (0, 0), (640, 480)
    lower, upper = ((*ends, (0, 480))), ((ends[1], ends[0], (640, 0)))
    where = view(region("inspect", lower), region("inspect", upper))
    rng = np.random.default_rng(1)
    along = rng.uniform(2, 470, 1000)
    assert all(at(where, *zip(along * 640 / 480, along, strict=True)))


@pytest.mark.parametrize(
    ("corners", "kind", "problem"),
    [
        (((0, 0), (0, 9)), "ignore", "hold no area"),
        (((0, 0), (5, 5), (10, 10)), "inspect", "hold no area"),
        (((640, 0), (700, 50)), "inspect", "no part of it is in the frame of 640 x 480 px"),
        (((-9, -9), (0, 0)), "inspect", "no part of it"),
    ],
)
def test_a_region_that_makes_no_sense_is_refused(corners, kind, problem):
    """The error names it by its place in the recipe."""
    with pytest.raises(ValueError, match=rf"regions\[1\].*{problem}"):
        view(region("ignore", ((0, 0), (9, 9))), region(kind, corners))


def test_ignore_regions_that_leave_nothing_are_refused():
    """Every part would pass; the error names the field of view."""
    halves = region("ignore", ((0, 0), (640, 240)), fov=2), region("ignore", ((0, 240), (640, 480)))
    with pytest.raises(ValueError, match="cover all of fov 2"):
        view(*halves)
    assert at(view(halves[1]), (100, 100)) == [True]
