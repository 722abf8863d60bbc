"""The recipe's section `registration`: what fits the frame, in words."""

import pytest
from pydantic import ValidationError

from aoi_daemon.config.recipe import Recipe
from aoi_daemon.config.registration import MIN_FRAME_PX, Rectangle

RECIPE = {"id": 1, "name": "board", "bundle": "bundle", "width_px": 640, "height_px": 480}
MARK = {"corners": [[100.0, 100.0], [160.0, 150.0]]}


def recipe(registration, **keys) -> Recipe:
    return Recipe.model_validate({**RECIPE, **keys, "registration": registration})


def test_a_recipe_without_it_aligns_nothing():
    assert Recipe.model_validate(RECIPE).registration is None


def test_the_limit_is_all_that_phase_needs():
    found = recipe({"max_offset": 12.0}).registration
    assert (found.method, found.max_offset, found.fiducials) == ("phase", 12.0, ())


def test_lengths_are_in_the_recipes_unit():
    """Two corners in any order; 48 px per mm."""
    found = recipe(
        {"max_offset": 0.25, "method": "fiducials", "fiducials": [{"corners": [[3.0, 2.0], [2.0, 3.0]]}]}, unit="mm"
    )
    assert found.registration.fiducials[0].rectangle(found.px_per_unit) == Rectangle(96, 96, 144, 144)


def test_a_field_of_view_has_the_fiducials_that_name_it_and_those_that_name_none():
    marks = [{**MARK, "fov": 1}, MARK, {**MARK, "fov": 2}]
    found = recipe({"max_offset": 8.0, "method": "fiducials", "fiducials": marks}).registration
    assert [mark.fov for mark in found.of_fov(2)] == [None, 2]


@pytest.mark.parametrize(
    ("registration", "keys", "problem"),
    [
        ({}, {}, "max_offset"),
        ({"max_offset": 0.0}, {}, "greater than 0"),
        ({"max_offset": float("nan")}, {}, "finite number"),
        ({"max_offset": float("inf")}, {}, "finite number"),
        ({"max_offset": 121.0}, {}, r"registration.max_offset = 121: is 121 px, at most a quarter .* \(120 px\)"),
        ({"max_offset": 3.0}, {"unit": "mm"}, "registration.max_offset = 3: is 144 px"),
        ({"max_offset": 8.0, "min_match": 0.0}, {}, "min_match"),
        ({"max_offset": 8.0, "shift": 1}, {}, "shift"),
        ({"max_offset": 8.0}, {"width_px": 48}, "frames are 48 x 480 px, at least 64 a side"),
        ({"max_offset": 8.0, "fiducials": [MARK]}, {}, "method 'phase' takes none"),
        ({"max_offset": 8.0, "method": "fiducials"}, {}, "method 'fiducials' needs some"),
    ],
)
def test_what_does_not_fit_is_refused_by_key_and_bound(registration, keys, problem):
    with pytest.raises(ValidationError, match=problem):
        recipe(registration, **keys)


@pytest.mark.parametrize(
    ("corners", "problem"),
    [
        ([[100.0, 100.0], [107.0, 160.0]], r"fiducials\[0\].corners: is 7 x 60 px, allowed are 8 to 512"),
        ([[20.0, 20.0], [600.0, 100.0]], "is 580 x 80 px, allowed are 8 to 512"),
        ([[8.0, 100.0], [60.0, 160.0]], r"with max_offset around it \(9 px\) it is not inside the frame of 640 x 480"),
        ([[100.0, 440.0], [160.0, 472.0]], "is not inside the frame"),
        ([[float("nan"), 1.0], [2.0, 3.0]], "finite number"),
        ([[100.0, 100.0]], "at least 2 items"),
        ([[100.0, 100.0], [160.0, 160.0], [1.0, 1.0]], "at most 2 items"),
    ],
)
def test_a_fiducial_is_as_large_as_one_can_be_found_and_lies_inside_with_its_search(corners, problem):
    with pytest.raises(ValidationError, match=problem):
        recipe({"max_offset": 8.0, "method": "fiducials", "fiducials": [{"corners": corners}]})


