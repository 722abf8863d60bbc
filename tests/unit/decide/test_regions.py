"""Inspect and ignore regions."""

import numpy as np
import pytest

from aoi_daemon.config.limits import Region
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


def exactly(where, *points):
    """Whether a box whose centre is exactly there counts."""
    return where.counts(np.array([(x - 2, y - 2, x + 2, y + 2) for x, y in points], np.float32)).tolist()


def test_the_border_of_a_rectangle_belongs_to_it():
    inspect = view(region("inspect", ((100, 50), (200, 80))))
    assert exactly(inspect, (100, 60), (200, 60), (150, 50), (150, 80), (100, 50), (200, 80)) == [True] * 6
    assert exactly(inspect, (99.5, 60), (200.5, 60), (150, 49.5), (150, 80.5)) == [False] * 4


def test_of_a_polygon_the_left_and_the_upper_sides_belong_to_it():
    inspect = view(region("inspect", ((100, 50), (200, 50), (200, 80), (100, 80))))
    assert exactly(inspect, (100, 60), (150, 50), (100, 50)) == [True] * 3
    assert exactly(inspect, (200, 60), (150, 80), (200, 80), (99.5, 60), (150, 49.5)) == [False] * 5


def test_a_box_beyond_the_frame_counts_as_if_it_were_in_the_last_pixel():
    """A region of that one pixel has it."""
    edges = {((0, 0), (1, 480)): (-5, 200), ((639, 0), (640, 480)): (650, 200), ((0, 0), (640, 1)): (300, -5), ((0, 479), (640, 480)): (300, 490)}
    for corners, point in edges.items():
        assert exactly(view(region("inspect", corners)), point) == [True]


def test_an_ignore_region_along_one_side_leaves_the_rest():
    for corners in (((0, 0), (10, 480)), ((0, 0), (640, 10)), ((630, 0), (640, 480)), ((0, 470), (640, 480))):
        assert exactly(view(region("ignore", corners)), (320, 240)) == [True]


def test_a_region_of_another_field_of_view_says_nothing_here():
    views = compile_views([region("ignore", ((0, 0), (100, 100)), fov=1), region("ignore", ((200, 0), (300, 100)), fov=2)], 1.0, 640, 480)
    assert exactly(views[1], (50, 50), (250, 50)) == [False, True]
    assert exactly(views[2], (50, 50), (250, 50)) == [True, False]
    assert set(views) == {1, 2}


def test_corners_that_are_no_numbers_in_px_are_refused():
    with np.errstate(over="ignore"), pytest.raises(ValueError, match=r"regions\[0\]\.corners: .* are not all numbers"):
        compile_views([region("ignore", ((0, 0), (1e308, 1e308)))], 100.0, 640, 480)


@pytest.mark.parametrize("corners", [((0, 0), (10, 20), (20, 40)), ((0, 0), (30, 10), (60, 20), (30, 10)), ((5, 7), (25, 17), (45, 27))])
def test_a_polygon_on_one_line_holds_no_area(corners):
    with pytest.raises(ValueError, match="hold no area"):
        compile_views([region("ignore", corners)], 1.0, 640, 480)


@pytest.mark.parametrize(
    ("corners", "inside"),
    [
        (((640, 100), (700, 200)), False), (((639.5, 100), (700, 200)), True), (((100, 480), (200, 500)), False), (((100, 479.5), (200, 500)), True),
        (((-50, 100), (0, 200)), False), (((-50, 100), (0.5, 200)), True), (((-50, 100), (-0.5, 200)), False), (((-50, 100), (1, 200)), True),
        (((100, -50), (200, 0)), False), (((100, -50), (200, 0.5)), True), (((100, -50), (200, -0.5)), False), (((100, -50), (200, 1)), True),
    ],
)  # fmt: skip
def test_an_inspect_region_has_a_part_in_the_frame(corners, inside):
    """Else every part would pass. One that ignores may lie anywhere."""
    compile_views([region("ignore", corners)], 1.0, 640, 480)
    if inside:
        compile_views([region("inspect", corners)], 1.0, 640, 480)
    else:
        with pytest.raises(ValueError, match="no part of it is in the frame of 640 x 480 px"):
            compile_views([region("inspect", corners)], 1.0, 640, 480)
