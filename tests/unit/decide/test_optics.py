"""A picture that cannot be judged is not judged."""

import numpy as np
import pytest

from aoi_daemon.config.limits import Optics
from aoi_daemon.decide.optics import optics_fault

LIMITS = Optics(min_brightness=40.0, max_brightness=220.0, min_contrast=10.0)


def picture(low: int, high: int) -> np.ndarray:
    image = np.full((64, 64, 1), low, np.uint8)
    image[:32] = high
    return image


def test_a_picture_within_its_limits_is_judged():
    assert optics_fault(picture(60, 200), LIMITS) == ""


@pytest.mark.parametrize(
    ("low", "high", "says"), [(0, 30, "too dark: 15"), (225, 255, "too bright: 240"), (100, 104, "no contrast: 2")]
)
def test_a_picture_outside_its_limits_is_named(low, high, says):
    assert optics_fault(picture(low, high), LIMITS).startswith(says)


def test_no_limit_is_ever_met_by_default():
    for low, high in ((0, 0), (255, 255), (0, 255)):
        assert optics_fault(picture(low, high), Optics()) == ""


def test_every_eighth_pixel_of_every_eighth_row_of_the_first_channel_is_looked_at():
    """What is between them costs time and says no more."""
    image = np.zeros((64, 80, 3), np.uint8)
    image[::8, ::8, 0] = 100
    assert optics_fault(image, Optics(min_brightness=100, max_brightness=100)) == ""
    image[...] = 255
    image[::8, ::8, 0] = 100
    assert optics_fault(image, Optics(min_brightness=100, max_brightness=100)) == ""