@pytest.mark.parametrize(("side", "is_taken"), [(7, False), (8, True), (512, True), (513, False)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_fiducial_has_8_to_512_px_each_way(axis, side, is_taken):
    far = [100.0, 100.0]
    far[axis] = 20.0 + side
    near = [20.0, 20.0]
    keys = {"max_offset": 8.0, "method": "fiducials", "fiducials": [{"corners": [far, near]}]}
    if is_taken:
        assert recipe(keys, height_px=640).registration.fiducials[0].rectangle(1.0)[axis :: 2] == (20, 20 + side)
    else:
        with pytest.raises(ValidationError, match="allowed are 8 to 512"):
            recipe(keys, height_px=640)


def test_a_quarter_of_the_shorter_side_is_not_too_far():
    assert recipe({"max_offset": 120.0}).registration.max_offset == 120


def test_of_an_offset_that_is_too_large_nothing_else_is_said():
    """Whether the marks are inside with it is known when it is mended."""
    with pytest.raises(ValidationError) as refused:
        recipe({"max_offset": 121.0, "method": "fiducials", "fiducials": [MARK]})
    assert str(refused.value).count("registration.") == 1


def test_phase_needs_no_fiducial_for_its_templates():
    found = recipe({"max_offset": 8.0}, templates=[{"fov": 0, "image": "a.png"}, {"fov": 1, "image": "b.png"}])
    assert found.registration.of_fov(1) == []


@pytest.mark.parametrize("count", [1, 8])
def test_one_to_eight_fiducials_are_taken(count):
    keys = {"max_offset": 8.0, "method": "fiducials", "fiducials": [MARK] * count}
    assert len(recipe(keys, templates=[{"fov": 0, "image": "a.png"}]).registration.of_fov(0)) == count


@pytest.mark.parametrize("count", [0, 9])
def test_each_field_with_a_template_has_one_to_eight_fiducials(count):
    marks = [{**MARK, "fov": 0}, *[{**MARK, "fov": 1}] * count]
    templates = [{"fov": 0, "image": "a.png"}, {"fov": 1, "image": "b.png"}]
    with pytest.raises(ValidationError, match=f"field of view 1 has {count}, 1 to 8 are needed"):
        recipe({"max_offset": 8.0, "method": "fiducials", "fiducials": marks}, templates=templates)


@pytest.mark.parametrize(
    ("corners", "inside"),
    [
        ([[9.0, 9.0], [60.0, 60.0]], True),
        ([[8.0, 9.0], [60.0, 60.0]], False),
        ([[9.0, 8.0], [60.0, 60.0]], False),
        ([[580.0, 420.0], [631.0, 471.0]], True),
        ([[580.0, 420.0], [632.0, 471.0]], False),
        ([[580.0, 420.0], [631.0, 472.0]], False),
    ],
)
def test_a_fiducial_and_its_search_may_touch_the_frame_s_edge(corners, inside):
    """9 px around it at a max_offset of 8, in 640 x 480."""
    keys = {"max_offset": 8.0, "method": "fiducials", "fiducials": [{"corners": corners}]}
    if inside:
        assert recipe(keys, templates=[{"fov": 0, "image": "a.png"}]).registration.fiducials[0].corners
    else:
        with pytest.raises(ValidationError, match="is not inside the frame"):
            recipe(keys)


@pytest.mark.parametrize(("side_px", "is_taken"), [(MIN_FRAME_PX, True), (MIN_FRAME_PX - 1, False)])
@pytest.mark.parametrize("key", ["width_px", "height_px"])
def test_a_frame_of_the_least_size_can_be_aligned(key, side_px, is_taken):
    found = recipe({"max_offset": 1.0}).registration
    size = {"width_px": 640, "height_px": 480, key: side_px}
    problems = [line for line in found.problems(**size, px_per_unit=1.0, fovs=()) if "a side are needed" in line]
    assert len(problems) == (not is_taken)
