"""Whether what was measured of a camera goes with a recipe."""

from __future__ import annotations

import pytest

from aoi_daemon.config.cameras import ReplayCamera
from aoi_daemon.config.checks.lens import lens_problem
from aoi_daemon.config.lens import Lens
from aoi_daemon.config.recipe import Recipe


def problem(*, measured=(640, 480, 20.0), **recipe):
    width, height, scale = measured
    lens = None if measured == (0, 0, 0) else Lens(width_px=width, height_px=height, px_per_mm=scale)
    camera = ReplayCamera(kind="replay", source="b", calibration=lens)
    return lens_problem(camera, Recipe(id=1, name="r", bundle="b", width_px=640, height_px=480, **recipe))


def test_what_was_not_measured_is_not_asked():
    assert problem(measured=(0, 0, 0), px_per_mm=3.0) == ""


@pytest.mark.parametrize("size", [(640, 481), (480, 640)])
def test_frames_of_another_size_than_the_recipes_are_refused(size):
    assert "those of recipe 'r' are 640 x 480" in problem(measured=(*size, 20.0))


@pytest.mark.parametrize(
    ("recipe", "refused"),
    [
        ({}, False), ({"unit": "mm"}, True), ({"px_per_mm": 20.39}, False), ({"px_per_mm": 20.41}, True),
        ({"px_per_mm": 19.59}, True), ({"px_per_mm": 19.61, "unit": "mm"}, False),
    ],
)  # fmt: skip
def test_a_scale_that_is_not_the_one_that_was_measured_is_refused_with_the_line_to_write(recipe, refused):
    """The default of a recipe that speaks in px says nothing."""
    found = problem(**recipe)
    assert bool(found) is refused
    assert not refused or "write px_per_mm = 20.0000" in found
